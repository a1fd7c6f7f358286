// SPDX-License-Identifier: Apache-2.0
//
// The config's routes in place of those in force.
#include <algorithm>
#include <chrono>
#include <utility>

#include "routing/routing_control_impl.h"

namespace banyan::routing {
namespace {

std::uint32_t share_in(const std::vector<RouteState>& routes, std::string_view name) {
  for (const RouteState& route : routes) {
    if (route.saved.name == name) return route.saved.dials.candidate_share;
  }
  return 0;
}

bool raises_any(const std::vector<RouteState>& before, const std::vector<RouteState>& after) {
  return std::any_of(after.begin(), after.end(), [&before](const RouteState& route) {
    return route.saved.dials.candidate_share > share_in(before, route.saved.name);
  });
}

}  // namespace

std::vector<RouteStatus> RoutingControl::Impl::apply_all(std::vector<RouteState> after) {
  const std::vector<RouteState> before = std::exchange(routes, std::move(after));
  ++epoch;
  publish();
  std::vector<RouteStatus> changed;
  for (const RouteState& route : routes) {
    SavedRoute was;
    for (const RouteState& old : before) {
      if (old.saved.name == route.saved.name) was = old.saved;
    }
    if (was.name == route.saved.name && was.dials == route.saved.dials) continue;
    record("reload", was, route.saved);
    changed.push_back(route.status());
  }
  return changed;
}

void RoutingControl::Impl::choose_reloaded_salt(const std::string& wanted,
                                                std::vector<std::string>& warnings) {
  if (wanted.empty() || wanted == salt) return;
  salt = wanted;
  warnings.emplace_back(
      "[routing] salt differs from the one in use before: sessions fall anew, and some change "
      "sides");
}

// On return the plan waits to be applied, and where it raises a share it is on disk.
Status RoutingControl::Impl::announce(const Plan& plan) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::nanoseconds(options.persist_wait_ns);
  std::uint64_t number = 0;
  {
    MutexLock lock(mutex);
    if (!wait_for_turn(lock, deadline)) return another_waits();
    const bool has_raise = raises_any(routes, plan(routes));
    begin(std::nullopt, plan);
    if (!has_raise) return {};
    number = save();
  }
  const Status saved = persister.wait(number, deadline - std::chrono::steady_clock::now());
  if (saved.ok()) return {};
  take_back();
  return not_saved(saved.error());
}

void RoutingControl::Impl::take_back() {
  MutexLock lock(mutex);
  end_pending();
  save();
}

Status RoutingControl::reload(RoutingOptions next,
                              const std::function<bool(const Publish&)>& commit,
                              std::vector<std::string>& warnings) {
  add_default_route(next);
  BANYAN_RETURN_IF_ERROR(check_routes(next.routes));
  Impl& impl = *impl_;
  const std::int64_t now = impl.clock.wall_ns();
  const Plan plan = [&routes = next.routes, now](const std::vector<RouteState>& before) {
    std::vector<std::string> unheard;
    return merge_reload(routes, before, now, unheard);
  };
  BANYAN_RETURN_IF_ERROR(impl.announce(plan));
  std::vector<RouteStatus> changed;
  const bool is_done = commit([&] {
    MutexLock lock(impl.mutex);
    // From the routes as they are now: a rollback that came meanwhile stands.
    std::vector<RouteState> after = merge_reload(next.routes, impl.routes, now, warnings);
    impl.end_pending();
    impl.choose_reloaded_salt(next.salt, warnings);
    changed = impl.apply_all(std::move(after));
    impl.save();
  });
  if (!is_done) {
    impl.take_back();
    Error error = make_error(ErrorCode::kUnavailable, ErrorOrigin::kInternal,
                             "the proxy's workers did not take the change; nothing was changed");
    error.may_retry = true;
    return error;
  }
  impl.tell(changed);
  return {};
}

}  // namespace banyan::routing
