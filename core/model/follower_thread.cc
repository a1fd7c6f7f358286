// SPDX-License-Identifier: Apache-2.0
#include "core/model/follower_thread.h"

#include <utility>

#include "core/base/background.h"
#include "core/base/check.h"

namespace banyan::model {

FollowerThread::~FollowerThread() { CHECK(!thread_.joinable()); }

void FollowerThread::start(const char* name, std::function<void()> body) {
  CHECK(!thread_.joinable());
  is_stopping_.store(false);
  thread_ = std::thread([name, body = std::move(body)] {
    run_in_background(name);
    body();
  });
}

void FollowerThread::stop(RecordSource& source) {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(mutex_);
    is_stopping_.store(true);
  }
  wake_.notify_all();
  source.interrupt();
  thread_.join();
}

void FollowerThread::pause(std::chrono::milliseconds duration) {
  const auto deadline = std::chrono::steady_clock::now() + duration;
  MutexLock lock(mutex_);
  while (!is_stopping()) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left.count() <= 0) return;
    lock.wait_for(wake_, left);
  }
}

}  // namespace banyan::model
