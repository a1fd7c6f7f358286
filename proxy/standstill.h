// SPDX-License-Identifier: Apache-2.0
//
// All workers between two turns at one moment, so that what they share can change under nobody's
// feet: each comes to the gate in a task of its loop, the changer opens it once all are there. A
// worker that does not come in time calls the change off. It costs each worker the rest of the
// slowest one's turn.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>

#include "core/base/mutex.h"

namespace banyan::proxy {

// Shared by the changer and the workers' tasks. Any thread.
class Standstill {
 public:
  explicit Standstill(std::size_t workers) : workers_(workers) {}

  // ---- a worker: stands until the gate opens (true) or the change is off.
  bool arrive();
  // It goes on with its turns.
  void leave();

  // ---- the changer
  // False past `patience_ns`: the change is off, and everybody goes on.
  bool wait_for_all(std::int64_t patience_ns);
  void open();
  // Until each worker has taken the change over.
  void wait_until_left();

 private:
  enum class Gate { kClosed, kOpen, kCalledOff };
  const std::size_t workers_;
  Mutex mutex_;
  std::condition_variable changed_;
  std::size_t arrived_ GUARDED_BY(mutex_) = 0;
  std::size_t left_ GUARDED_BY(mutex_) = 0;
  Gate gate_ GUARDED_BY(mutex_) = Gate::kClosed;
};

}  // namespace banyan::proxy
