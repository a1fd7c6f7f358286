// SPDX-License-Identifier: Apache-2.0
//
// The mirror's sending half: from copies that may go to their SHADOW or SKIP.
#include <algorithm>
#include <utility>

#include "core/obs/log.h"
#include "replay/mirror_core.h"

namespace banyan::replay {
namespace {

constexpr std::int64_t kBackoffFirstNs = 100'000'000;
constexpr std::int64_t kBackoffMaxNs = 5'000'000'000;
// A copy that is older than this when it goes is part of catching up.
constexpr std::int64_t kCatchUpAgeNs = 1'000'000'000;
// So many 503 in a row, and nothing else, mean the system, not one request.
constexpr int kUnavailableInARowMax = 8;

std::int64_t backoff_ns(int failures) {
  return std::min(kBackoffMaxNs, kBackoffFirstNs << std::min(failures - 1, 6));
}

}  // namespace

void MirrorCore::dispatch() {
  needs_dispatch_ = false;
  std::string waiting_for;
  if (is_paused_) {
    waiting_for = "paused";
  } else if (sink_.has_failed() || !line(Stage::kUnrecorded).empty()) {
    waiting_for = "log: it takes no records";
  } else if (!is_draining_) {
    for (const System to : {System::kCandidate, System::kLegacy}) {
      if (ready(to).empty()) continue;
      const bool is_catching_up = age_ns(*ready(to).front()) > kCatchUpAgeNs;
      pacer_.refill(now_.mono_ns, is_catching_up, is_exhausted_);
      dispatch_to(to);
    }
    for (const System system : {System::kLegacy, System::kCandidate}) {
      const Gate& gate = gates_[static_cast<std::size_t>(system)];
      if (gate.failures == 0 || ready(system).empty()) continue;
      waiting_for = std::string(to_string(system)) + ": " + gate.cause;
    }
    if (waiting_for.empty() && pending_.size() >= options_.pending_max) {
      waiting_for = "copies that wait: as many as pending_max are held";
    }
  }
  set_waiting_for(std::move(waiting_for));
}

void MirrorCore::dispatch_to(System to) {
  Line& waiting = ready(to);
  while (!waiting.empty() && may_send(to)) start(*waiting.front());
}

bool MirrorCore::may_send(System to) const {
  if (line(Stage::kInFlight).size() >= options_.in_flight_max || !pacer_.may_send()) return false;
  if (!line(Stage::kUnrecorded).empty()) return false;
  const Gate& gate = gates_[static_cast<std::size_t>(to)];
  return gate.failures == 0 || (gate.probe == nullptr && now_.mono_ns >= gate.retry_at_ns);
}

bool MirrorCore::is_stale(const Copy& copy) const {
  return !copy.is_write && age_ns(copy) > options_.read_staleness_ns;
}

bool MirrorCore::is_mirrored(Route& route) {
  if (route.asked_in_turn != turn_) {
    route.asked_in_turn = turn_;
    route.is_mirrored = policy_.is_mirrored(route.name);
  }
  return route.is_mirrored;
}

void MirrorCore::start(Copy& copy) {
  if (is_stale(copy)) return skip(copy, SkipReason::kStale);
  if (!is_mirrored(*copy.route)) {
    if (copy.is_write) return move_to(copy, Stage::kParked);
    return skip(copy, SkipReason::kRouteOff);
  }
  if (!load_request(copy)) return;
  CopyJob job;
  job.request = &copy.decoded;
  job.stream = copy.stream->name;
  job.offset = copy.offset;
  job.to = copy.to;
  job.body = copy.body;
  job.primary_body = &copy.primary_body;
  auto call = sender_.start(job, copy);
  if (!call.ok()) {
    obs::log_warning("replay", "a copy cannot be made: " + call.error().message);
    return skip(copy, SkipReason::kGap);
  }
  copy.call = std::move(*call);
  pacer_.on_sent();
  Gate& gate = gates_[static_cast<std::size_t>(copy.to)];
  if (gate.failures > 0) gate.probe = &copy;
  move_to(copy, Stage::kInFlight, now_.mono_ns);
}

// False: the request is gone from the log, and the copy has been dropped.
bool MirrorCore::load_request(Copy& copy) {
  if (!copy.request.empty()) return true;
  auto fetched = fetcher_.fetch(copy.stream->name, copy.offset);
  if (!fetched.ok()) {
    const bool is_retention = fetched.error().message == "retention";
    skip(copy, is_retention ? SkipReason::kRetention : SkipReason::kGap);
    return false;
  }
  copy.request = *fetched;
  if (!model::decode_as(copy.request, copy.decoded).ok()) {
    skip(copy, SkipReason::kGap);
    return false;
  }
  if (copy.decoded.of.is_erased) {
    skip(copy, SkipReason::kErased);
    return false;
  }
  count_kept(copy);
  return true;
}

// A request that is held in memory, with what its decoded form takes.
void MirrorCore::count_kept(Copy& copy) {
  copy.kept_bytes = copy.request.size() + copy.decoded.fields.size() * sizeof(http::Header);
  kept_bytes_ += copy.kept_bytes;
}

void MirrorCore::on_copy_end(Copy& copy, const CopyEnd& end) {
  now_ = turn_clock_.now();
  needs_dispatch_ = true;
  // Dies at the end: the call is still on the stack below us.
  const CopyCallPtr call = std::move(copy.call);
  switch (end.kind) {
    case CopyEndKind::kNotSent: return on_not_sent(copy, end.cause);
    case CopyEndKind::kUnavailable: return on_unavailable(copy);
    case CopyEndKind::kLost: on_reached(copy); return skip(copy, SkipReason::kGap);
    case CopyEndKind::kAnswered: mirrored_.fetch_add(1, std::memory_order_relaxed); break;
    case CopyEndKind::kNoAnswer:
      mirrored_.fetch_add(1, std::memory_order_relaxed);
      no_answer_.fetch_add(1, std::memory_order_relaxed);
      break;
  }
  if (end.spared_bytes > 0) {
    equal_bodies_.fetch_add(1, std::memory_order_relaxed);
    equal_body_bytes_.fetch_add(end.spared_bytes, std::memory_order_relaxed);
  }
  on_reached(copy);
  record(copy, end.shadow);
}

// A system that cannot be reached is asked by one copy at a time until it answers.
void MirrorCore::on_not_sent(Copy& copy, std::string_view cause) {
  Gate& gate = gates_[static_cast<std::size_t>(copy.to)];
  if (gate.failures == 0 || gate.probe == &copy) {
    ++gate.failures;
    gate.retry_at_ns = now_.mono_ns + backoff_ns(gate.failures);
  }
  if (gate.probe == &copy) gate.probe = nullptr;
  gate.cause = cause;
  make_ready(copy);
}

void MirrorCore::on_unavailable(Copy& copy) {
  Gate& gate = gates_[static_cast<std::size_t>(copy.to)];
  const bool is_probe = gate.probe == &copy;
  if (is_probe) gate.probe = nullptr;
  ++gate.unavailable_in_a_row;
  if (gate.unavailable_in_a_row >= kUnavailableInARowMax && (gate.failures == 0 || is_probe)) {
    ++gate.failures;
    gate.retry_at_ns = now_.mono_ns + backoff_ns(gate.failures);
    gate.cause = "unavailable (503)";
  } else if (is_probe) {
    gate.failures = 0;  // it can be reached again; each copy has its own back-off
  }
  ++copy.attempts;
  move_to(copy, Stage::kDelayed, now_.mono_ns + backoff_ns(static_cast<int>(copy.attempts)));
}

void MirrorCore::on_reached(Copy& copy) {
  Gate& gate = gates_[static_cast<std::size_t>(copy.to)];
  gate.unavailable_in_a_row = 0;
  gate.failures = 0;
  gate.probe = nullptr;
}

void MirrorCore::skip(Copy& copy, SkipReason reason) {
  model::SkipRecord record_of_skip;
  record_of_skip.exchange = copy.exchange;
  record_of_skip.route = copy.route->name;
  record_of_skip.at = now_;
  record_of_skip.reason = reason;
  skipped_[static_cast<std::size_t>(reason)].fetch_add(1, std::memory_order_relaxed);
  encoded_skip_.clear();
  model::encode(record_of_skip, encoded_skip_);
  record(copy, encoded_skip_);
}

// Every selected exchange gets exactly one record of its end, so a refused one is kept and tried
// again; meanwhile nothing more is read or sent.
void MirrorCore::record(Copy& copy, std::string_view encoded) {
  const model::Ticket ticket =
      line(Stage::kUnrecorded).empty() ? sink_.append(encoded) : model::Ticket{};
  if (!ticket.is_refused()) return finish(copy, ticket);
  copy.unrecorded = encoded;
  move_to(copy, Stage::kUnrecorded);
}

void MirrorCore::retry_unrecorded() {
  Line& unrecorded = line(Stage::kUnrecorded);
  while (!unrecorded.empty()) {
    Copy& copy = *unrecorded.front();
    const model::Ticket ticket = sink_.append(copy.unrecorded);
    if (ticket.is_refused()) return;
    finish(copy, ticket);
  }
}

// Tickets grow, so the last one of a group stands for all of it.
void MirrorCore::note_ended(const Copy& copy, model::Ticket ticket) {
  ++ended_count_;
  if (!ended_.empty() && ended_.back().stream == copy.stream && ended_.back().turn == turn_) {
    Ended& group = ended_.back();
    group.first = std::min(group.first, copy.offset);
    group.ticket = ticket;
    ++group.count;
    return;
  }
  ended_.push_back({copy.stream, turn_, copy.offset, ticket, 1});
}

void MirrorCore::finish(Copy& copy, model::Ticket ticket) {
  move_to(copy, Stage::kEnded);
  kept_bytes_ -= copy.kept_bytes;
  pending_.erase(copy);
  if (copy.is_write) pending_writes_.fetch_sub(1, std::memory_order_relaxed);
  note_ended(copy, ticket);
  std::vector<OrderedCopy*> freed;
  order_.release(copy, freed);
  for (OrderedCopy* const next : freed) make_ready(static_cast<Copy&>(*next));
  needs_dispatch_ = true;
  copy.stream->copies.erase(copy);
  spare(std::unique_ptr<Copy>(&copy));
}

}  // namespace banyan::replay
