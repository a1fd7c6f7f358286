// SPDX-License-Identifier: Apache-2.0
#include "recorder/publish_signal.h"

#include <utility>

namespace banyan::recorder {

bool PublishSignal::publish(model::Fence fence, model::RecordKinds kinds) {
  counts_[index_of(model::Fence::kWritten)].fetch_add(1, std::memory_order_seq_cst);
  if (fence == model::Fence::kDurable) {
    counts_[index_of(fence)].fetch_add(1, std::memory_order_seq_cst);
  }
  bool was_awaited = false;
  if (waiter_count_.load(std::memory_order_seq_cst) > 0) was_awaited = call_waiters(fence, kinds);
  if (listener_count_.load(std::memory_order_acquire) > 0 && call_listeners(kinds)) {
    was_awaited = true;
  }
  return was_awaited;
}

bool PublishSignal::call_waiters(model::Fence fence, model::RecordKinds kinds) {
  MutexLock lock(mutex_);
  bool has_called = false;
  for (Waiter* const waiter : waiters_) {
    const Wanted& wanted = waiter->wanted;
    if (wanted.fence == model::Fence::kDurable && fence != model::Fence::kDurable) continue;
    if (waiter->is_called || !wanted.kinds.meets(kinds)) continue;
    waiter->is_called = true;
    waiter->signal.notify_one();
    has_called = true;
  }
  return has_called;
}

bool PublishSignal::call_listeners(model::RecordKinds kinds) {
  std::vector<std::shared_ptr<HeldListener>> listeners;
  {
    MutexLock lock(listeners_mutex_);
    listeners = listeners_;
  }
  bool had_use = false;
  for (const auto& listener : listeners) {
    MutexLock lock(listener->mutex);
    if (listener->call && listener->call(kinds)) had_use = true;
  }
  return had_use;
}

void PublishSignal::wait(std::uint64_t seen, const Wanted& wanted,
                         std::chrono::milliseconds patience, std::atomic<bool>& interrupted) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  Waiter waiter{wanted, false, {}};
  {
    MutexLock lock(mutex_);
    waiters_.push_back(&waiter);
    waiter_count_.fetch_add(1, std::memory_order_seq_cst);
    // Who publishes from here on sees it; what was published before is in the count.
    waiter.is_called = count(wanted.fence) != seen;
    while (!waiter.is_called && !interrupted.load(std::memory_order_seq_cst)) {
      const auto left = deadline - std::chrono::steady_clock::now();
      if (left <= std::chrono::nanoseconds(0)) break;
      lock.wait_for(waiter.signal, left);
    }
    std::erase(waiters_, &waiter);
    waiter_count_.fetch_sub(1, std::memory_order_seq_cst);
  }
  interrupted.store(false, std::memory_order_seq_cst);
}

void PublishSignal::interrupt(std::atomic<bool>& interrupted) {
  MutexLock lock(mutex_);
  interrupted.store(true, std::memory_order_seq_cst);
  for (Waiter* const waiter : waiters_) waiter->signal.notify_one();
}

std::shared_ptr<void> PublishSignal::add_listener(Listener listener) {
  auto held = std::make_shared<HeldListener>();
  {
    MutexLock lock(held->mutex);
    held->call = std::move(listener);
  }
  MutexLock lock(listeners_mutex_);
  std::erase_if(listeners_, [](const auto& known) { return known.use_count() == 1; });
  listeners_.push_back(held);
  listener_count_.store(static_cast<int>(listeners_.size()), std::memory_order_release);
  // The handle's end empties the function; the empty shell goes with a later add.
  return std::shared_ptr<void>(held.get(), [held](void*) mutable {
    {
      MutexLock inner(held->mutex);
      held->call = nullptr;
    }
    held.reset();
  });
}

}  // namespace banyan::recorder
