// SPDX-License-Identifier: Apache-2.0
//
// The thread of a consumer that follows the log: in the background, with pauses that end at once
// when it shall stop.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <thread>

#include "core/base/mutex.h"
#include "core/model/record_io.h"

namespace banyan::model {

// start() and stop(): one owner. The others: the thread itself.
class FollowerThread {
 public:
  FollowerThread() = default;
  // The owner stops it first: what `body` uses must outlive it.
  ~FollowerThread();
  FollowerThread(const FollowerThread&) = delete;
  FollowerThread& operator=(const FollowerThread&) = delete;

  // `body` returns soon after is_stopping() became true. `name` has at most 15 bytes.
  void start(const char* name, std::function<void()> body);
  // Ends a pause() and a wait() of `source`, and waits for the end of `body`. Nothing where it does
  // not run.
  void stop(RecordSource& source);

  bool is_stopping() const { return is_stopping_.load(std::memory_order_relaxed); }
  void pause(std::chrono::milliseconds duration);

 private:
  std::thread thread_;
  Mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> is_stopping_{false};
};

}  // namespace banyan::model
