// SPDX-License-Identifier: Apache-2.0
#include "replay/mirror_core.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/obs/log.h"

namespace banyan::replay {
namespace {

constexpr std::int64_t kBusyTickNs = 10'000'000;
constexpr std::int64_t kCalmTickNs = 50'000'000;
constexpr std::int64_t kIdleTickNs = 1'000'000'000;
constexpr std::int64_t kSweepNs = 250'000'000;
constexpr std::int64_t kCommitNs = 1'000'000'000;

std::uint64_t sum_of(const model::Cursor& cursor) {
  std::uint64_t sum = 0;
  for (const auto& place : cursor.places) sum += place.next.value;
  return sum;
}

}  // namespace

MirrorCore::MirrorCore(net::EventLoop& loop, Clock& clock, model::LogAccess& log,
                       model::RecordSink& sink, const model::Redactor& redactor,
                       const MirrorPolicy& policy, SystemsOptions systems, MirrorOptions options)
    : loop_(loop),
      clock_(clock),
      log_(log),
      sink_(sink),
      policy_(policy),
      options_(options),
      sender_(loop, clock, log, sink, redactor, std::move(systems), options.in_flight_max,
              options.body_bytes_max),
      fetcher_(log),
      resume_(log),
      pacer_(options.rate_per_second, options.catch_up),
      turn_clock_(loop, clock),
      now_(clock.now()) {}

MirrorCore::~MirrorCore() {
  for (auto& [name, stream] : streams_) {
    while (!stream.copies.empty()) {
      const std::unique_ptr<Copy> copy(stream.copies.front());
      stream.copies.erase(*copy);
    }
  }
}

void MirrorCore::reconfigure(SystemsOptions systems, const MirrorOptions& options,
                             bool renews_connections) {
  options_ = options;
  pacer_.reconfigure(options.rate_per_second, options.catch_up);
  sender_.reconfigure(std::move(systems), options.in_flight_max, options.body_bytes_max,
                      renews_connections);
}

Status MirrorCore::open() {
  auto cursor = log_.load_cursor(kConsumer);
  if (!cursor.ok()) return cursor.error();
  committed_ = *cursor;
  BANYAN_RETURN_IF_ERROR(resume_.scan(*cursor));
  auto source = log_.open_source(*cursor, model::Fence::kWritten);
  if (!source.ok()) return source.error();
  source_ = std::move(*source);
  position_sum_ = sum_of(source_->position());
  return {};
}

void MirrorCore::on_published() { act(); }

// Everything that can be read is read first, so that the order of what may go is known.
void MirrorCore::act() {
  now_ = clock_.now();
  ++turn_;
  read();
  release_durable();
  release_arrived();
  dispatch();
  update_gauges();
}

void MirrorCore::on_turn_end() {
  if (!needs_dispatch_) return;
  needs_dispatch_ = false;
  now_ = clock_.now();
  ++turn_;
  if (!is_exhausted_ && !is_read_posted_ && has_room()) {
    read();
    release_durable();
    release_arrived();
  }
  dispatch();
  update_gauges();
}

void MirrorCore::on_tick() {
  now_ = clock_.now();
  retry_unrecorded();
  expire_overdue();
  release_delayed();
  if (now_.mono_ns - swept_ns_ >= kSweepNs) sweep();
  act();
  forget_durable();
  update_lag();
  if (now_.mono_ns - committed_ns_ >= kCommitNs) commit_cursor();
}

std::int64_t MirrorCore::tick_after_ns() const {
  if (!line(Stage::kAwaitingDurable).empty() || !line(Stage::kDelayed).empty() ||
      !line(Stage::kUnrecorded).empty() || !line(Stage::kReadyLegacy).empty() ||
      !line(Stage::kReadyCandidate).empty() || !line(Stage::kArrived).empty()) {
    return kBusyTickNs;
  }
  return pending_.empty() && ended_.empty() ? kIdleTickNs : kCalmTickNs;
}

void MirrorCore::move_to(Copy& copy, Stage stage, std::int64_t key) {
  if (copy.stage != Stage::kGathering && copy.stage != Stage::kEnded) {
    line(copy.stage).erase(copy);
  }
  copy.stage = stage;
  if (stage == Stage::kGathering || stage == Stage::kEnded) return;
  line(stage).insert(copy, {key, copy.sequence});
}

void MirrorCore::make_ready(Copy& copy) {
  move_to(copy, copy.to == System::kLegacy ? Stage::kReadyLegacy : Stage::kReadyCandidate);
  needs_dispatch_ = true;
}

// Monotonic time of an earlier boot says nothing, so what was found at the start goes by wall time.
std::int64_t MirrorCore::age_ns(const Copy& copy) const {
  return copy.is_past ? now_.wall_ns - copy.started.wall_ns : now_.mono_ns - copy.started.mono_ns;
}

void MirrorCore::expire_overdue() {
  Line& in_flight = line(Stage::kInFlight);
  while (!in_flight.empty()) {
    Copy& copy = *in_flight.front();
    if (copy.place.key.first + options_.deadline_ns > now_.mono_ns) break;
    copy.call->expire();  // ends in on_copy_end, which takes it out of the line
  }
}

void MirrorCore::release_delayed() {
  Line& delayed = line(Stage::kDelayed);
  while (!delayed.empty() && delayed.front()->place.key.first <= now_.mono_ns) {
    make_ready(*delayed.front());
  }
}

// Looks again at what stands for long: reads that became stale, writes of routes that are on again.
void MirrorCore::sweep() {
  swept_ns_ = now_.mono_ns;
  std::vector<Copy*> found;
  for (const Stage stage : {Stage::kArrived, Stage::kWaiting, Stage::kReadyLegacy,
                            Stage::kReadyCandidate, Stage::kDelayed}) {
    line(stage).for_each([&](Copy& copy) {
      if (is_stale(copy)) found.push_back(&copy);
    });
  }
  for (Copy* const copy : found) {
    // Skipping one may have freed or ended another.
    if (copy->stage != Stage::kEnded && copy->stage != Stage::kUnrecorded) {
      skip(*copy, SkipReason::kStale);
    }
  }
  found.clear();
  line(Stage::kParked).for_each([&](Copy& copy) {
    if (is_mirrored(*copy.route)) found.push_back(&copy);
  });
  for (Copy* const copy : found) make_ready(*copy);
}

void MirrorCore::forget_durable() {
  while (!ended_.empty() && sink_.is_durable(ended_.front().ticket)) {
    ended_count_ -= ended_.front().count;
    ended_.pop_front();
  }
}

// Nothing that a crash could undo may lie before the cursor: it stands at the oldest exchange
// without a durable SHADOW or SKIP.
void MirrorCore::commit_cursor() {
  committed_ns_ = now_.mono_ns;
  forget_durable();
  model::Cursor cursor = source_->position();
  for (const auto& [name, stream] : streams_) {
    std::optional<Offset> oldest;
    if (!stream.copies.empty()) oldest = stream.copies.front()->offset;
    for (const Ended& ended : ended_) {
      if (ended.stream == &stream && (!oldest || ended.first < *oldest)) oldest = ended.first;
    }
    if (oldest) cursor.set(name, *oldest);
  }
  if (cursor == committed_) return;
  if (const Status status = log_.commit_cursor(kConsumer, cursor, true); !status.ok()) {
    obs::log_warning("replay", "the mirror's cursor could not be saved: " + status.error().message);
    return;
  }
  committed_ = std::move(cursor);
}

void MirrorCore::close() {
  now_ = clock_.now();
  retry_unrecorded();
  commit_cursor();
}

void MirrorCore::set_paused(bool paused) {
  is_paused_ = paused;
  paused_flag_.store(paused, std::memory_order_relaxed);
  needs_dispatch_ = true;
}

void MirrorCore::update_gauges() {
  pending_count_.store(pending_.size(), std::memory_order_relaxed);
  in_flight_count_.store(line(Stage::kInFlight).size(), std::memory_order_relaxed);
}

void MirrorCore::update_lag() {
  std::int64_t oldest = 0;
  for (const auto& [name, stream] : streams_) {
    const Copy* const first = stream.copies.front();
    if (first == nullptr) continue;
    if (oldest == 0 || first->started.wall_ns < oldest) oldest = first->started.wall_ns;
  }
  oldest_wall_ns_.store(oldest, std::memory_order_relaxed);
}

void MirrorCore::set_waiting_for(std::string text) {
  MutexLock lock(mutex_);
  if (waiting_for_ != text) waiting_for_ = std::move(text);
}

std::int64_t MirrorCore::lag_ns() const {
  const std::int64_t oldest = oldest_wall_ns_.load(std::memory_order_relaxed);
  return oldest == 0 ? 0 : std::max<std::int64_t>(0, clock_.wall_ns() - oldest);
}

MirrorStats MirrorCore::stats() const {
  MirrorStats stats;
  stats.is_paused = paused_flag_.load(std::memory_order_relaxed);
  stats.pending = pending_count_.load(std::memory_order_relaxed);
  stats.pending_writes = pending_writes_.load(std::memory_order_relaxed);
  stats.in_flight = in_flight_count_.load(std::memory_order_relaxed);
  stats.mirrored = mirrored_.load(std::memory_order_relaxed);
  stats.equal_bodies = equal_bodies_.load(std::memory_order_relaxed);
  stats.equal_body_bytes = equal_body_bytes_.load(std::memory_order_relaxed);
  stats.no_answer = no_answer_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < skipped_.size(); ++i) {
    const std::uint64_t count = skipped_[i].load(std::memory_order_relaxed);
    if (count == 0) continue;
    const auto reason = static_cast<SkipReason>(i);
    (is_drop(reason) ? stats.dropped : stats.skipped)[std::string(to_string(reason))] = count;
  }
  const std::uint64_t end = sum_of(log_.end());
  const std::uint64_t position = position_sum_.load(std::memory_order_relaxed);
  stats.lag_records = end > position ? end - position : 0;
  stats.lag_ns = lag_ns();
  MutexLock lock(mutex_);
  stats.waiting_for = waiting_for_;
  return stats;
}

}  // namespace banyan::replay
