// SPDX-License-Identifier: Apache-2.0
#include "app/watchdog.h"

#include <pthread.h>

#include <string>

#include "core/obs/log.h"

namespace banyan::app {

void Watchdog::start() {
  thread_ = std::thread([this] {
    (void)pthread_setname_np(pthread_self(), "watchdog");
    run();
  });
}

void Watchdog::stop() {
  {
    MutexLock lock(mutex_);
    is_stopping_ = true;
  }
  stop_signal_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Watchdog::look() {
  std::string silent;
  for (Pulse* pulse : pulses_) {
    if (has_asked_ && !pulse->has_answered()) {
      silent += (silent.empty() ? "" : ", ") + std::string(pulse->name());
    }
  }
  if (silent.empty()) {
    // Asked again only after an answer, so that a stuck thread does not collect questions.
    for (Pulse* pulse : pulses_) pulse->ask();
    has_asked_ = true;
    alive_();
  } else if (!is_silent_) {
    obs::log_error("watchdog", silent +
                                   " did not answer; the service manager is not told that all "
                                   "is well until that changes");
  }
  is_silent_ = !silent.empty();
}

void Watchdog::run() {
  MutexLock lock(mutex_);
  while (!is_stopping_) {
    look();
    lock.wait_for(stop_signal_, std::chrono::nanoseconds(period_ns_));
  }
}

}  // namespace banyan::app
