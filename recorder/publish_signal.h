// SPDX-License-Identifier: Apache-2.0
//
// Tells readers that a fence moved, those that have use for what is new. Publishing costs two
// atomics while nobody waits. Any thread.
#pragma once

#include <array>
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
  // `kinds`: of the records behind which `fence` now stands. Whether somebody had waited for it.
  bool publish(model::Fence fence, model::RecordKinds kinds);
  // What became durable counts for both fences.
  std::uint64_t count(model::Fence fence) const {
    return counts_[index_of(fence)].load(std::memory_order_seq_cst);
  }
  // For who reads up to one fence.
  struct Wanted {
    model::Fence fence = model::Fence::kWritten;
    model::RecordKinds kinds = model::RecordKinds::all();
  };
  // Until something `wanted` was published since count() of that fence was `seen`, `interrupted` is
  // set (and taken back), or patience ends; not at all where anything was.
  void wait(std::uint64_t seen, const Wanted& wanted, std::chrono::milliseconds patience,
            std::atomic<bool>& interrupted);
  void interrupt(std::atomic<bool>& interrupted);
  int waiters() const { return waiter_count_.load(std::memory_order_seq_cst); }

  // Called by publish() until the handle dies; the handle's death waits for a call in progress.
  using Listener = model::LogAccess::PublishListener;
  std::shared_ptr<void> add_listener(Listener listener);

 private:
  struct Waiter {
    Wanted wanted;
    bool is_called = false;
    std::condition_variable signal;
  };
  struct HeldListener {
    Mutex mutex;
    Listener call GUARDED_BY(mutex);
  };
  static std::size_t index_of(model::Fence fence) {
    return fence == model::Fence::kDurable ? 1 : 0;
  }
  bool call_waiters(model::Fence fence, model::RecordKinds kinds);
  bool call_listeners(model::RecordKinds kinds);

  std::array<std::atomic<std::uint64_t>, 2> counts_{};
  std::atomic<int> waiter_count_{0};
  std::atomic<int> listener_count_{0};
  Mutex mutex_;
  std::vector<Waiter*> waiters_ GUARDED_BY(mutex_);
  Mutex listeners_mutex_;
  std::vector<std::shared_ptr<HeldListener>> listeners_ GUARDED_BY(listeners_mutex_);
};

}  // namespace banyan::recorder
