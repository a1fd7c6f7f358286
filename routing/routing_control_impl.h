// SPDX-License-Identifier: Apache-2.0
//
// The inside of RoutingControl, shared by its sources: routing_control.cc (start and single
// changes) and routing_reload.cc.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/mutex.h"
#include "core/base/text.h"
#include "core/crypto/key_ring.h"
#include "routing/route_state.h"
#include "routing/routing_control.h"
#include "routing/state_persister.h"

namespace banyan::routing {

inline constexpr std::string_view kStateFileName = "routing";

using Maker = std::function<SavedRoute(const RouteState&)>;
// All routes as they would be after a change.
using Plan = std::function<std::vector<RouteState>(const std::vector<RouteState>&)>;

struct Loaded {
  StateFound found = StateFound::kFirstStart;
  SavedState state;
};

Status check_routes(const std::vector<RouteOptions>& routes);
void add_default_route(RoutingOptions& options);
Error another_waits();
Error not_saved(const Error& why);

struct RoutingControl::Impl {
  Impl(FileSystem& the_files, Clock& the_clock, RoutingOptions the_options,
       const crypto::KeyRing& the_keys, model::RecordSink* the_sink)
      : files(the_files),
        clock(the_clock),
        options(std::move(the_options)),
        keys(the_keys),
        sink(the_sink),
        persister(the_files, options.state_directory, std::string(kStateFileName)) {
    persister.set_last_patience(std::chrono::nanoseconds(options.persist_wait_ns));
  }

  // What waits for the disk before it may act: a raise of one route, or a reload of all; at most
  // one at a time.
  struct Pending {
    std::uint64_t token = 0;
    std::optional<std::size_t> index;  // of the raise; none: a reload, which no rollback ends
    Plan plan;
  };

  FileSystem& files;
  Clock& clock;
  const RoutingOptions options;
  const crypto::KeyRing& keys;
  model::RecordSink* const sink;
  RoutingCell cell;
  StatePersister persister;

  // Never held while a disk is touched.
  mutable Mutex mutex;
  std::condition_variable pending_ended;
  std::vector<RouteState> routes GUARDED_BY(mutex);
  std::uint64_t epoch GUARDED_BY(mutex) = 0;
  std::string salt GUARDED_BY(mutex);
  std::optional<Pending> pending GUARDED_BY(mutex);
  std::uint64_t tokens GUARDED_BY(mutex) = 0;
  std::function<void(const RouteStatus&)> listener GUARDED_BY(mutex);

  void start(const Loaded& loaded, std::vector<std::string>& warnings);
  void choose_salt(const SavedState& state, std::vector<std::string>& warnings) REQUIRES(mutex);
  void hold_unsaved_raises(const SavedState& state, const Error& error,
                           std::vector<std::string>& warnings);
  void mark_made(std::vector<std::string>& warnings);

  std::uint64_t save() REQUIRES(mutex) {
    SavedState state{epoch, salt, {}};
    for (const RouteState& route : pending ? pending->plan(routes) : routes) {
      state.routes.push_back(route.saved);
    }
    return persister.save(encode_state(state));
  }
  void publish() REQUIRES(mutex) {
    std::vector<Route> table;
    for (const RouteState& route : routes) table.push_back({route.options, route.saved.dials});
    cell.publish(std::make_shared<const RoutingTable>(std::move(table), epoch, salt, keys));
  }
  void record(std::string_view action, const SavedRoute& before, const SavedRoute& after)
      REQUIRES(mutex) {
    if (sink == nullptr) return;
    model::RouteRecord route;
    route.at = clock.now();
    route.route = after.name;
    route.routing_epoch = epoch;
    route.action = action;
    route.by = after.changed_by;
    route.reason = after.changed_reason;
    route.before = before.dials;
    route.after = after.dials;
    // A refused record shows up in the log's own GAP; routing must not depend on it.
    append_record(*sink, route);
  }
  // In force on return. The caller saves.
  void apply(std::size_t index, SavedRoute after, std::string_view action) REQUIRES(mutex) {
    const SavedRoute before = std::exchange(routes[index].saved, std::move(after));
    ++epoch;
    publish();
    record(action, before, routes[index].saved);
  }
  void drop_pending(std::size_t index) REQUIRES(mutex) {
    if (pending && pending->index == index) end_pending();
  }
  Result<std::size_t> index_of(std::string_view name) const REQUIRES(mutex) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < routes.size(); ++i) {
      if (routes[i].saved.name == name) return i;
      names.push_back(routes[i].saved.name);
    }
    std::string message = "there is no route \"" + escape_for_terminal(name, 100) + "\"";
    const auto near = nearest_name(name, names);
    if (near) message += "; did you mean \"" + *near + "\"?";
    return make_error(ErrorCode::kNotFound, ErrorOrigin::kClient, std::move(message));
  }
  void tell(const std::vector<RouteStatus>& statuses) {
    std::function<void(const RouteStatus&)> told;
    {
      MutexLock lock(mutex);
      told = listener;
    }
    if (!told) return;
    for (const RouteStatus& status : statuses) told(status);
  }
  Result<RouteStatus> change(std::string_view route, const Maker& make, std::string_view action);
  Result<RouteStatus> raise(std::string_view route, const Maker& make, std::string_view action);
  // Until nothing else waits for the disk; false past the deadline.
  bool wait_for_turn(MutexLock& lock, std::chrono::steady_clock::time_point deadline)
      REQUIRES(mutex);
  std::uint64_t begin(std::optional<std::size_t> index, Plan plan) REQUIRES(mutex) {
    pending = Pending{++tokens, index, std::move(plan)};
    return pending->token;
  }
  void end_pending() REQUIRES(mutex) {
    pending.reset();
    pending_ended.notify_all();
  }
  Status announce(const Plan& plan);
  void take_back();
  // Puts all routes in force in one table.
  std::vector<RouteStatus> apply_all(std::vector<RouteState> after) REQUIRES(mutex);
  void choose_reloaded_salt(const std::string& wanted, std::vector<std::string>& warnings)
      REQUIRES(mutex);
};

}  // namespace banyan::routing
