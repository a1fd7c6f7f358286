// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/model/record.h"
#include "core/model/types.h"

namespace banyan::routing {

struct MatchOptions {
  std::string path;                  // glob by segments: /orders/**, /stock/*; "" = any
  std::vector<std::string> methods;  // empty = any
  std::string host;                  // exact or *.example.org; "" = any; the port is ignored
  struct Field {
    std::string name;
    std::string value;  // "" = present
  };
  std::vector<Field> headers;
  std::vector<Field> query;
};

enum class StickyKind { kClientIp, kCookie, kHeader };

struct RouteOptions {
  std::string name;
  MatchOptions match;
  model::Dials dials;  // as configured
  StickyKind sticky = StickyKind::kClientIp;
  std::string sticky_name;
  // Unset: interval for safe methods, request for writes.
  std::optional<Durability> durability;
  OnFailure on_failure = OnFailure::kFailOpen;
  RecordMode record = RecordMode::kFull;
  std::optional<bool> treat_as_write;
  bool falls_back_to_legacy = false;
  // Protocols that a client may change to, in lower case.
  std::vector<std::string> upgrades = {"websocket"};
};

struct RoutingOptions {
  std::vector<RouteOptions>
      routes;                   // first match wins; empty: one "default" that matches everything
  std::string state_directory;  // data_dir/state
  std::string salt;             // [routing] salt for a fleet; "" = made once, in the state file
  // How long a move towards the candidate waits for the disk before it is refused.
  std::int64_t persist_wait_ns = 2'000'000'000;
};

}  // namespace banyan::routing
