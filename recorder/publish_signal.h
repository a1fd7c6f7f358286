// SPDX-License-Identifier: Apache-2.0
//
// Tells readers that a fence moved. Publishing costs two atomics while nobody waits. Any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/base/mutex.h"

namespace banyan::recorder {

class PublishSignal {
 public:
  void publish();
  std::uint64_t count() const { return count_.load(std::memory_order_seq_cst); }
  // Until count() differs from `seen`, `interrupted` is set (and taken back), or patience ends.
  void wait(std::uint64_t seen, std::chrono::milliseconds patience, std::atomic<bool>& interrupted);
  void interrupt(std::atomic<bool>& interrupted);

  // Called by publish() until the handle dies; the handle's death waits for a call in progress.
  std::shared_ptr<void> add_listener(std::function<void()> listener);

 private:
  struct Listener {
    Mutex mutex;
    std::function<void()> call GUARDED_BY(mutex);
  };
  void call_listeners();

  std::atomic<std::uint64_t> count_{0};
  std::atomic<int> waiters_{0};
  std::atomic<int> listener_count_{0};
  Mutex mutex_;
  std::condition_variable changed_;
  Mutex listeners_mutex_;
  std::vector<std::shared_ptr<Listener>> listeners_ GUARDED_BY(listeners_mutex_);
};

}  // namespace banyan::recorder
