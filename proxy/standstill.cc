// SPDX-License-Identifier: Apache-2.0
#include "proxy/standstill.h"

#include <chrono>

namespace banyan::proxy {

bool Standstill::arrive() {
  MutexLock lock(mutex_);
  ++arrived_;
  changed_.notify_all();
  while (gate_ == Gate::kClosed) lock.wait(changed_);
  return gate_ == Gate::kOpen;
}

void Standstill::leave() {
  MutexLock lock(mutex_);
  ++left_;
  changed_.notify_all();
}

bool Standstill::wait_for_all(std::int64_t patience_ns) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(patience_ns);
  MutexLock lock(mutex_);
  while (arrived_ < workers_) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds(0)) {
      gate_ = Gate::kCalledOff;
      changed_.notify_all();
      return false;
    }
    lock.wait_for(changed_, left);
  }
  return true;
}

void Standstill::open() {
  MutexLock lock(mutex_);
  gate_ = Gate::kOpen;
  changed_.notify_all();
}

void Standstill::wait_until_left() {
  MutexLock lock(mutex_);
  while (left_ < workers_) lock.wait(changed_);
}

}  // namespace banyan::proxy
