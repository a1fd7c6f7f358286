// SPDX-License-Identifier: Apache-2.0
#include "replay/witnesses.h"

#include <algorithm>
#include <utility>

#include "core/base/hash.h"
#include "core/http/message.h"
#include "core/model/witness.h"
#include "core/obs/log.h"

namespace banyan::replay {
namespace {

constexpr std::size_t kReadsOfATurn = 4096;  // records a turn
// Of an exchange, when its VERDICT comes: what legacy says of it now is about another time.
constexpr std::int64_t kStaleNs = 30'000'000'000;
constexpr std::int64_t kWaitMaxNs = 10'000'000'000;  // in line
constexpr std::int64_t kMirrorLagMaxNs = 2'000'000'000;
constexpr std::int64_t kRestNs = 1'000'000'000;
constexpr std::int64_t kPollNs = 50'000'000;
// A write that an exchange overlapped has settled by then, on both sides.
constexpr std::int64_t kRereadAfterNs = 1'000'000'000;
// Questions to the twin under way; more exchanges are passed over.
constexpr std::size_t kTwinInFlightMax = 128;
constexpr std::size_t kSetDifferencesMax = 64;

constexpr std::uint64_t kFairSeed = 1, kOrderSeed = 2;

// Systems of a sender whose legacy is the twin.
SystemsOptions of_twin(SystemsOptions systems) {
  systems.legacy = *systems.twin;
  systems.legacy_host = systems.twin_host;
  return systems;
}

// "GET /stock/{}"
bool is_safe_endpoint(std::string_view endpoint) {
  return http::is_safe_method(endpoint.substr(0, endpoint.find(' ')));
}

// What of an exchange differs, as a number.
std::uint64_t set_of(const model::VerdictRecord& verdict) {
  std::string text(verdict.route);
  text += '\n';
  text += verdict.endpoint;
  const std::size_t count = std::min(verdict.differences.size(), kSetDifferencesMax);
  std::string_view last;
  for (std::size_t i = 0; i < count; ++i) {
    const model::Difference& one = verdict.differences[i];
    if (!one.rule.empty() || one.path == last) continue;
    last = one.path;
    text += '\n';
    text += one.path;
    text += static_cast<char>('0' + static_cast<int>(one.kind));
  }
  return xxh3_64(text);
}

}  // namespace

void Witnesses::Question::on_copy_end(CopyCall&, const CopyEnd& end) {
  is_open = false;
  asking->owner->on_end(*asking, end);
}

Witnesses::Witnesses(net::EventLoop& loop, Clock& clock, model::LogAccess& log,
                     model::RecordSink& sink, const model::Redactor& redactor,
                     const MirrorPolicy& policy, SystemsOptions systems,
                     const MirrorOptions& options)
    : loop_(loop),
      clock_(clock),
      log_(log),
      sink_(sink),
      policy_(policy),
      options_(options.noise),
      deadline_ns_(std::min(options.deadline_ns, kWaitMaxNs)),
      sender_(loop, clock, log, sink, redactor, systems, options.noise.in_flight_max,
              options.body_bytes_max),
      twin_(systems.twin
                ? std::make_unique<Sender>(loop, clock, log, sink, redactor, of_twin(systems),
                                           kTwinInFlightMax, options.body_bytes_max)
                : nullptr),
      fetcher_(log),
      now_ns_(clock.mono_ns()) {
  budget_.configure(options_.legacy_budget, options_.legacy_floor);
}

Witnesses::~Witnesses() { stop(); }

Status Witnesses::open() {
  auto source = log_.open_source(log_.end(), model::Fence::kWritten);
  if (!source.ok()) return source.error();
  source_ = std::move(*source);
  source_->want(wanted());
  return {};
}

model::RecordKinds Witnesses::wanted() const {
  const auto verdicts = model::RecordKinds::of({model::RecordType::kVerdict});
  return twin_ ? verdicts | model::RecordKinds::selected_requests() : verdicts;
}

void Witnesses::reconfigure(SystemsOptions systems, const MirrorOptions& options,
                            bool renews_connections) {
  options_ = options.noise;
  deadline_ns_ = std::min(options.deadline_ns, kWaitMaxNs);
  budget_.configure(options_.legacy_budget, options_.legacy_floor);
  if (twin_ && systems.twin) {
    twin_->reconfigure(of_twin(systems), kTwinInFlightMax, options.body_bytes_max,
                       renews_connections);
  }
  sender_.reconfigure(std::move(systems), options_.in_flight_max, options.body_bytes_max,
                      renews_connections);
}

void Witnesses::stop() {
  is_stopped_ = true;
  for (auto* all : {&asking_, &asking_twin_}) {
    for (auto& asking : *all) {
      for (Question& question : asking->questions) question.call.reset();
      if (!asking->has_ended) pass_over(PassedOver::kStopped);
    }
    all->clear();
  }
  for (auto* line : {&confirmations_, &controls_, &rereads_}) {
    for (std::size_t i = 0; i < line->size(); ++i) pass_over(PassedOver::kStopped);
    line->clear();
  }
}

void Witnesses::on_published() {
  if (is_stopped_) return;
  now_ns_ = clock_.mono_ns();
  read();
  dispatch();
}

void Witnesses::on_tick(std::int64_t mirror_lag_ns) {
  if (is_stopped_) return;
  now_ns_ = clock_.mono_ns();
  is_mirror_behind_ = mirror_lag_ns > kMirrorLagMaxNs;
  legacy_times_.on_time(now_ns_);
  if (tick_after_ns() == 0) fetcher_.rest();  // keeps no segment open
  expire();
  read();
  dispatch();
}

std::int64_t Witnesses::tick_after_ns() const {
  return confirmations_.empty() && controls_.empty() && rereads_.empty() && asking_.empty() &&
                 asking_twin_.empty()
             ? 0
             : kPollNs;
}

void Witnesses::read() {
  model::SourcedRecord sourced;
  for (std::size_t i = 0; i < kReadsOfATurn; ++i) {
    auto more = source_->next(sourced);
    if (!more.ok()) {
      obs::log_warning("replay", "witnesses cannot read the log: " + more.error().message);
      return;
    }
    if (!*more) return;
    if (sourced.kind != model::SourcedRecord::Kind::kRecord) continue;
    if (sourced.type == model::RecordType::kVerdict) {
      take(sourced);
    } else if (sourced.type == model::RecordType::kRequest && twin_) {
      take_request(sourced);
    }
  }
  if (is_read_posted_) return;
  is_read_posted_ = true;
  loop_.post([this, alive = std::weak_ptr<int>(alive_)] {
    if (alive.expired()) return;
    is_read_posted_ = false;
    on_published();
  });
}

void Witnesses::take(const model::SourcedRecord& sourced) {
  if (!model::decode_head(sourced.encoded, verdict_).ok()) return;
  noisy_.note(verdict_.run, verdict_.verdict, verdict_.route, verdict_.endpoint);
  if (!verdict_.run.is_live() || verdict_.has_previous || verdict_.of.is_erased) return;
  if (!is_safe_endpoint(verdict_.endpoint)) return;
  budget_.on_exchange(now_ns_);
  if (verdict_.legacy_duration_ns >= 0) legacy_times_.add(verdict_.legacy_duration_ns);
  if (!twin_ && verdict_.verdict != Verdict::kIncomparable && is_control_drawn()) {
    want(verdict_, WitnessReason::kControl);
  }
  if (options_.confirm == 0 || verdict_.verdict != Verdict::kDifferent) return;
  if (!model::decode_as(sourced.encoded, verdict_).ok()) return;
  const std::uint64_t set = set_of(verdict_);
  if (!fair_share_.is_due(set, model::draw_of(verdict_.exchange, kFairSeed))) {
    return pass_over(PassedOver::kEnough);
  }
  fair_share_.note(set);
  want(verdict_, WitnessReason::kConfirmation);
}

// Further ones only at once, and from what confirmations leave: a control that waits would tell of
// another time than the candidate's answer.
bool Witnesses::is_control_drawn() const {
  if (model::is_control(verdict_.exchange, options_.control)) return true;
  return noisy_.knows(verdict_.route, verdict_.endpoint) && controls_.empty() &&
         confirmations_.empty() && budget_.may_take_control() && !hindrance() &&
         model::NoisyEndpoints::is_further_control(verdict_.exchange, options_.control);
}

// With a twin every drawn exchange is asked for as soon as its REQUEST is there: at the same time
// as the candidate, so that neither sees older data than the other.
void Witnesses::take_request(const model::SourcedRecord& sourced) {
  if (!model::is_control(sourced.exchange, options_.twin)) return;
  if (!model::decode_head(sourced.encoded, request_).ok()) return;
  if (request_.mirror != MirrorDecision::kSelected || request_.is_write ||
      request_.primary != System::kLegacy || !http::is_safe_method(request_.method)) {
    return;
  }
  if (is_paused_) return pass_over(PassedOver::kPaused);
  if (is_mirror_behind_) return pass_over(PassedOver::kMirrorBehind);
  if (asking_twin_.size() >= kTwinInFlightMax) return pass_over(PassedOver::kQueueFull);
  ask_twin(sourced);
}

void Witnesses::ask_twin(const model::SourcedRecord& sourced) {
  auto made = std::make_unique<Asking>();
  Asking& asking = *made;
  asking.owner = this;
  asking.number = ++next_number_;
  asking.rounds = 1;
  asking.is_of_twin = true;
  asking.wanted = {sourced.exchange, std::string(sourced.stream), sourced.offset, now_ns_,
                   WitnessReason::kControl};
  asking.began_ns = now_ns_;
  asking.encoded = std::string(sourced.encoded);
  for (Question& question : asking.questions) question.asking = &asking;
  if (!model::decode_as(asking.encoded, asking.request).ok()) return pass_over(PassedOver::kGone);
  if (const auto why = refusal(asking)) return pass_over(*why);
  controlled_.fetch_add(1, std::memory_order_relaxed);
  asking_twin_.push_back(std::move(made));
  ask_round(asking);
}

void Witnesses::want(const model::VerdictRecord& verdict, WitnessReason reason) {
  if (verdict.request_stream.empty()) return pass_over(PassedOver::kGone);
  auto& line = reason == WitnessReason::kControl ? controls_
               : verdict.race.is_there()         ? rereads_
                                                 : confirmations_;
  if (line.size() >= options_.queue_max) return pass_over(PassedOver::kQueueFull);
  line.push_back({verdict.exchange, std::string(verdict.request_stream), verdict.request_offset,
                  now_ns_, reason});
}

void Witnesses::wake_rereads() {
  while (!rereads_.empty() && now_ns_ - rereads_.front().since_ns >= kRereadAfterNs) {
    Wanted wanted = std::move(rereads_.front());
    rereads_.pop_front();
    if (confirmations_.size() >= options_.queue_max) {
      pass_over(PassedOver::kQueueFull);
      continue;
    }
    wanted.since_ns = now_ns_;
    confirmations_.push_back(std::move(wanted));
  }
}

std::optional<Witnesses::PassedOver> Witnesses::hindrance() const {
  if (is_paused_) return PassedOver::kPaused;
  if (is_mirror_behind_) return PassedOver::kMirrorBehind;
  if (legacy_times_.is_slow()) return PassedOver::kLegacySlow;
  if (now_ns_ < rests_until_ns_) return PassedOver::kNotSent;
  return std::nullopt;
}

void Witnesses::expire() {
  for (auto* line : {&confirmations_, &controls_}) {
    while (!line->empty() && now_ns_ - line->front().since_ns > kWaitMaxNs) {
      pass_over(hindrance().value_or(PassedOver::kBudget));
      line->pop_front();
    }
  }
  std::vector<CopyCall*> overdue;
  for (const auto* all : {&asking_, &asking_twin_}) {
    for (const auto& asking : *all) {
      if (now_ns_ - asking->began_ns <= deadline_ns_) continue;
      asking->cut = PassedOver::kNotSent;
      for (Question& question : asking->questions) {
        if (question.is_open) overdue.push_back(question.call.get());
      }
    }
  }
  for (CopyCall* const call : overdue) call->expire();  // ends in on_end()
}

bool Witnesses::may_start(const Wanted& wanted) {
  if (wanted.reason == WitnessReason::kControl) {
    if (!budget_.may_take_control()) return false;
    budget_.take(1);
    return true;
  }
  if (!budget_.may_take(options_.confirm)) return false;
  budget_.take(options_.confirm);
  return true;
}

void Witnesses::dispatch() {
  // Here no callback of theirs is under way.
  for (auto* all : {&asking_, &asking_twin_}) {
    std::erase_if(*all, [](const auto& asking) { return asking->has_ended; });
  }
  wake_rereads();
  budget_.on_time(now_ns_);
  for (auto* line : {&confirmations_, &controls_}) {
    while (!line->empty() && asking_.size() < options_.in_flight_max && !hindrance() &&
           may_start(line->front())) {
      Wanted wanted = std::move(line->front());
      line->pop_front();
      start(std::move(wanted));
    }
  }
  waiting_.store(confirmations_.size() + controls_.size() + rereads_.size(),
                 std::memory_order_relaxed);
}

void Witnesses::start(Wanted wanted) {
  auto made = std::make_unique<Asking>();
  Asking& asking = *made;
  asking.owner = this;
  asking.number = ++next_number_;
  asking.rounds = wanted.reason == WitnessReason::kControl ? 1 : options_.confirm;
  asking.wanted = std::move(wanted);
  asking.began_ns = now_ns_;
  for (Question& question : asking.questions) question.asking = &asking;
  if (!load(asking)) return;
  (asking.wanted.reason == WitnessReason::kControl ? controlled_ : confirmed_)
      .fetch_add(1, std::memory_order_relaxed);
  asking_.push_back(std::move(made));
  ask_round(asking);
}

bool Witnesses::load(Asking& asking) {
  const auto found = fetcher_.fetch(asking.wanted.stream, asking.wanted.offset);
  std::optional<PassedOver> why = PassedOver::kGone;
  if (found.ok()) {
    asking.encoded = std::string(*found);
    if (model::decode_as(asking.encoded, asking.request).ok()) why = refusal(asking);
  }
  if (why) pass_over(*why);
  return !why;
}

std::optional<Witnesses::PassedOver> Witnesses::refusal(const Asking& asking) const {
  const model::RequestRecord& request = asking.request;
  if (request.exchange != asking.wanted.exchange) return PassedOver::kGone;
  if (request.is_write || !http::is_safe_method(request.method)) return PassedOver::kNotSafe;
  if (!policy_.is_mirrored(request.route)) return PassedOver::kRouteOff;
  if (request.of.is_erased) return PassedOver::kErased;
  if (clock_.wall_ns() - request.started.wall_ns > kStaleNs) return PassedOver::kStale;
  const bool is_whole =
      request.body.kind == model::Body::Kind::kNone ||
      (request.body.kind == model::Body::Kind::kInline && request.body.is_complete);
  if (!is_whole) return PassedOver::kNotWhole;
  // A control tells legacy from the candidate by the client's answer: it has to be legacy's.
  if (asking.wanted.reason == WitnessReason::kControl && request.primary != System::kLegacy) {
    return PassedOver::kNotSafe;
  }
  return std::nullopt;
}

// Whose turn is first is drawn, since the second may find caches warm.
void Witnesses::ask_round(Asking& asking) {
  if (asking.wanted.reason == WitnessReason::kControl) {
    ask(asking, System::kLegacy);
  } else {
    const std::uint64_t draw = model::draw_of(asking.wanted.exchange, kOrderSeed + asking.round);
    const System first = (draw & 1) == 0 ? System::kLegacy : System::kCandidate;
    ask(asking, first);
    ask(asking, other(first));
  }
  settle(asking);
}

void Witnesses::ask(Asking& asking, System to) {
  Question& question = asking.questions[static_cast<std::size_t>(to)];
  CopyJob job;
  job.request = &asking.request;
  job.stream = asking.wanted.stream;
  job.offset = asking.wanted.offset;
  const WitnessSide side = to == asking.request.primary ? WitnessSide::kSame : WitnessSide::kOther;
  WitnessOf whom = to == System::kLegacy ? WitnessOf::kLegacy : WitnessOf::kCandidate;
  if (asking.is_of_twin) whom = WitnessOf::kTwin;
  job.run = asking.wanted.reason == WitnessReason::kControl
                ? RunId::control(whom)
                : RunId::confirmation(whom, side, asking.round, asking.rounds);
  job.to = to;
  auto call = (asking.is_of_twin ? *twin_ : sender_).start(job, question);
  if (!call.ok()) {
    asking.cut = PassedOver::kNotSent;
    return;
  }
  asked_[static_cast<std::size_t>(whom)].fetch_add(1, std::memory_order_relaxed);
  question.call = std::move(*call);
  question.is_open = true;
}

void Witnesses::on_end(Asking& asking, const CopyEnd& end) {
  switch (end.kind) {
    case CopyEndKind::kAnswered:
    case CopyEndKind::kNoAnswer:
      if (sink_.append(end.shadow).is_refused()) asking.cut = PassedOver::kLogFull;
      break;
    case CopyEndKind::kNotSent:
    case CopyEndKind::kUnavailable:
      if (!asking.is_of_twin) rests_until_ns_ = clock_.mono_ns() + kRestNs;
      asking.cut = PassedOver::kNotSent;
      break;
    case CopyEndKind::kLost: asking.cut = PassedOver::kGone; break;
  }
  settle(asking);
}

// The next round, or the end. Not at once: the object goes when no callback of it is under way.
void Witnesses::settle(Asking& asking) {
  for (const Question& question : asking.questions) {
    if (question.is_open) return;
  }
  if (asking.has_ended) return;
  if (asking.cut) pass_over(*asking.cut);
  asking.has_ended = asking.cut.has_value() || ++asking.round >= asking.rounds;
  loop_.post([this, alive = std::weak_ptr<int>(alive_), number = asking.number] {
    if (alive.expired() || is_stopped_) return;
    now_ns_ = clock_.mono_ns();
    // Those of the twin have one round.
    const auto found = std::find_if(asking_.begin(), asking_.end(), [number](const auto& one) {
      return one->number == number && !one->has_ended;
    });
    if (found != asking_.end()) ask_round(**found);
    dispatch();
  });
}

WitnessStats Witnesses::stats() const {
  WitnessStats stats;
  stats.confirmations = confirmed_.load(std::memory_order_relaxed);
  stats.controls = controlled_.load(std::memory_order_relaxed);
  stats.waiting = waiting_.load(std::memory_order_relaxed);
  stats.asked_legacy = asked_[0].load(std::memory_order_relaxed);
  stats.asked_candidate = asked_[1].load(std::memory_order_relaxed);
  stats.asked_twin = asked_[2].load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < kPassedOvers; ++i) {
    const std::uint64_t count = passed_over_[i].load(std::memory_order_relaxed);
    if (count > 0) stats.passed_over[std::string(kNames[i])] = count;
  }
  return stats;
}

}  // namespace banyan::replay
