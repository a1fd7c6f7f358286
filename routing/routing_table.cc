// SPDX-License-Identifier: Apache-2.0
#include "routing/routing_table.h"

#include <utility>

#include "core/base/mutex.h"
#include "core/base/text.h"
#include "core/crypto/key_ring.h"
#include "routing/matcher.h"
#include "routing/session.h"

namespace banyan::routing {
namespace {

struct CompiledRoute {
  Matcher matcher;
  std::string sticky;         // for people
  std::string fixed_reason;   // where the share is 0 or whole
  std::string absent_reason;  // where the sticky key is absent
};

CompiledRoute compile_route(const Route& route) {
  auto matcher = Matcher::compile(route.options.match);
  CHECK(matcher.ok());
  CompiledRoute compiled;
  compiled.matcher = *std::move(matcher);
  compiled.sticky = sticky_text(route.options.sticky, route.options.sticky_name);
  const std::uint32_t share = route.dials.candidate_share;
  if (share == 0) compiled.fixed_reason = "legacy: candidate share is 0.00";
  if (share >= kShareWhole) compiled.fixed_reason = "candidate: its share is 100.00";
  compiled.absent_reason =
      "legacy: no " + compiled.sticky + ", candidate share is " + percent_text(share);
  return compiled;
}

std::string bucket_reason(bool is_candidate, std::uint32_t bucket, std::uint32_t share,
                          const std::string& sticky) {
  std::string out(is_candidate ? "candidate: bucket " : "legacy: bucket ");
  out += percent_text(bucket);
  out += is_candidate ? " is below share " : " is not below share ";
  out += percent_text(share);
  out += " by ";
  out += sticky;
  return out;
}

struct Session {
  std::string_view key;  // what the buckets hash
  bool is_connection = false;
};

const std::string& session_token(const crypto::KeyRing& keys, const Session& session,
                                 SessionMemo& memo) {
  if (memo.token.empty() || memo.is_connection != session.is_connection ||
      memo.value != session.key) {
    // A domain of its own, so that no cookie can name another client's connection.
    memo.token = hex_of_bytes(
        keys.token(session.is_connection ? "session_connection" : "session", session.key));
    memo.value.assign(session.key);
    memo.is_connection = session.is_connection;
  }
  return memo.token;
}

// As new, but for the room of its texts.
void renew(RouteDecision& decision) {
  RouteDecision fresh;
  fresh.decision.swap(decision.decision);
  fresh.session.swap(decision.session);
  fresh.decision.clear();
  fresh.session.clear();
  decision = std::move(fresh);
}

}  // namespace

Status check_match(const MatchOptions& match) { return Matcher::compile(match).status(); }

bool matches_everything(const MatchOptions& match) {
  const auto matcher = Matcher::compile(match);
  return matcher.ok() && matcher->matches_everything();
}

struct RoutingTable::Impl {
  std::vector<Route> routes;
  std::vector<CompiledRoute> compiled;
  std::uint64_t epoch;
  Buckets buckets;
  const crypto::KeyRing& keys;

  MatchInput input_of(const RequestFacts& facts, NormalPath& path) const {
    path.assign(facts.target);
    MatchInput input;
    input.method = facts.method;
    input.method_bit = method_bit_of(facts.method);
    input.host = host_without_port(facts.host);
    const std::size_t query = facts.target.find('?');
    if (query != std::string_view::npos) input.query = facts.target.substr(query + 1);
    input.path = &path;
    input.fields = facts.fields;
    return input;
  }

  std::size_t find_match(const MatchInput& input) const {
    for (std::size_t i = 0; i < compiled.size(); ++i) {
      if (compiled[i].matcher.check(input) == Mismatch::kNone) return i;
    }
    return compiled.size();
  }

  Session session_of(const Route* route, const RequestFacts& facts, std::string& storage) const {
    const StickyKey key =
        route == nullptr
            ? find_sticky_key(StickyKind::kClientIp, "", facts.fields, facts.client_address)
            : find_sticky_key(route->options.sticky, route->options.sticky_name, facts.fields,
                              facts.client_address);
    if (key.is_present) return Session{key.value, false};
    storage = hex_of_u64(facts.connection);
    return Session{storage, true};
  }

  void choose_primary(const Route& route, const CompiledRoute& texts, const Session& session,
                      RouteDecision& out) const {
    const std::uint32_t share = route.dials.candidate_share;
    if (share == 0 || share >= kShareWhole) {
      out.primary = share == 0 ? System::kLegacy : System::kCandidate;
      out.decision = texts.fixed_reason;
    } else if (session.is_connection) {
      out.primary = System::kLegacy;
      out.decision = texts.absent_reason;
    } else {
      const std::uint32_t bucket = buckets.answer(session.key);
      const bool is_candidate = bucket < share;
      out.primary = is_candidate ? System::kCandidate : System::kLegacy;
      out.decision = bucket_reason(is_candidate, bucket, share, texts.sticky);
    }
  }

  void choose_mirror(const Route& route, const Session& session, RouteDecision& out) const {
    if (route.dials.mirror_share == 0 || route.options.record == RecordMode::kOff) return;
    out.mirror = MirrorDecision::kSkipped;
    if (route.dials.mirror_share < kShareWhole &&
        buckets.mirror(session.key) >= route.dials.mirror_share) {
      out.skip = SkipReason::kSampled;
    } else if (out.is_write && !route.dials.mirror_writes) {
      out.skip = SkipReason::kWrite;
    } else {
      out.mirror = MirrorDecision::kSelected;
    }
  }

  void decide(std::size_t index, const RequestFacts& facts, RouteDecision& out) const {
    renew(out);
    out.routing_epoch = epoch;
    const Route* route = index < routes.size() ? &routes[index] : nullptr;
    std::string storage;
    const Session session = session_of(route, facts, storage);
    SessionMemo of_this_request;
    out.session =
        session_token(keys, session, facts.memo != nullptr ? *facts.memo : of_this_request);
    out.is_write = !http::is_safe_method(facts.method);
    if (route != nullptr && route->options.treat_as_write) {
      out.is_write = *route->options.treat_as_write;
    }
    out.durability = out.is_write ? Durability::kRequest : Durability::kInterval;
    if (route == nullptr) {
      out.route_name = kUnmatched;
      out.decision = "legacy: no route matches";
      return;
    }
    out.route = route;
    out.route_name = route->options.name;
    out.durability = route->options.durability.value_or(out.durability);
    out.on_failure = route->options.on_failure;
    out.record = route->options.record;
    out.falls_back_to_legacy = route->options.falls_back_to_legacy;
    choose_primary(*route, compiled[index], session, out);
    choose_mirror(*route, session, out);
  }
};

RoutingTable::RoutingTable(std::vector<Route> routes, std::uint64_t epoch, std::string salt,
                           const crypto::KeyRing& keys)
    : impl_(new Impl{std::move(routes), {}, epoch, Buckets(salt), keys}) {
  impl_->compiled.reserve(impl_->routes.size());
  for (const Route& route : impl_->routes) impl_->compiled.push_back(compile_route(route));
}

RoutingTable::~RoutingTable() = default;

void RoutingTable::decide(const RequestFacts& facts, RouteDecision& out) const {
  // Kept per thread, so that a decision allocates for its own strings only.
  thread_local NormalPath path;
  impl_->decide(impl_->find_match(impl_->input_of(facts, path)), facts, out);
}

RoutingTable::Explanation RoutingTable::explain(const RequestFacts& facts) const {
  Explanation out;
  NormalPath path;
  const MatchInput input = impl_->input_of(facts, path);
  const std::size_t winner = impl_->find_match(input);
  for (std::size_t i = 0; i < impl_->routes.size(); ++i) {
    if (i == winner) continue;
    const Matcher& matcher = impl_->compiled[i].matcher;
    const Mismatch mismatch = matcher.check(input);
    out.losers.push_back({impl_->routes[i].options.name,
                          mismatch == Mismatch::kNone ? "matches too, but comes later in the file"
                                                      : matcher.explain(mismatch)});
  }
  impl_->decide(winner, facts, out.decision);
  std::string storage;
  const Session session = impl_->session_of(out.decision.route, facts, storage);
  out.answer_bucket = impl_->buckets.answer(session.key) / 100.0;
  out.mirror_bucket = impl_->buckets.mirror(session.key) / 100.0;
  const std::string sticky =
      winner < impl_->compiled.size() ? impl_->compiled[winner].sticky : "client_ip";
  out.sticky_source = session.is_connection ? "connection (no " + sticky + ")" : sticky;
  return out;
}

std::uint64_t RoutingTable::epoch() const { return impl_->epoch; }
const std::vector<Route>& RoutingTable::routes() const { return impl_->routes; }

const Route* RoutingTable::find(std::string_view name) const {
  for (const Route& route : impl_->routes) {
    if (route.options.name == name) return &route;
  }
  return nullptr;
}

struct RoutingCell::Slot {
  Mutex mutex;
  std::shared_ptr<const RoutingTable> table GUARDED_BY(mutex);
};

RoutingCell::RoutingCell() : slot_(std::make_shared<Slot>()) {}
RoutingCell::~RoutingCell() = default;

void RoutingCell::publish(std::shared_ptr<const RoutingTable> table) {
  CHECK(table != nullptr);
  std::shared_ptr<const RoutingTable> old;  // dies outside of the lock
  MutexLock lock(slot_->mutex);
  old = std::exchange(slot_->table, std::move(table));
  epoch_.store(slot_->table->epoch(), std::memory_order_release);
}

void RoutingCell::refresh(std::shared_ptr<const RoutingTable>& held) const {
  std::shared_ptr<const RoutingTable> fresh;
  {
    MutexLock lock(slot_->mutex);
    fresh = slot_->table;
  }
  CHECK(fresh != nullptr);  // RoutingControl publishes before anybody can look.
  held = std::move(fresh);
}

}  // namespace banyan::routing
