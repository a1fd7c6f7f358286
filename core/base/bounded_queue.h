// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "core/base/mutex.h"

namespace banyan {

// Hands values from any thread to any thread. Never grows past its bound: try_push answers false
// and counts. Any thread.
template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t depth_max) : depth_max_(depth_max) {}

  bool try_push(T value) {
    {
      MutexLock lock(mutex_);
      if (closed_ || items_.size() >= depth_max_) {
        refused_.fetch_add(1, std::memory_order_relaxed);
        return false;
      }
      items_.push_back(std::move(value));
    }
    not_empty_.notify_one();
    return true;
  }

  // Waits at most `patience`; nullopt when nothing came, or when closed and empty.
  std::optional<T> pop(std::chrono::milliseconds patience) {
    MutexLock lock(mutex_);
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (items_.empty() && !closed_) {
      const auto left = deadline - std::chrono::steady_clock::now();
      if (left <= std::chrono::nanoseconds(0)) return std::nullopt;
      lock.wait_for(not_empty_, left);
    }
    if (items_.empty()) return std::nullopt;
    T value = std::move(items_.front());
    items_.pop_front();
    return value;
  }

  // Nothing enters any more; what is inside can still be popped.
  void close() {
    {
      MutexLock lock(mutex_);
      closed_ = true;
    }
    not_empty_.notify_all();
  }
  bool is_closed() const {
    MutexLock lock(mutex_);
    return closed_;
  }
  std::size_t depth() const {
    MutexLock lock(mutex_);
    return items_.size();
  }
  std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  const std::size_t depth_max_;
  mutable Mutex mutex_;
  std::condition_variable not_empty_;
  std::deque<T> items_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
  std::atomic<std::uint64_t> refused_{0};
};

}  // namespace banyan
