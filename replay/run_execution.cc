// SPDX-License-Identifier: Apache-2.0
#include "replay/run_execution.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "core/obs/log.h"

namespace banyan::replay {
namespace {

constexpr std::int64_t kTickNs = 10'000'000;
constexpr std::int64_t kReportNs = 1'000'000'000;
constexpr std::int64_t kRetryNs = 250'000'000;
constexpr std::int64_t kCancelDrainNs = 2'000'000'000;
constexpr std::uint64_t kBodyBytesMax = 64ULL << 20;
constexpr int kVerdictReadMax = 4096;
// Copies looked at ahead of the first one that is not done: those that wait for their session must
// not keep other sessions from going on for long.
constexpr std::size_t kWindow = 4096;

}  // namespace

RunExecution::~RunExecution() {
  hook_.reset();
  tick_.reset();
  going_.clear();  // calls die before their pools
  sender_.reset();
}

void RunExecution::run() {
  RunStatus& status = run_.status;
  for (auto* counter :
       {&status.considered, &status.selected, &status.sent, &status.answered, &status.no_answer,
        &status.skipped, &status.equal, &status.tolerated, &status.different, &status.incomparable,
        &status.total_estimate, &status.remaining}) {
    *counter = 0;  // counted anew from the log, also what this run did before it was resumed
  }
  status.remaining_list.clear();
  auto plan =
      RunPlan::make(context_.log, context_.policy, run_, context_.clock.wall_ns(), context_.cancel);
  if (!plan.ok()) {
    const bool is_cancel = plan.error().code == ErrorCode::kCancelled;
    return end(is_cancel ? RunState::kInterrupted : RunState::kFailed, plan.error().message);
  }
  plan_ = std::move(*plan);
  if (status.spec.is_dry_run) return end(RunState::kDone, "dry run: nothing was sent");

  auto loop = net::EventLoop::create();
  auto verdicts = context_.log.open_source(plan_->read_to(), model::Fence::kWritten);
  if (!loop.ok()) return end(RunState::kFailed, loop.error().message);
  if (!verdicts.ok()) return end(RunState::kFailed, verdicts.error().message);
  loop_ = std::move(*loop);
  verdicts_ = std::move(*verdicts);
  fetcher_ = std::make_unique<RecordFetcher>(context_.log);
  sender_ = std::make_unique<Sender>(*loop_, context_.clock, context_.log, context_.sink,
                                     context_.redactor, context_.systems, status.spec.concurrency,
                                     kBodyBytesMax);
  tick_ = std::make_unique<net::Timer>(*loop_, [this] { on_tick(); });
  hook_ = loop_->at_turn_end([this] {
    if (needs_pump_ && !has_finished_) pump();
  });
  now_ns_ = began_ns_ = verdict_seen_ns_ = context_.clock.mono_ns();
  report(true);
  loop_->post([this] { on_tick(); });
  loop_->run();
}

void RunExecution::on_tick() {
  if (has_finished_) return;
  now_ns_ = context_.clock.mono_ns();
  retry_unrecorded();
  expire_overdue();
  read_verdicts();
  for (std::size_t i = delayed_.size(); i > 0; --i) {
    Going* const going = delayed_.front();
    delayed_.pop_front();
    (going->due_ns <= now_ns_ ? ready_ : delayed_).push_back(going);
  }
  pump();
  if (has_ended()) return;
  report(false);
  tick_->start(kTickNs);
}

void RunExecution::pump() {
  needs_pump_ = false;
  if (context_.cancel.load(std::memory_order_relaxed)) return;
  now_ns_ = context_.clock.mono_ns();
  admit_due();
  while (!ready_.empty() && in_flight_ < run_.status.spec.concurrency && unrecorded_.empty() &&
         !context_.sink.has_failed() && now_ns_ >= retry_at_ns_) {
    // A system that cannot be reached is probed by one copy at a time.
    if (unreachable_since_ns_ != 0 && in_flight_ > 0) break;
    Going& going = *ready_.front();
    ready_.pop_front();
    start(going);
  }
}

bool RunExecution::is_due(const PlanItem& item) const {
  const double speed = run_.status.spec.speed;
  if (speed <= 0) return true;
  const auto apart =
      static_cast<double>(item.started.wall_ns - plan_->items().front().started.wall_ns);
  return static_cast<double>(now_ns_ - began_ns_) * speed >= apart;
}

void RunExecution::admit_due() {
  const auto& items = plan_->items();
  while (next_ < items.size() && going_.size() < kWindow && is_due(items[next_])) {
    const PlanItem& item = items[next_++];
    const auto self = going_.emplace(going_.end(), *this);
    Going& going = *self;
    going.self = self;
    going.item = &item;
    going.session = item.session;
    going.epoch = item.exchange.epoch().value;
    going.started_mono_ns = item.started.mono_ns;
    going.ended_mono_ns = item.ended_mono_ns;
    going.sequence = next_;
    if (item.is_write) order_.hold(going);
    if (order_.must_wait(going)) {
      order_.wait(going);
    } else {
      ready_.push_back(&going);
    }
  }
}

void RunExecution::start(Going& going) {
  auto fetched = fetcher_->fetch(*going.item->stream, going.item->offset);
  if (!fetched.ok()) return skip(going, "it is no longer in the log");
  going.request = *fetched;
  auto decoded = model::decode(going.request);
  if (!decoded.ok() || !std::holds_alternative<model::RequestRecord>(*decoded)) {
    return skip(going, "its record is damaged");
  }
  going.decoded = std::make_unique<model::AnyRecord>(std::move(*decoded));
  if (std::get<model::RequestRecord>(*going.decoded).of.is_erased) {
    return skip(going, "its subject's data was erased", SkipReason::kErased);
  }
  CopyJob job;
  job.request = &std::get<model::RequestRecord>(*going.decoded);
  job.stream = *going.item->stream;
  job.offset = going.item->offset;
  job.run = RunId{run_.status.id};
  job.to = run_.status.spec.to;
  job.body = going.item->body;
  job.records_unavailable = going.attempts + 1 >= kUnavailableMax;
  auto call = sender_->start(job, going);
  if (!call.ok()) return skip(going, call.error().message);
  going.call = std::move(*call);
  going.sent_ns = now_ns_;
  ++in_flight_;
}

void RunExecution::on_copy_end(Going& going, const CopyEnd& how) {
  const CopyCallPtr call = std::move(going.call);
  --in_flight_;
  needs_pump_ = true;
  if (how.kind == CopyEndKind::kNotSent) return on_not_sent(going, how.cause);
  unreachable_since_ns_ = 0;
  if (how.kind == CopyEndKind::kUnavailable) {
    ++going.attempts;
    going.due_ns = now_ns_ + kRetryNs * going.attempts;
    delayed_.push_back(&going);
    return;
  }
  if (how.kind == CopyEndKind::kLost) return skip(going, "its body is no longer in the log");
  on_recorded(going, how);
}

void RunExecution::on_not_sent(Going& going, std::string_view cause) {
  if (unreachable_since_ns_ == 0) unreachable_since_ns_ = now_ns_;
  retry_at_ns_ = now_ns_ + kRetryNs;
  ready_.push_front(&going);
  run_.status.message = std::string(to_string(run_.status.spec.to)) + ": " + std::string(cause);
}

void RunExecution::on_recorded(Going& going, const CopyEnd& how) {
  RunStatus& status = run_.status;
  status.message.clear();
  ++status.sent;
  ++(how.kind == CopyEndKind::kAnswered ? status.answered : status.no_answer);
  if (status.spec.kind == RunKind::kReconcile &&
      how.status / 100 != going.item->primary_status / 100) {
    const std::string why = how.status == 0
                                ? "no answer: " + std::string(how.cause)
                                : "answered " + std::to_string(how.status) + ", the primary " +
                                      std::to_string(going.item->primary_status);
    add_remaining(status, context_.log, *going.item, why);
  }
  record(going, how.shadow);
}

void RunExecution::skip(Going& going, std::string_view why, SkipReason reason) {
  ++run_.status.skipped;
  if (run_.status.spec.kind == RunKind::kReconcile) {
    add_remaining(run_.status, context_.log, *going.item, why);
  }
  model::SkipRecord skipped;
  skipped.exchange = going.item->exchange;
  skipped.run = RunId{run_.status.id};
  skipped.route = *going.item->route;
  skipped.at = context_.clock.now();
  skipped.reason = reason;
  std::string encoded;
  model::encode(skipped, encoded);
  record(going, encoded);
}

void RunExecution::record(Going& going, std::string_view encoded) {
  if (unrecorded_.empty() && !context_.sink.append(encoded).is_refused()) return leave(going);
  going.unrecorded = encoded;
  unrecorded_.push_back(&going);
}

void RunExecution::retry_unrecorded() {
  while (!unrecorded_.empty()) {
    Going& going = *unrecorded_.front();
    if (context_.sink.append(going.unrecorded).is_refused()) return;
    unrecorded_.pop_front();
    leave(going);
  }
}

void RunExecution::leave(Going& going) {
  std::vector<OrderedCopy*> freed;
  order_.release(going, freed);
  for (OrderedCopy* const next : freed) ready_.push_back(static_cast<Going*>(next));
  needs_pump_ = true;
  // Its owner's frames may still be on the stack.
  loop_->post([this, self = going.self] { going_.erase(self); });
  going.decoded.reset();
}

void RunExecution::expire_overdue() {
  std::vector<Going*> overdue;
  for (Going& going : going_) {
    if (going.call != nullptr && going.sent_ns + kDeadlineNs <= now_ns_) overdue.push_back(&going);
  }
  for (Going* const going : overdue) going->call->expire();
}

void RunExecution::read_verdicts() {
  RunStatus& status = run_.status;
  model::SourcedRecord record;
  for (int i = 0; i < kVerdictReadMax; ++i) {
    auto more = verdicts_->next(record);
    if (!more.ok() || !*more) return;
    if (record.kind != model::SourcedRecord::Kind::kRecord ||
        record.type != model::RecordType::kVerdict) {
      continue;
    }
    auto decoded = model::decode(record.encoded);
    if (!decoded.ok()) continue;
    const auto& verdict = std::get<model::VerdictRecord>(*decoded);
    if (verdict.run.value != status.id || verdict.has_previous) continue;
    verdict_seen_ns_ = now_ns_;
    std::uint64_t* const counters[] = {&status.equal, &status.tolerated, &status.different,
                                       &status.incomparable};
    ++*counters[static_cast<std::size_t>(verdict.verdict)];
  }
}

bool RunExecution::has_ended() {
  RunStatus& status = run_.status;
  if (context_.cancel.load(std::memory_order_relaxed)) {
    if (cancelled_ns_ == 0) cancelled_ns_ = now_ns_;
    if (in_flight_ > 0 && now_ns_ - cancelled_ns_ < kCancelDrainNs) return false;
    end(RunState::kInterrupted, "stopped; can be resumed");
    return true;
  }
  if (unreachable_since_ns_ != 0 && now_ns_ - unreachable_since_ns_ >= kGiveUpNs) {
    end(RunState::kFailed, "cannot reach " + status.message + "; resume the run when it is back");
    return true;
  }
  if (next_ < plan_->items().size() || !going_.empty()) {
    verdict_seen_ns_ = now_ns_;
    return false;
  }
  const std::uint64_t compared =
      status.equal + status.tolerated + status.different + status.incomparable;
  const std::uint64_t expected = status.answered + status.no_answer;
  if (compared < expected && now_ns_ - verdict_seen_ns_ < kVerdictPatienceNs) return false;
  end(RunState::kDone, compared < expected
                           ? std::to_string(expected - compared) + " answers are not compared yet"
                           : "");
  return true;
}

void RunExecution::end(RunState state, std::string message) {
  has_finished_ = true;
  run_.status.state = state;
  run_.status.message = std::move(message);
  run_.status.ended_wall_ns = context_.clock.wall_ns();
  report(true);
  if (loop_ != nullptr) loop_->stop();
}

void RunExecution::report(bool is_forced) {
  if (!is_forced && now_ns_ - reported_ns_ < kReportNs) return;
  reported_ns_ = now_ns_;
  context_.on_progress(run_);
}

}  // namespace banyan::replay
