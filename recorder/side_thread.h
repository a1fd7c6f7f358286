// SPDX-License-Identifier: Apache-2.0
//
// A second pair of hands for the recorder thread: does one thing, once, while its owner does
// another. The thread begins with the first job.
#pragma once

#include <condition_variable>
#include <functional>
#include <thread>

#include "core/base/mutex.h"

namespace banyan::recorder {

// One owner; start() and wait() on its thread, and no start() before the wait() for the last job.
class SideThread {
 public:
  // `name`: of the thread, at most 15 bytes.
  explicit SideThread(const char* name) : name_(name) {}
  ~SideThread();
  SideThread(const SideThread&) = delete;
  SideThread& operator=(const SideThread&) = delete;

  // What `job` refers to must live until wait() returns.
  void start(std::function<void()> job);
  void wait();

 private:
  void run();

  const char* const name_;
  std::thread thread_;
  Mutex mutex_;
  std::condition_variable signal_;
  std::function<void()> job_ GUARDED_BY(mutex_);
  bool is_busy_ GUARDED_BY(mutex_) = false;
  bool is_over_ GUARDED_BY(mutex_) = false;
};

}  // namespace banyan::recorder
