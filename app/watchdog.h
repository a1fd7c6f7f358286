// SPDX-License-Identifier: Apache-2.0
//
// Tells the service manager that we live, but only while the threads that serve do: each period it
// asks them, and the next period it looks whether they have answered.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/mutex.h"

namespace banyan::app {

// What is watched. Any thread; must not block.
class Pulse {
 public:
  virtual ~Pulse() = default;
  virtual void ask() = 0;
  // All have answered the last ask().
  virtual bool has_answered() const = 0;
  virtual const char* name() const = 0;
};

// One thread of its own.
class Watchdog {
 public:
  // Looks every `period_ns`; calls `alive` when all pulses answered. They must outlive it.
  Watchdog(std::int64_t period_ns, std::vector<Pulse*> pulses, std::function<void()> alive)
      : period_ns_(period_ns), pulses_(std::move(pulses)), alive_(std::move(alive)) {}
  ~Watchdog() { stop(); }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void start();
  void stop();
  // One look, for the thread, or for a test that has not called start().
  void look();

 private:
  void run();

  const std::int64_t period_ns_;
  const std::vector<Pulse*> pulses_;
  const std::function<void()> alive_;
  bool has_asked_ = false;
  bool is_silent_ = false;
  Mutex mutex_;
  std::condition_variable stop_signal_;
  bool is_stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace banyan::app
