// SPDX-License-Identifier: Apache-2.0
#include "replay/run_plan.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "core/base/hash.h"
#include "replay/mirror_core.h"
#include "replay/record_fetcher.h"

namespace banyan::replay {

Result<std::unique_ptr<RunPlan>> RunPlan::make(model::LogAccess& log, const MirrorPolicy* policy,
                                               StoredRun& run, std::int64_t now_wall_ns,
                                               const std::atomic<bool>& cancel) {
  auto filter = RunFilter::parse(run.status.spec.filter, now_wall_ns);
  if (!filter.ok()) return filter.error();
  auto plan = std::unique_ptr<RunPlan>(new RunPlan(log, policy, run, std::move(*filter)));
  auto mirror_at = log.load_cursor(MirrorCore::kConsumer);
  if (mirror_at.ok()) plan->mirror_at_ = std::move(*mirror_at);
  BANYAN_RETURN_IF_ERROR(plan->read(cancel));
  plan->choose();
  return plan;
}

Status RunPlan::read(const std::atomic<bool>& cancel) {
  model::Cursor from = run_.status.spec.from;
  if (from.places.empty() && run_.status.spec.from_wall_ns > 0) {
    auto found = log_.find_time(run_.status.spec.from_wall_ns);
    if (!found.ok()) return found.error();
    from = std::move(*found);
  }
  // Reading on to the end of now, not of the run's start: what a resumed run did lies behind it.
  read_to_ = log_.end();
  auto source = log_.open_source(from, model::Fence::kWritten);
  if (!source.ok()) return source.error();
  model::SourcedRecord record;
  for (;;) {
    if (cancel.load(std::memory_order_relaxed)) {
      return make_error(ErrorCode::kCancelled, ErrorOrigin::kClient, "stopped while planning");
    }
    auto more = (*source)->next(record);
    if (!more.ok()) return more.error();
    if (!*more) break;
    if (record.offset >= read_to_.next_of(record.stream)) {
      if (read_to_.places.size() <= 1) break;
      continue;
    }
    if (record.kind == model::SourcedRecord::Kind::kRecord) {
      BANYAN_RETURN_IF_ERROR(apply(record));
    }
  }
  return {};
}

Status RunPlan::apply(const model::SourcedRecord& sourced) {
  using model::RecordType;
  const bool matters = sourced.type == RecordType::kRequest ||
                       (sourced.type <= RecordType::kChunk && facts_.count(sourced.exchange) > 0);
  if (!matters) return {};
  auto decoded = model::decode(sourced.encoded);
  if (!decoded.ok()) return {};  // damage is the log's to report; it is no reason to stop
  if (const auto* request = std::get_if<model::RequestRecord>(&*decoded)) {
    return on_request(sourced, *request);
  }
  Facts& facts = facts_.find(sourced.exchange)->second;
  if (const auto* response = std::get_if<model::ResponseRecord>(&*decoded)) {
    facts.end = primary_end_of(*response);
  } else if (const auto* outcome = std::get_if<model::OutcomeRecord>(&*decoded)) {
    facts.end = primary_end_of(*outcome);
  } else if (const auto* shadow = std::get_if<model::ShadowRecord>(&*decoded)) {
    on_shadow(facts, *shadow);
  } else if (const auto* skip = std::get_if<model::SkipRecord>(&*decoded)) {
    if (skip->run.is_live()) {
      facts.is_skipped = true;
      facts.is_dropped = is_drop(skip->reason);
    } else if (skip->run.value == run_.status.id && !facts.is_done_here) {
      facts.is_done_here = true;
      facts.has_shadow = false;
    }
  } else if (const auto* verdict = std::get_if<model::VerdictRecord>(&*decoded)) {
    on_verdict(facts, *verdict);
  } else if (const auto* chunk = std::get_if<model::ChunkRecord>(&*decoded)) {
    if (chunk->side == model::Side::kRequest && chunk->is_last) {
      facts.has_body = chunk->is_complete;
      facts.item.body.length = chunk->length;
      facts.item.body.has_trailers = !chunk->trailers.empty();
    }
  }
  return {};
}

bool RunPlan::is_in_range(const model::SourcedRecord& sourced,
                          const model::RequestRecord& request) const {
  const RunSpec& spec = run_.status.spec;
  return sourced.offset < run_.until.next_of(sourced.stream) &&
         request.started.wall_ns >= spec.from_wall_ns &&
         request.started.wall_ns < spec.to_wall_ns &&
         (spec.route.empty() || spec.route == request.route);
}

Status RunPlan::on_request(const model::SourcedRecord& sourced,
                           const model::RequestRecord& request) {
  if (!is_in_range(sourced, request)) return {};
  const FilterFacts known{request.exchange, request.route,           request.method,
                          request.target,   request.started.wall_ns, request.is_write};
  if (!filter_.takes_request(known)) return {};
  if (run_.status.spec.kind == RunKind::kReconcile && !request.is_write) return {};
  if (facts_.size() >= kFactsMax) {
    return make_error(ErrorCode::kExhausted, ErrorOrigin::kClient,
                      "more than 1000000 exchanges match; narrow the range or the filter");
  }
  Facts facts;
  facts.sequence = facts_.size();
  facts.item.exchange = request.exchange;
  facts.item.stream = &*names_.emplace(sourced.stream).first;
  facts.item.route = &*names_.emplace(request.route).first;
  facts.item.offset = sourced.offset;
  facts.item.started = request.started;
  facts.item.session = request.session.empty() ? 0 : xxh3_64(request.session);
  facts.item.is_write = request.is_write;
  facts.item.body.is_streamed = request.body.kind == model::Body::Kind::kChunks;
  facts.has_body = request.body.kind == model::Body::Kind::kNone ||
                   request.body.kind == model::Body::Kind::kInline;
  facts.primary = request.primary;
  facts.mirror = request.mirror;
  facts.at_admission = request.skip;
  facts_.emplace(request.exchange, std::move(facts));
  return {};
}

void RunPlan::on_shadow(Facts& facts, const model::ShadowRecord& shadow) {
  if (shadow.run.is_witness()) return;  // tells nothing of what is due
  if (shadow.answer.system != run_.status.spec.to) return;
  // The newest answer counts: a later run repairs what an earlier copy missed.
  facts.has_shadow = true;
  facts.shadow_status = shadow.answer.status;
  facts.is_decided |= !shadow.run.is_live();
  if (shadow.run.value == run_.status.id && !facts.is_done_here) {
    facts.is_done_here = true;
    ++(shadow.answer.status == 0 ? run_.status.no_answer : run_.status.answered);
    ++run_.status.sent;
  }
}

void RunPlan::on_verdict(Facts& facts, const model::VerdictRecord& verdict) {
  if (verdict.run.is_witness()) return;
  facts.is_different = verdict.verdict == Verdict::kDifferent;
  if (verdict.run.value != run_.status.id || verdict.has_previous) return;
  std::uint64_t* const counters[] = {&run_.status.equal, &run_.status.tolerated,
                                     &run_.status.different, &run_.status.incomparable};
  ++*counters[static_cast<std::size_t>(verdict.verdict)];
}

// A copy that the live mirror still holds is the mirror's: sent by both it might be done twice.
bool RunPlan::is_with_the_mirror(const Facts& facts) const {
  return facts.mirror == MirrorDecision::kSelected && !facts.has_shadow && !facts.is_skipped &&
         facts.primary == other(run_.status.spec.to) &&
         facts.item.offset >= mirror_at_.next_of(*facts.item.stream);
}

RunPlan::Choice RunPlan::choice_of_reconcile(const Facts& facts) const {
  const bool was_due = facts.mirror == MirrorDecision::kSelected ||
                       (facts.at_admission == SkipReason::kWrite && policy_ != nullptr &&
                        policy_->mirrors_writes(*facts.item.route));
  if (!was_due || facts.primary != other(run_.status.spec.to) || !facts.end.is_known) {
    return Choice::kLeave;
  }
  if (is_with_the_mirror(facts)) return Choice::kPending;
  if (facts.end.is_undecided()) return facts.is_decided ? Choice::kLeave : Choice::kUndecided;
  if (facts.end.skip != SkipReason::kNone) return Choice::kLeave;
  const bool agrees = facts.has_shadow && facts.shadow_status / 100 == facts.end.status / 100;
  return agrees ? Choice::kLeave : Choice::kTake;
}

RunPlan::Choice RunPlan::choice_of(const Facts& facts) const {
  const RunSpec& spec = run_.status.spec;
  if (!filter_.takes_status(facts.end.status)) return Choice::kLeave;
  if (spec.kind == RunKind::kReconcile) return choice_of_reconcile(facts);
  const bool is_undecided = facts.item.is_write && facts.end.is_undecided();
  switch (spec.only) {
    case RunOnly::kAll: break;
    case RunOnly::kMissed:
      if (facts.has_shadow) return Choice::kLeave;
      break;
    case RunOnly::kFailed: {
      const bool failed =
          facts.has_shadow && (facts.shadow_status == 0 || facts.shadow_status >= 500);
      if (!failed && !(is_undecided && !facts.is_decided)) return Choice::kLeave;
      break;
    }
    case RunOnly::kDifferent:
      if (!facts.is_different) return Choice::kLeave;
      break;
  }
  if (is_with_the_mirror(facts)) return Choice::kSkip;
  if (!facts.item.is_write) return Choice::kTake;
  // A write that the primary refused or may not have done is sent only where a person asked for
  // exactly those.
  if (is_undecided && spec.only == RunOnly::kFailed) return Choice::kTake;
  return facts.end.is_known && facts.end.skip == SkipReason::kNone ? Choice::kTake : Choice::kSkip;
}

void RunPlan::choose() {
  RunStatus& status = run_.status;
  std::vector<Facts*> in_order;
  in_order.reserve(facts_.size());
  for (auto& [id, facts] : facts_) in_order.push_back(&facts);
  std::sort(in_order.begin(), in_order.end(),
            [](const Facts* a, const Facts* b) { return a->sequence < b->sequence; });
  status.considered = in_order.size();
  for (Facts* const facts : in_order) {
    if (facts->is_done_here) {
      finish_done(*facts);
      continue;
    }
    switch (choice_of(*facts)) {
      case Choice::kLeave: break;
      case Choice::kSkip: ++status.skipped; break;
      case Choice::kUndecided:
        list_remaining(*facts, "undecided: " + std::string(to_string(facts->end.skip)));
        break;
      case Choice::kPending: list_remaining(*facts, "the live mirror has not sent it yet"); break;
      case Choice::kTake:
        if (!facts->has_body) {
          ++status.skipped;
          if (status.spec.kind == RunKind::kReconcile) {
            list_remaining(*facts, "its body is not in the log");
          }
          break;
        }
        ++status.selected;
        facts->item.ended_mono_ns = facts->end.ended_mono_ns;
        facts->item.primary_status = facts->end.status;
        items_.push_back(facts->item);
        break;
    }
  }
  status.total_estimate = status.selected;
  facts_.clear();
}

void RunPlan::finish_done(const Facts& facts) {
  ++run_.status.selected;
  if (!facts.has_shadow) ++run_.status.skipped;
  if (run_.status.spec.kind != RunKind::kReconcile) return;
  if (!facts.has_shadow || facts.shadow_status / 100 != facts.end.status / 100) {
    list_remaining(facts, "sent by this run, and the answer does not agree");
  }
}

void RunPlan::list_remaining(const Facts& facts, std::string_view why) {
  add_remaining(run_.status, log_, facts.item, why);
}

void add_remaining(RunStatus& status, model::LogAccess& log, const PlanItem& item,
                   std::string_view why) {
  ++status.remaining;
  if (status.remaining_list.size() >= RunPlan::kListMax) return;
  RunStatus::Remaining one;
  one.exchange = item.exchange.to_string();
  one.route = *item.route;
  one.why = why;
  RecordFetcher fetcher(log);
  if (auto fetched = fetcher.fetch(*item.stream, item.offset); fetched.ok()) {
    auto decoded = model::decode(*fetched);
    if (decoded.ok()) {
      if (const auto* request = std::get_if<model::RequestRecord>(&*decoded)) {
        one.method = request->method;
        // The list is kept in a file of its own, which no erasure reaches.
        if (request->of.key.empty()) one.target = request->target;
      }
    }
  }
  status.remaining_list.push_back(std::move(one));
}

}  // namespace banyan::replay
