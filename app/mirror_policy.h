// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>

#include "core/base/mutex.h"
#include "replay/mirror.h"
#include "routing/routing_table.h"

namespace banyan::app {

// Lets the mirror ask routing whether a route's copies are still wanted. Any thread.
class RoutingMirrorPolicy final : public replay::MirrorPolicy {
 public:
  explicit RoutingMirrorPolicy(const routing::RoutingCell& cell) : cell_(cell) {}

  bool is_mirrored(std::string_view route) const override {
    MutexLock lock(mutex_);
    const routing::Route* found = cell_.load(held_).find(route);
    return found != nullptr && found->dials.mirror_share > 0;
  }
  bool mirrors_writes(std::string_view route) const override {
    MutexLock lock(mutex_);
    const routing::Route* found = cell_.load(held_).find(route);
    return found != nullptr && found->dials.mirror_share > 0 && found->dials.mirror_writes;
  }

 private:
  const routing::RoutingCell& cell_;
  mutable Mutex mutex_;
  mutable std::shared_ptr<const routing::RoutingTable> held_ GUARDED_BY(mutex_);
};

}  // namespace banyan::app
