// SPDX-License-Identifier: Apache-2.0
//
// Remembers rollbacks, so that a change of the dials that was asked for before one and waits for a
// slow disk cannot undo it afterwards. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "core/base/mutex.h"

namespace banyan::admin {

class RollbackGuard {
 public:
  struct Mark {
    std::uint64_t of_route = 0;
    std::uint64_t of_all = 0;
    bool operator==(const Mark&) const = default;
  };
  // `route` "" means all.
  void note(std::string_view route) {
    MutexLock lock(mutex_);
    if (route.empty())
      ++all_;
    else
      ++routes_[std::string(route)];
  }
  Mark mark(std::string_view route) const {
    MutexLock lock(mutex_);
    const auto found = routes_.find(route);
    return Mark{found == routes_.end() ? 0 : found->second, all_};
  }

 private:
  mutable Mutex mutex_;
  std::map<std::string, std::uint64_t, std::less<>> routes_
      GUARDED_BY(mutex_);  // known routes only
  std::uint64_t all_ GUARDED_BY(mutex_) = 0;
};

}  // namespace banyan::admin
