// SPDX-License-Identifier: Apache-2.0
//
// What is in force for each route, and how it follows from the config, the state file and what
// people do. Pure: no disk, no threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "routing/routing_control.h"
#include "routing/state_file.h"

namespace banyan::routing {

// One route: its options from the config, and what is saved of it.
struct RouteState {
  RouteOptions options;  // options.dials is what the config says now
  SavedRoute saved;      // saved.dials is in force

  RouteStatus status() const;
};

// What the state file was like at start.
enum class StateFound { kFirstStart, kLoaded, kLost };

// Joins config and state file. `state` is null unless found is kLoaded. Tells of dropped routes and
// conflicts in `warnings`.
std::vector<RouteState> merge_state(const std::vector<RouteOptions>& routes, StateFound found,
                                    const SavedState* state, std::int64_t now_wall_ns,
                                    std::vector<std::string>& warnings);

// The same while running: what is in force takes the place of the state file.
std::vector<RouteState> merge_reload(const std::vector<RouteOptions>& routes,
                                     const std::vector<RouteState>& in_force,
                                     std::int64_t now_wall_ns, std::vector<std::string>& warnings);

struct Change {
  std::string_view action;  // "set" "rollback" "reset"
  std::string_view by;
  std::string_view reason;
  std::int64_t at_wall_ns = 0;
};
// What the route would be after the change.
SavedRoute apply_patch(const RouteState& route, const DialsPatch& patch, const Change& change);
SavedRoute apply_rollback(const RouteState& route, const Change& change);
SavedRoute apply_reset(const RouteState& route, const Change& change);

}  // namespace banyan::routing
