// SPDX-License-Identifier: Apache-2.0
#include "comparator/history_pass.h"

#include <utility>

namespace banyan::comparator {
namespace {

constexpr std::size_t kLookEvery = 256;  // records between two looks at the limit

}  // namespace

Status HistoryPass::open() {
  if (range_.from.places.empty() && range_.from_wall_ns > 0) {
    auto found = log_.find_time(range_.from_wall_ns);
    if (!found.ok()) return found.error();
    range_.from = std::move(found).value();
  }
  end_ = log_.end();
  return {};
}

Status HistoryPass::read(const std::function<Status(const model::SourcedRecord&)>& take_one) {
  auto source = log_.open_source(range_.from, model::Fence::kWritten);
  if (!source.ok()) return source.error();
  model::SourcedRecord sourced;
  for (std::size_t count = 0;; ++count) {
    if (count % kLookEvery == 0 && is_over_ && is_over_()) {
      was_cut_ = true;
      return {};
    }
    auto more = (*source)->next(sourced);
    if (!more.ok()) return more.error();
    if (!*more) return {};
    if (sourced.kind == model::SourcedRecord::Kind::kHole) continue;
    if (sourced.offset >= end_.next_of(sourced.stream)) {
      if (is_past_end((*source)->position())) return {};
      continue;
    }
    BANYAN_RETURN_IF_ERROR(take_one(sourced));
  }
}

Status HistoryPass::run(OnPair on_pair) {
  on_pair_ = std::move(on_pair);
  BANYAN_RETURN_IF_ERROR(
      read([this](const model::SourcedRecord& sourced) { return take(sourced); }));
  return resolve_late();
}

bool HistoryPass::is_past_end(const model::Cursor& position) const {
  for (const auto& place : end_.places) {
    if (position.next_of(place.stream) < place.next) return false;
  }
  return true;
}

Status HistoryPass::take(const model::SourcedRecord& sourced) {
  switch (sourced.type) {
    case model::RecordType::kRequest: take_request(sourced); return {};
    case model::RecordType::kChunk: judge_.chunk_starts().note(sourced); return {};
    case model::RecordType::kResponse: {
      Join* join = table_.find(sourced.exchange);
      if (join == nullptr) return {};
      join->exchange.closing = ExchangeCase::Closing::kResponse;
      join->exchange.response = sourced.encoded;
      table_.weigh(*join);
      return {};
    }
    case model::RecordType::kOutcome: {
      Join* join = table_.find(sourced.exchange);
      if (join != nullptr) join->exchange.closing = ExchangeCase::Closing::kOutcome;
      return {};
    }
    case model::RecordType::kShadow: take_shadow(sourced); return {};
    case model::RecordType::kVerdict: return take_verdict(sourced);
    default: return {};
  }
}

void HistoryPass::take_request(const model::SourcedRecord& sourced) {
  model::RequestRecord request;
  if (!model::decode_head(sourced.encoded, request).ok()) return;
  if (request.mirror != MirrorDecision::kSelected) return;
  Join& join = table_.add(sourced.exchange);
  note_request(join.exchange, request, sourced);
  table_.weigh(join);
}

// A copy's place is kept even where its exchange is not at hand: one map, bounded by the VERDICTs
// that follow soon.
void HistoryPass::take_shadow(const model::SourcedRecord& sourced) {
  model::ShadowRecord record;
  if (!model::decode_head(sourced.encoded, record).ok()) return;
  if (record.run.is_witness()) return;  // tells of then, by the rules of then
  Join* join = table_.find(sourced.exchange);
  if (join == nullptr) join = &table_.add(sourced.exchange);
  join->shadows.push_back(WaitingShadow{record.run,
                                        Place{std::string(sourced.stream), sourced.offset},
                                        std::string(sourced.encoded)});
  table_.weigh(*join);
}

Status HistoryPass::take_verdict(const model::SourcedRecord& sourced) {
  model::VerdictRecord verdict;
  if (!model::decode_head(sourced.encoded, verdict).ok()) return {};
  if (verdict.generation != 1 || verdict.run.is_witness()) return {};
  Join* join = table_.find(verdict.exchange);
  if (join == nullptr) return {};
  first_[CopyKey{verdict.exchange, verdict.run.value}] = verdict.verdict;
  Status status;
  for (WaitingShadow& shadow : join->shadows) {
    if (shadow.run != verdict.run) continue;
    const bool is_whole = join->exchange.has_request && !shadow.encoded.empty() &&
                          join->exchange.closing != ExchangeCase::Closing::kOpen;
    if (is_whole) {
      status = hand_out(join->exchange, shadow);
    } else {
      late_.add(LateCopy{join->exchange, std::move(shadow)});
    }
    break;
  }
  table_.erase(verdict.exchange);
  if (!status.ok()) return status;
  return late_.is_full() ? resolve_late() : Status();
}

Status HistoryPass::resolve_late() {
  if (late_.is_empty()) return {};
  auto copies = late_.resolve(judge_.chunk_starts());
  if (!copies.ok()) return copies.error();
  for (const LateCopy& copy : *copies) {
    BANYAN_RETURN_IF_ERROR(hand_out(copy.exchange, copy.shadow));
  }
  return {};
}

Status HistoryPass::hand_out(const ExchangeCase& exchange, const WaitingShadow& shadow) {
  const auto first = first_.find(CopyKey{exchange.exchange, shadow.run.value});
  if (first == first_.end()) return {};
  const Verdict verdict = first->second;
  first_.erase(first);
  const bool is_in_range = exchange.has_request &&
                           exchange.started.wall_ns >= range_.from_wall_ns &&
                           exchange.started.wall_ns < range_.to_wall_ns;
  return is_in_range ? on_pair_(exchange, shadow, verdict) : Status();
}

}  // namespace banyan::comparator
