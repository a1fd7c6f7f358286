// SPDX-License-Identifier: Apache-2.0
#include "recorder/publish_signal.h"

#include <utility>

namespace banyan::recorder {

void PublishSignal::publish() {
  count_.fetch_add(1, std::memory_order_seq_cst);
  if (waiters_.load(std::memory_order_seq_cst) > 0) {
    // Empty on purpose: a waiter between its check and its sleep holds the mutex.
    { MutexLock lock(mutex_); }
    changed_.notify_all();
  }
  if (listener_count_.load(std::memory_order_acquire) > 0) call_listeners();
}

void PublishSignal::call_listeners() {
  std::vector<std::shared_ptr<Listener>> listeners;
  {
    MutexLock lock(listeners_mutex_);
    listeners = listeners_;
  }
  for (const auto& listener : listeners) {
    MutexLock lock(listener->mutex);
    if (listener->call) listener->call();
  }
}

void PublishSignal::wait(std::uint64_t seen, std::chrono::milliseconds patience,
                         std::atomic<bool>& interrupted) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  waiters_.fetch_add(1, std::memory_order_seq_cst);
  {
    MutexLock lock(mutex_);
    while (count() == seen && !interrupted.load(std::memory_order_seq_cst)) {
      const auto left = deadline - std::chrono::steady_clock::now();
      if (left <= std::chrono::nanoseconds(0)) break;
      lock.wait_for(changed_, left);
    }
  }
  waiters_.fetch_sub(1, std::memory_order_seq_cst);
  interrupted.store(false, std::memory_order_seq_cst);
}

void PublishSignal::interrupt(std::atomic<bool>& interrupted) {
  interrupted.store(true, std::memory_order_seq_cst);
  { MutexLock lock(mutex_); }
  changed_.notify_all();
}

std::shared_ptr<void> PublishSignal::add_listener(std::function<void()> listener) {
  auto held = std::make_shared<Listener>();
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
