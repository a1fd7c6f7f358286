// SPDX-License-Identifier: Apache-2.0
#include "routing/route_state.h"

#include <algorithm>

#include "core/base/text.h"
#include "routing/session.h"

namespace banyan::routing {
namespace {

constexpr std::size_t kByBytesMax = 200;
constexpr std::size_t kReasonBytesMax = 1000;

void stamp(const Change& change, SavedRoute& route) {
  route.changed_wall_ns = change.at_wall_ns;
  route.changed_by = escape_for_terminal(change.by, kByBytesMax);
  route.changed_reason = escape_for_terminal(change.reason, kReasonBytesMax);
}

std::string share_conflict(std::string_view dial, std::uint32_t config, std::uint32_t before,
                           std::uint32_t in_force) {
  if (config == before) return "";
  return std::string(dial) + " is " + percent_text(config) + " in the config now (" +
         percent_text(before) + " when it was last changed at run time), " +
         percent_text(in_force) + " is in force; ";
}

std::string conflict_of(const RouteState& route) {
  const SavedRoute& saved = route.saved;
  const model::Dials& config = route.options.dials;
  if (!saved.is_overridden || config == saved.configured) return "";
  std::string out = share_conflict("candidate_percent", config.candidate_share,
                                   saved.configured.candidate_share, saved.dials.candidate_share);
  out += share_conflict("mirror_percent", config.mirror_share, saved.configured.mirror_share,
                        saved.dials.mirror_share);
  if (config.mirror_writes != saved.configured.mirror_writes) {
    out += std::string("mirror_writes is ") + (config.mirror_writes ? "true" : "false") +
           " in the config now, " + (saved.dials.mirror_writes ? "true" : "false") +
           " is in force; ";
  }
  return out + "`route reset` takes the config's values, `route set` keeps its own";
}

SavedRoute fresh_route(const RouteOptions& options, std::int64_t now_wall_ns) {
  SavedRoute route;
  route.name = options.name;
  route.dials = route.configured = options.dials;
  route.changed_wall_ns = now_wall_ns;
  route.changed_by = "config";
  return route;
}

SavedRoute lost_route(const RouteOptions& options, std::int64_t now_wall_ns) {
  SavedRoute route = fresh_route(options, now_wall_ns);
  route.dials.candidate_share = 0;
  route.is_overridden = route.is_rolled_back = true;
  route.changed_by = "banyan";
  route.changed_reason = "the routing state was lost";
  return route;
}

// A person's change beats the config; but where the file changed since, the lower share holds, and
// it stays lowered until a person decides.
SavedRoute kept_route(const RouteOptions& options, const SavedRoute& saved, std::int64_t now) {
  SavedRoute route = saved;
  if (!saved.is_overridden) {
    route.dials = route.configured = options.dials;
    if (route.dials != saved.dials) {
      route.changed_wall_ns = now;
      route.changed_by = "config";
      route.changed_reason.clear();
    }
  } else if (options.dials.candidate_share != saved.configured.candidate_share &&
             options.dials.candidate_share < saved.dials.candidate_share) {
    route.dials.candidate_share = options.dials.candidate_share;
    route.changed_wall_ns = now;
    route.changed_by = "config";
    route.changed_reason = "the config was lowered below the value set at run time";
  }
  return route;
}

}  // namespace

std::string_view stage_of(const model::Dials& dials) {
  if (dials.candidate_share == 0) return dials.mirror_share == 0 ? "observe" : "parallel_run";
  if (dials.candidate_share < kShareWhole) return "canary";
  return dials.mirror_share == 0 ? "retired" : "cutover";
}

RouteStatus RouteState::status() const {
  RouteStatus out;
  out.name = saved.name;
  out.dials = saved.dials;
  out.configured = options.dials;
  out.stage = std::string(stage_of(saved.dials));
  out.conflict = conflict_of(*this);
  out.is_rolled_back = saved.is_rolled_back;
  out.changed_wall_ns = saved.changed_wall_ns;
  out.changed_by = saved.changed_by;
  out.changed_reason = saved.changed_reason;
  return out;
}

std::vector<RouteState> merge_state(const std::vector<RouteOptions>& routes, StateFound found,
                                    const SavedState* state, std::int64_t now_wall_ns,
                                    std::vector<std::string>& warnings) {
  std::vector<RouteState> out;
  for (const RouteOptions& options : routes) {
    const SavedRoute* saved = nullptr;
    if (state != nullptr) {
      for (const SavedRoute& route : state->routes) {
        if (route.name == options.name) saved = &route;
      }
    }
    RouteState route{options, {}};
    if (found == StateFound::kLost) {
      route.saved = lost_route(options, now_wall_ns);
    } else if (saved == nullptr) {
      route.saved = fresh_route(options, now_wall_ns);
    } else {
      route.saved = kept_route(options, *saved, now_wall_ns);
    }
    const std::string conflict = route.status().conflict;
    if (!conflict.empty() && found != StateFound::kLost) {
      warnings.push_back("route \"" + options.name + "\": " + conflict);
    }
    out.push_back(std::move(route));
  }
  if (state == nullptr) return out;
  for (const SavedRoute& saved : state->routes) {
    const bool is_configured = std::any_of(
        routes.begin(), routes.end(), [&](const RouteOptions& r) { return r.name == saved.name; });
    if (is_configured) continue;
    warnings.push_back("route \"" + saved.name +
                       "\" is not in the config any more: its run-time dials (candidate_percent " +
                       percent_text(saved.dials.candidate_share) + ") are forgotten");
  }
  return out;
}

std::vector<RouteState> merge_reload(const std::vector<RouteOptions>& routes,
                                     const std::vector<RouteState>& in_force,
                                     std::int64_t now_wall_ns, std::vector<std::string>& warnings) {
  SavedState state;
  for (const RouteState& route : in_force) state.routes.push_back(route.saved);
  return merge_state(routes, StateFound::kLoaded, &state, now_wall_ns, warnings);
}

SavedRoute apply_patch(const RouteState& route, const DialsPatch& patch, const Change& change) {
  SavedRoute out = route.saved;
  if (patch.candidate_share) out.dials.candidate_share = *patch.candidate_share;
  if (patch.mirror_share) out.dials.mirror_share = *patch.mirror_share;
  if (patch.mirror_writes) out.dials.mirror_writes = *patch.mirror_writes;
  if (out.dials.candidate_share > route.saved.dials.candidate_share) out.is_rolled_back = false;
  out.is_overridden = true;
  out.configured = route.options.dials;
  stamp(change, out);
  return out;
}

SavedRoute apply_rollback(const RouteState& route, const Change& change) {
  SavedRoute out = route.saved;
  out.dials.candidate_share = 0;
  out.is_rolled_back = out.is_overridden = true;
  out.configured = route.options.dials;
  stamp(change, out);
  return out;
}

SavedRoute apply_reset(const RouteState& route, const Change& change) {
  SavedRoute out = route.saved;
  out.dials = out.configured = route.options.dials;
  out.is_overridden = out.is_rolled_back = false;
  stamp(change, out);
  return out;
}

}  // namespace banyan::routing
