// SPDX-License-Identifier: Apache-2.0
#include "recorder/side_thread.h"

#include <pthread.h>

#include <utility>

#include "core/base/check.h"

namespace banyan::recorder {

SideThread::~SideThread() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(mutex_);
    is_over_ = true;
  }
  signal_.notify_all();
  thread_.join();
}

void SideThread::start(std::function<void()> job) {
  if (!thread_.joinable()) {
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), name_);
      run();
    });
  }
  {
    MutexLock lock(mutex_);
    CHECK(!is_busy_);
    job_ = std::move(job);
    is_busy_ = true;
  }
  signal_.notify_all();
}

void SideThread::wait() {
  MutexLock lock(mutex_);
  while (is_busy_) lock.wait(signal_);
}

void SideThread::run() {
  while (true) {
    std::function<void()> job;
    {
      MutexLock lock(mutex_);
      while (job_ == nullptr && !is_over_) lock.wait(signal_);
      if (job_ == nullptr) return;
      job = std::exchange(job_, nullptr);
    }
    job();
    {
      MutexLock lock(mutex_);
      is_busy_ = false;
    }
    signal_.notify_all();
  }
}

}  // namespace banyan::recorder
