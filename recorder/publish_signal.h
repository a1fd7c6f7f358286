// SPDX-License-Identifier: Apache-2.0
//
// Tells readers that a fence moved, those that have use for what is new. Publishing costs two
// atomics while nobody waits. Any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/mutex.h"
#include "core/model/record_io.h"

namespace banyan::recorder {

class PublishSignal {
 public:
  // `kinds`: of the records that are new.
  void publish(model::RecordKinds kinds);
  std::uint64_t count() const { return count_.load(std::memory_order_seq_cst); }
  // Until something `wanted` was published since count() was `seen`, `interrupted` is set (and
  // taken back), or patience ends; not at all where anything was.
  void wait(std::uint64_t seen, model::RecordKinds wanted, std::chrono::milliseconds patience,
            std::atomic<bool>& interrupted);
  void interrupt(std::atomic<bool>& interrupted);
  int waiters() const { return waiter_count_.load(std::memory_order_seq_cst); }

  // Called by publish() until the handle dies; the handle's death waits for a call in progress.
  using Listener = model::LogAccess::PublishListener;
  std::shared_ptr<void> add_listener(Listener listener);

 private:
  struct Waiter {
    model::RecordKinds wanted;
    bool is_called = false;
    std::condition_variable signal;
  };
  struct HeldListener {
    Mutex mutex;
    Listener call GUARDED_BY(mutex);
  };
  void call_waiters(model::RecordKinds kinds);
  void call_listeners(model::RecordKinds kinds);

  std::atomic<std::uint64_t> count_{0};
  std::atomic<int> waiter_count_{0};
  std::atomic<int> listener_count_{0};
  Mutex mutex_;
  std::vector<Waiter*> waiters_ GUARDED_BY(mutex_);
  Mutex listeners_mutex_;
  std::vector<std::shared_ptr<HeldListener>> listeners_ GUARDED_BY(listeners_mutex_);
};

}  // namespace banyan::recorder
