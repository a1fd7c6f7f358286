// SPDX-License-Identifier: Apache-2.0
//
// Which route an exchange takes and which system answers it. A table is immutable and shared by all
// workers; a change publishes a new one.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/http/message.h"
#include "core/model/record.h"
#include "routing/options.h"

namespace banyan::crypto {
class KeyRing;
}

namespace banyan::routing {

inline constexpr std::string_view kUnmatched = "unmatched";

struct Route {
  RouteOptions options;
  model::Dials dials;  // in force
};

// A connection's last session, so that a keep-alive connection pays for the keyed token once. Owned
// by whoever owns the connection; one memo belongs to one key ring. Holds a secret: never log it.
struct SessionMemo {
  std::string value;
  bool is_connection = false;
  std::string token;  // "" = empty memo
};

// What the router needs to know of a request.
struct RequestFacts {
  std::string_view method;
  std::string_view host;    // authority without case
  std::string_view target;  // origin form; matching uses one normal form (see docs)
  const http::HeaderList* fields = nullptr;
  std::string_view client_address;  // "192.0.2.1", without the port
  // Unique per connection: the session where the configured sticky key is absent.
  std::uint64_t connection = 0;
  SessionMemo* memo = nullptr;  // optional; read and written by decide()
};

struct RouteDecision {
  const Route* route = nullptr;  // null: unmatched; valid while the table lives
  std::string_view route_name;   // or "unmatched"
  std::uint64_t routing_epoch = 0;
  System primary = System::kLegacy;
  std::string decision;  // why, for people and the log
  std::string session;   // keyed token, 16 bytes as 32 hex digits
  bool is_write = false;
  MirrorDecision mirror = MirrorDecision::kOff;
  SkipReason skip = SkipReason::kNone;
  Durability durability = Durability::kInterval;
  OnFailure on_failure = OnFailure::kFailOpen;
  RecordMode record = RecordMode::kFull;
  bool falls_back_to_legacy = false;
};

// Bad patterns and names of one match table, for config errors (kInvalidArgument).
Status check_match(const MatchOptions& match);
// True where no request can fail it, so that later routes are never reached.
bool matches_everything(const MatchOptions& match);

// Immutable; any thread. `keys` must outlive it.
class RoutingTable {
 public:
  // Every route's match must have passed check_match().
  RoutingTable(std::vector<Route> routes, std::uint64_t epoch, std::string salt,
               const crypto::KeyRing& keys);
  ~RoutingTable();
  RouteDecision decide(const RequestFacts& facts) const {
    RouteDecision out;
    decide(facts, out);
    return out;
  }
  // The same into the room of an earlier decision.
  void decide(const RequestFacts& facts, RouteDecision& out) const;
  // The same, with every route that lost and why (`route explain`).
  struct Explanation {
    RouteDecision decision;
    struct Loser {
      std::string route;
      std::string why;
    };
    std::vector<Loser> losers;
    double answer_bucket = 0;  // of the session, percent
    double mirror_bucket = 0;
    std::string sticky_source;
  };
  Explanation explain(const RequestFacts& facts) const;
  std::uint64_t epoch() const;
  const std::vector<Route>& routes() const;
  const Route* find(std::string_view name) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Where workers look. load() costs one atomic read while nothing changed. Any thread.
class RoutingCell {
 public:
  void publish(std::shared_ptr<const RoutingTable> table);
  // `held` is the caller's copy; refreshed when stale.
  const RoutingTable& load(std::shared_ptr<const RoutingTable>& held) const {
    if (!held || held->epoch() != epoch_.load(std::memory_order_acquire)) refresh(held);
    return *held;
  }

 private:
  void refresh(std::shared_ptr<const RoutingTable>& held) const;
  std::atomic<std::uint64_t> epoch_{0};
  struct Slot;
  std::shared_ptr<Slot> slot_;

 public:
  RoutingCell();
  ~RoutingCell();
};

}  // namespace banyan::routing
