// SPDX-License-Identifier: Apache-2.0
//
// A mutex that clang's thread-safety analysis understands (-Wthread-safety).
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define BANYAN_TSA(x) __attribute__((x))
#else
#define BANYAN_TSA(x)
#endif
#define GUARDED_BY(x) BANYAN_TSA(guarded_by(x))
#define REQUIRES(...) BANYAN_TSA(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) BANYAN_TSA(locks_excluded(__VA_ARGS__))

namespace banyan {

class BANYAN_TSA(capability("mutex")) Mutex {
 public:
  void lock() BANYAN_TSA(acquire_capability()) { mutex_.lock(); }
  void unlock() BANYAN_TSA(release_capability()) { mutex_.unlock(); }

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

// Holds the mutex for a scope; wait() gives it up meanwhile.
class BANYAN_TSA(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) BANYAN_TSA(acquire_capability(mutex)) : lock_(mutex.mutex_) {}
  ~MutexLock() BANYAN_TSA(release_capability()) {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void wait(std::condition_variable& condition) { condition.wait(lock_); }
  template <typename Duration>
  std::cv_status wait_for(std::condition_variable& condition, Duration duration) {
    return condition.wait_for(lock_, duration);
  }

 private:
  std::unique_lock<std::mutex> lock_;
};

}  // namespace banyan
