// SPDX-License-Identifier: Apache-2.0
//
// Parts that the routing tests share.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/clock.h"
#include "core/base/mutex.h"
#include "core/crypto/key_ring.h"
#include "core/model/record_io.h"
#include "routing/routing_control.h"
#include "routing/routing_table.h"
#include "tests/support/memory_file_system.h"

namespace banyan::routing {

// Keeps what was appended, decoded to owned values.
class RouteSink final : public model::RecordSink {
 public:
  struct Seen {
    std::string route, action, by, reason;
    std::uint64_t epoch = 0;
    model::Dials before, after;
  };
  model::Ticket append(std::string_view encoded) override {
    const auto record = model::decode(encoded);
    CHECK(record.ok());
    const auto* route = std::get_if<model::RouteRecord>(&*record);
    CHECK(route != nullptr);
    MutexLock lock(mutex_);
    seen_.push_back({std::string(route->route), std::string(route->action), std::string(route->by),
                     std::string(route->reason), route->routing_epoch, route->before,
                     route->after});
    return model::Ticket{seen_.size()};
  }
  bool is_written(model::Ticket) const override { return true; }
  bool is_durable(model::Ticket) const override { return true; }
  void want_durable(model::Ticket) override {}
  bool has_failed() const override { return false; }
  std::vector<Seen> seen() const {
    MutexLock lock(mutex_);
    return seen_;
  }

 private:
  mutable Mutex mutex_;
  std::vector<Seen> seen_ GUARDED_BY(mutex_);
};

inline std::unique_ptr<crypto::KeyRing> test_keys(support::MemoryFileSystem& files) {
  auto keys = crypto::KeyRing::open(files, "data/keys", Epoch{1}, "");
  CHECK(keys.ok());
  return *std::move(keys);
}

inline RouteOptions route_named(std::string name, std::string path = "",
                                std::uint32_t candidate = 0) {
  RouteOptions route;
  route.name = std::move(name);
  route.match.path = std::move(path);
  route.dials.candidate_share = candidate;
  return route;
}

// Polls a condition that another thread makes true; false when `patience` passed first.
template <typename Condition>
bool eventually(Condition condition, std::chrono::seconds patience = std::chrono::seconds(20)) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace banyan::routing
