// SPDX-License-Identifier: Apache-2.0
//
// Two passes. The first learns which exchanges have a VERDICT newer than the first generation. The
// second joins answers as the comparator does, but a VERDICT of the first generation, which follows
// both of them, is what starts a comparison: what has none yet is left to the comparator.
#include <chrono>
#include <thread>
#include <unordered_map>
#include <utility>
#include <variant>

#include "comparator/comparator.h"
#include "comparator/copy_key.h"
#include "comparator/late_lookup.h"

namespace banyan::comparator {
namespace {

constexpr std::size_t kNewerMax = 5'000'000;
constexpr std::uint64_t kProgressEvery = 10'000;
constexpr std::chrono::milliseconds kRetry{20};
constexpr int kRetriesMax = 500;  // 10 s for a log that takes no records

struct Newest {
  std::uint32_t generation = 1;
  Verdict verdict = Verdict::kEqual;
};

class Recomparison {
 public:
  Recomparison(model::LogAccess& log, model::RecordSink* sink, Clock& clock,
               const CompiledRules& rules, const RecompareOptions& options,
               const std::function<void(std::uint64_t)>& progress)
      : log_(log),
        sink_(sink),
        clock_(clock),
        rules_(rules),
        options_(options),
        progress_(progress),
        judge_(log, rules, ComparatorOptions{}.body_bytes_max),
        table_({}),
        late_(log) {}

  Result<RecompareReport> run() {
    model::Cursor from = options_.from;
    if (from.places.empty() && options_.from_wall_ns > 0) {
      auto found = log_.find_time(options_.from_wall_ns);
      if (!found.ok()) return found.error();
      from = std::move(found).value();
    }
    end_ = log_.end();
    BANYAN_RETURN_IF_ERROR(
        read(from, [this](const model::SourcedRecord& sourced) { return learn(sourced); }));
    BANYAN_RETURN_IF_ERROR(
        read(from, [this](const model::SourcedRecord& sourced) { return take(sourced); }));
    BANYAN_RETURN_IF_ERROR(resolve_late());
    if (progress_) progress_(report_.compared);
    return report_;
  }

 private:
  // Up to where the log ended at the start: this run's own VERDICTs are not read.
  Status read(const model::Cursor& from,
              const std::function<Status(const model::SourcedRecord&)>& take_one) {
    auto source = log_.open_source(from, model::Fence::kWritten);
    if (!source.ok()) return source.error();
    model::SourcedRecord sourced;
    for (;;) {
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
  bool is_past_end(const model::Cursor& position) const {
    for (const auto& place : end_.places) {
      if (position.next_of(place.stream) < place.next) return false;
    }
    return true;
  }

  Status learn(const model::SourcedRecord& sourced) {
    if (sourced.type != model::RecordType::kVerdict) return {};
    model::VerdictRecord verdict;
    if (!model::decode_head(sourced.encoded, verdict).ok()) return {};
    if (verdict.generation <= 1) return {};
    Newest& newest = newer_[CopyKey{verdict.exchange, verdict.run.value}];
    if (verdict.generation >= newest.generation) {
      newest = Newest{verdict.generation, verdict.verdict};
    }
    if (newer_.size() <= kNewerMax) return {};
    return make_error(ErrorCode::kExhausted, ErrorOrigin::kInternal,
                      "more than " + std::to_string(kNewerMax) +
                          " exchanges were compared again before; narrow the range with --from");
  }

  Status take(const model::SourcedRecord& sourced) {
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

  void take_request(const model::SourcedRecord& sourced) {
    model::RequestRecord request;
    if (!model::decode_head(sourced.encoded, request).ok()) return;
    if (request.mirror != MirrorDecision::kSelected) return;
    Join& join = table_.add(sourced.exchange);
    note_request(join.exchange, request, sourced);
    table_.weigh(join);
  }

  // A copy's place is kept even where its exchange is not at hand: one map, bounded by the VERDICTs
  // that follow soon.
  void take_shadow(const model::SourcedRecord& sourced) {
    model::ShadowRecord record;
    if (!model::decode_head(sourced.encoded, record).ok()) return;
    Join* join = table_.find(sourced.exchange);
    if (join == nullptr) join = &table_.add(sourced.exchange);
    join->shadows.push_back(WaitingShadow{record.run,
                                          Place{std::string(sourced.stream), sourced.offset},
                                          std::string(sourced.encoded)});
    table_.weigh(*join);
  }

  Status take_verdict(const model::SourcedRecord& sourced) {
    model::VerdictRecord verdict;
    if (!model::decode_head(sourced.encoded, verdict).ok()) return {};
    if (verdict.generation != 1) return {};
    Join* join = table_.find(verdict.exchange);
    if (join == nullptr) return {};
    first_[CopyKey{verdict.exchange, verdict.run.value}] = verdict.verdict;
    Status status;
    for (WaitingShadow& shadow : join->shadows) {
      if (shadow.run != verdict.run) continue;
      const bool is_whole = join->exchange.has_request && !shadow.encoded.empty() &&
                            join->exchange.closing != ExchangeCase::Closing::kOpen;
      if (is_whole) {
        status = decide(join->exchange, shadow);
      } else {
        late_.add(LateCopy{join->exchange, std::move(shadow)});
      }
      break;
    }
    table_.erase(verdict.exchange);
    if (!status.ok()) return status;
    return late_.is_full() ? resolve_late() : Status();
  }

  Status resolve_late() {
    if (late_.is_empty()) return {};
    auto copies = late_.resolve(judge_.chunk_starts());
    if (!copies.ok()) return copies.error();
    for (const LateCopy& copy : *copies) {
      BANYAN_RETURN_IF_ERROR(decide(copy.exchange, copy.shadow));
    }
    return {};
  }

  bool is_in_range(const ExchangeCase& exchange) const {
    return exchange.has_request && exchange.started.wall_ns >= options_.from_wall_ns &&
           exchange.started.wall_ns < options_.to_wall_ns;
  }

  Status decide(const ExchangeCase& exchange, const WaitingShadow& shadow) {
    const CopyKey key{exchange.exchange, shadow.run.value};
    const auto first = first_.find(key);
    if (first == first_.end()) return {};
    Newest before{1, first->second};
    first_.erase(first);
    if (!is_in_range(exchange)) return {};
    if (const auto newer = newer_.find(key); newer != newer_.end()) before = newer->second;
    Draft& draft = judge_.judge(exchange, exchange.response, shadow.encoded, shadow.place.stream);
    const Verdict after = draft.comparison.verdict;
    ++report_.compared;
    ++report_.before[static_cast<std::size_t>(before.verdict)];
    ++report_.after[static_cast<std::size_t>(after)];
    if (after != before.verdict) ++report_.changed;
    if (progress_ && report_.compared % kProgressEvery == 0) progress_(report_.compared);
    if (options_.is_dry_run || sink_ == nullptr) return {};
    auto record = draft.to_record(exchange, shadow.run, rules_.version(), clock_.now());
    record.generation = before.generation + 1;
    record.has_previous = true;
    record.previous = before.verdict;
    return append(record);
  }

  // A busy lane is given time; a log that stays closed ends the run with what it has.
  Status append(const model::VerdictRecord& record) {
    for (int i = 0; i < kRetriesMax; ++i) {
      if (!model::append_record(*sink_, record).is_refused()) return {};
      std::this_thread::sleep_for(kRetry);
    }
    return make_error(ErrorCode::kExhausted, ErrorOrigin::kDisk,
                      "the log takes no records (disk full?); run the command again, what was "
                      "compared so far is kept");
  }

  model::LogAccess& log_;
  model::RecordSink* sink_;
  Clock& clock_;
  const CompiledRules& rules_;
  const RecompareOptions& options_;
  const std::function<void(std::uint64_t)>& progress_;
  Judge judge_;
  JoinTable table_;
  LateLookup late_;
  model::Cursor end_;
  std::unordered_map<CopyKey, Newest, CopyKeyHash> newer_;
  // First verdicts of the copies under way (in `late_`, or being decided).
  std::unordered_map<CopyKey, Verdict, CopyKeyHash> first_;
  RecompareReport report_;
};

}  // namespace

Result<RecompareReport> recompare(model::LogAccess& log, model::RecordSink* sink, Clock& clock,
                                  const CompiledRules& rules, const RecompareOptions& options,
                                  const std::function<void(std::uint64_t)>& progress) {
  return Recomparison(log, sink, clock, rules, options, progress).run();
}

}  // namespace banyan::comparator
