// SPDX-License-Identifier: Apache-2.0
#include "routing/routing_control.h"

#include <chrono>
#include <random>
#include <utility>

#include "core/base/text.h"
#include "routing/routing_control_impl.h"
#include "routing/session.h"

namespace banyan::routing {
namespace {

// Each start begins a new thousand, so that epochs which a hung disk kept from the file are not
// used again after a crash.
constexpr std::uint64_t kEpochStep = 1000;
constexpr std::string_view kMadeName = "routing.made";  // tells a lost state from a first start

Plan plan_of(std::size_t index, Maker make) {
  return [index, make = std::move(make)](const std::vector<RouteState>& routes) {
    std::vector<RouteState> after = routes;
    after[index].saved = make(routes[index]);
    return after;
  };
}

Error config_error(std::string message) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig, std::move(message));
}

std::string make_salt() {
  std::random_device device;
  std::string salt;
  for (int i = 0; i < 4; ++i) {
    const std::uint32_t word = device();
    for (int k = 0; k < 4; ++k) salt.push_back(static_cast<char>(word >> (8 * k)));
  }
  return salt;
}

Result<Loaded> load_state(FileSystem& files, const std::string& directory,
                          std::vector<std::string>& warnings) {
  const std::string path = directory + "/" + std::string(kStateFileName);
  const std::string tail =
      ": every route is answered by legacy (candidate_percent 0) until a person raises it";
  if (!files.exists(path)) {
    if (!files.exists(directory + "/" + std::string(kMadeName))) return Loaded{};
    warnings.push_back(path + " is missing though this data directory was in use" + tail);
    return Loaded{StateFound::kLost, {}};
  }
  const auto text = files.read_file(path, kStateBytesMax);
  if (!text.ok()) {
    warnings.push_back(text.error().message + tail);
    return Loaded{StateFound::kLost, {}};
  }
  auto state = decode_state(*text);
  if (state.ok()) return Loaded{StateFound::kLoaded, *std::move(state)};
  if (state.error().code == ErrorCode::kUnsupported) {
    return make_error(ErrorCode::kUnsupported, ErrorOrigin::kDisk,
                      path + ": " + state.error().message);
  }
  warnings.push_back(path + ": " + state.error().message + "; kept as " + path + ".damaged" + tail);
  const Status kept = files.rename(path, path + ".damaged");
  if (!kept.ok()) warnings.push_back(kept.error().message);
  return Loaded{StateFound::kLost, {}};
}

}  // namespace

Status check_routes(const std::vector<RouteOptions>& routes) {
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const Status match = check_match(routes[i].match);
    if (!match.ok()) {
      return config_error("route \"" + routes[i].name + "\": " + match.error().message);
    }
    for (std::size_t k = 0; k < i; ++k) {
      if (routes[k].name == routes[i].name) {
        return config_error("two routes are named \"" + routes[i].name + "\"");
      }
    }
  }
  return Status();
}

void add_default_route(RoutingOptions& options) {
  if (!options.routes.empty()) return;
  options.routes.emplace_back();
  options.routes.back().name = "default";
}

Error another_waits() {
  Error error = make_error(ErrorCode::kUnavailable, ErrorOrigin::kDisk,
                           "another change still waits for the disk; nothing was changed");
  error.may_retry = true;
  return error;
}

Error not_saved(const Error& why) {
  Error error = make_error(ErrorCode::kUnavailable, ErrorOrigin::kDisk,
                           "the change could not be saved and is not in force: " + why.message);
  error.system_errno = why.system_errno;
  error.may_retry = true;
  return error;
}

void RoutingControl::Impl::choose_salt(const SavedState& state,
                                       std::vector<std::string>& warnings) {
  salt = !options.salt.empty() ? options.salt : state.salt;
  if (salt.empty()) salt = make_salt();
  if (!state.salt.empty() && state.salt != salt) {
    warnings.push_back(
        "[routing] salt differs from the one in use before: sessions fall anew, and "
        "some change sides");
  }
}

void RoutingControl::Impl::start(const Loaded& loaded, std::vector<std::string>& warnings) {
  const bool is_loaded = loaded.found == StateFound::kLoaded;
  bool has_raise = false;
  std::uint64_t number = 0;
  {
    MutexLock lock(mutex);
    const std::int64_t now = clock.wall_ns();
    choose_salt(loaded.state, warnings);
    routes = merge_state(options.routes, loaded.found, is_loaded ? &loaded.state : nullptr, now,
                         warnings);
    // A lost file took its epoch along; seconds since 1970 lie beyond any epoch that was counted.
    const std::uint64_t last = loaded.found == StateFound::kLost
                                   ? static_cast<std::uint64_t>(now / 1'000'000'000)
                                   : loaded.state.epoch;
    epoch = (last / kEpochStep + 1) * kEpochStep;
    for (const RouteState& route : routes) {
      has_raise = has_raise || route.saved.dials.candidate_share > 0;
    }
    number = save();
  }
  if (has_raise || loaded.found == StateFound::kFirstStart) {
    const Status saved = persister.wait(number, std::chrono::nanoseconds(options.persist_wait_ns));
    if (!saved.ok()) hold_unsaved_raises(loaded.state, saved.error(), warnings);
  }
  if (loaded.found != StateFound::kFirstStart || !persister.is_behind()) mark_made(warnings);
  MutexLock lock(mutex);
  publish();
  for (const RouteState& route : routes) {
    SavedRoute before = route.saved;
    for (const SavedRoute& saved : loaded.state.routes) {
      if (saved.name == before.name) before.dials = saved.dials;
    }
    record("start", before, route.saved);
  }
}

// Nothing may move towards the candidate before it is on disk, not even by a new config.
void RoutingControl::Impl::hold_unsaved_raises(const SavedState& state, const Error& error,
                                               std::vector<std::string>& warnings) {
  MutexLock lock(mutex);
  for (RouteState& route : routes) {
    std::uint32_t share_before = 0;
    for (const SavedRoute& saved : state.routes) {
      if (saved.name == route.saved.name) share_before = saved.dials.candidate_share;
    }
    if (route.saved.dials.candidate_share <= share_before) continue;
    warnings.push_back("route \"" + route.saved.name + "\" stays at candidate_percent " +
                       percent_text(share_before) + ": the state could not be saved (" +
                       error.message + "); `route reset` takes the config's value");
    route.saved.dials.candidate_share = share_before;
    route.saved.is_overridden = true;
    route.saved.changed_by = "banyan";
    route.saved.changed_reason = "the routing state could not be saved at start";
  }
  save();
}

void RoutingControl::Impl::mark_made(std::vector<std::string>& warnings) {
  const std::string path = options.state_directory + "/" + std::string(kMadeName);
  if (files.exists(path)) return;
  const Status status = files.write_file_atomically(
      path, "Tells a lost routing state from a first start. Keep it.\n");
  if (!status.ok()) warnings.push_back(status.error().message);
}

Result<RouteStatus> RoutingControl::Impl::change(std::string_view route, const Maker& make,
                                                 std::string_view action) {
  std::optional<RouteStatus> status;
  {
    MutexLock lock(mutex);
    const auto found = index_of(route);
    if (!found.ok()) return found.error();
    const std::size_t index = *found;
    SavedRoute after = make(routes[index]);
    const std::uint32_t share = routes[index].saved.dials.candidate_share;
    if (after.dials.candidate_share <= share) {
      // Whoever lowers a share means it: a raise that still waits for the disk is off.
      if (after.dials.candidate_share < share) drop_pending(index);
      apply(index, std::move(after), action);
      save();
      status = routes[index].status();
    }
  }
  if (!status) {
    auto raised = raise(route, make, action);
    if (!raised.ok()) return raised;
    status = *std::move(raised);
  }
  tell({*status});
  return *std::move(status);
}

bool RoutingControl::Impl::wait_for_turn(MutexLock& lock,
                                         std::chrono::steady_clock::time_point deadline) {
  while (pending) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds(0)) return false;
    lock.wait_for(pending_ended, left);
  }
  return true;
}

Result<RouteStatus> RoutingControl::Impl::raise(std::string_view route, const Maker& make,
                                                std::string_view action) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::nanoseconds(options.persist_wait_ns);
  std::uint64_t number = 0, token = 0;
  std::size_t index = 0;
  {
    MutexLock lock(mutex);
    if (!wait_for_turn(lock, deadline)) return another_waits();
    // A reload may have moved the route, or taken it away.
    const auto found = index_of(route);
    if (!found.ok()) return found.error();
    index = *found;
    token = begin(index, plan_of(index, make));
    number = save();
  }
  const Status saved = persister.wait(number, deadline - std::chrono::steady_clock::now());
  MutexLock lock(mutex);
  if (!pending || pending->token != token) {
    return make_error(ErrorCode::kCancelled, ErrorOrigin::kClient,
                      "route \"" + std::string(route) +
                          "\" was lowered while this change waited for the disk; it stays lowered");
  }
  end_pending();
  if (!saved.ok()) {
    save();  // Takes back what a slow disk may still write.
    return not_saved(saved.error());
  }
  apply(index, make(routes[index]), action);
  return routes[index].status();
}

RoutingControl::RoutingControl(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RoutingControl::~RoutingControl() = default;

Result<std::unique_ptr<RoutingControl>> RoutingControl::open(FileSystem& files, Clock& clock,
                                                             RoutingOptions options,
                                                             const crypto::KeyRing& keys,
                                                             model::RecordSink* sink,
                                                             std::vector<std::string>& warnings) {
  add_default_route(options);
  BANYAN_RETURN_IF_ERROR(check_routes(options.routes));
  const auto loaded = load_state(files, options.state_directory, warnings);
  if (!loaded.ok()) return loaded.error();
  auto impl = std::make_unique<Impl>(files, clock, std::move(options), keys, sink);
  impl->start(*loaded, warnings);
  return std::unique_ptr<RoutingControl>(new RoutingControl(std::move(impl)));
}

RoutingCell& RoutingControl::cell() { return impl_->cell; }

Result<RouteStatus> RoutingControl::set(std::string_view route, const DialsPatch& patch,
                                        std::string_view by, std::string_view reason) {
  if (patch.candidate_share.value_or(0) > kShareWhole ||
      patch.mirror_share.value_or(0) > kShareWhole) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient,
                      "a share lies between 0 and 100 percent");
  }
  if (!patch.candidate_share && !patch.mirror_share && !patch.mirror_writes) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient,
                      "nothing to set: give candidate_percent, mirror_percent or mirror_writes");
  }
  const Change change{"set", by, reason, impl_->clock.wall_ns()};
  return impl_->change(
      route, [&](const RouteState& state) { return apply_patch(state, patch, change); }, "set");
}

Result<RouteStatus> RoutingControl::reset(std::string_view route, std::string_view by,
                                          std::string_view reason) {
  const Change change{"reset", by, reason, impl_->clock.wall_ns()};
  return impl_->change(
      route, [&](const RouteState& state) { return apply_reset(state, change); }, "reset");
}

Result<std::vector<RouteStatus>> RoutingControl::rollback(std::string_view route,
                                                          std::string_view by,
                                                          std::string_view reason) {
  const Change change{"rollback", by, reason, impl_->clock.wall_ns()};
  std::vector<RouteStatus> out;
  {
    MutexLock lock(impl_->mutex);
    std::size_t first = 0, end = impl_->routes.size();
    if (!route.empty()) {
      const auto found = impl_->index_of(route);
      if (!found.ok()) return found.error();
      first = *found;
      end = first + 1;
    }
    // All of them in one table, so that no worker ever sees half a rollback.
    ++impl_->epoch;
    std::vector<SavedRoute> before;
    for (std::size_t i = first; i < end; ++i) {
      impl_->drop_pending(i);
      before.push_back(impl_->routes[i].saved);
      impl_->routes[i].saved = apply_rollback(impl_->routes[i], change);
    }
    impl_->publish();
    for (std::size_t i = first; i < end; ++i) {
      impl_->record("rollback", before[i - first], impl_->routes[i].saved);
      out.push_back(impl_->routes[i].status());
    }
    impl_->save();
  }
  impl_->tell(out);
  return out;
}

std::vector<RouteStatus> RoutingControl::list() const {
  MutexLock lock(impl_->mutex);
  std::vector<RouteStatus> out;
  for (const RouteState& route : impl_->routes) out.push_back(route.status());
  return out;
}

std::uint64_t RoutingControl::epoch() const {
  MutexLock lock(impl_->mutex);
  return impl_->epoch;
}

bool RoutingControl::has_unpersisted_change() const { return impl_->persister.is_behind(); }
std::string RoutingControl::persist_error() const { return impl_->persister.last_error(); }
std::uint64_t RoutingControl::persist_failures() const { return impl_->persister.failures(); }

void RoutingControl::set_change_listener(std::function<void(const RouteStatus&)> listener) {
  MutexLock lock(impl_->mutex);
  impl_->listener = std::move(listener);
}

}  // namespace banyan::routing
