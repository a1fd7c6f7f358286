// SPDX-License-Identifier: Apache-2.0
//
// The store thread: SQLite, log queries and everything else that may block on a disk. Tasks wait in
// a bounded queue. A task whose patience ended while it waited never runs, so nothing happens after
// somebody was told that it did not.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "core/base/bounded_queue.h"

namespace banyan::admin {

// Any thread.
class StoreTask {
 public:
  explicit StoreTask(std::function<void()> work) : work_(std::move(work)) {}
  // True if it had not begun, and now never will.
  bool abandon() {
    int expected = kWaiting;
    return state_.compare_exchange_strong(expected, kAbandoned);
  }
  void run() {
    int expected = kWaiting;
    if (state_.compare_exchange_strong(expected, kBegun)) work_();
    work_ = nullptr;
  }

 private:
  enum { kWaiting, kBegun, kAbandoned };
  std::atomic<int> state_{kWaiting};
  std::function<void()> work_;
};

class StoreWorker {
 public:
  // `idle` runs between tasks, at least every kIdleEvery when nothing else is to do; it answers
  // true while it has more to do.
  StoreWorker(std::size_t queue_max, std::function<bool()> idle);
  ~StoreWorker();
  void start();
  // Runs what waits, then ends. Waits for a task that hangs.
  void stop();
  // False when the queue is full or closed. Any thread.
  bool submit(std::shared_ptr<StoreTask> task) { return queue_.try_push(std::move(task)); }
  std::size_t depth() const { return queue_.depth(); }
  std::uint64_t refused() const { return queue_.refused(); }

  static constexpr std::chrono::milliseconds kIdleEvery{50};

 private:
  void run();
  BoundedQueue<std::shared_ptr<StoreTask>> queue_;
  std::function<bool()> idle_;
  std::thread thread_;
};

}  // namespace banyan::admin
