// SPDX-License-Identifier: Apache-2.0
//
// Two passes. The first learns which exchanges have a VERDICT newer than the first generation. The
// second (HistoryPass) compares.
#include <chrono>
#include <thread>
#include <unordered_map>
#include <utility>

#include "comparator/comparator.h"
#include "comparator/history_pass.h"

namespace banyan::comparator {
namespace {

constexpr std::size_t kNewerMax = 5'000'000;
constexpr std::uint64_t kRecompareProgressEvery = 10'000;
constexpr std::chrono::milliseconds kRecompareRetry{20};
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
      : sink_(sink),
        clock_(clock),
        rules_(rules),
        options_(options),
        progress_(progress),
        judge_(log, rules, ComparatorOptions{}.body_bytes_max),
        history_(log, judge_, {options.from, options.from_wall_ns, options.to_wall_ns}) {
    judge_.set_time(clock.wall_ns());
  }

  Result<RecompareReport> run() {
    BANYAN_RETURN_IF_ERROR(history_.open());
    BANYAN_RETURN_IF_ERROR(
        history_.read([this](const model::SourcedRecord& sourced) { return learn(sourced); }));
    BANYAN_RETURN_IF_ERROR(
        history_.run([this](const ExchangeCase& exchange, const WaitingShadow& shadow,
                            Verdict first) { return decide(exchange, shadow, first); }));
    if (progress_) progress_(report_.compared);
    return report_;
  }

 private:
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

  Status decide(const ExchangeCase& exchange, const WaitingShadow& shadow, Verdict first) {
    const CopyKey key{exchange.exchange, shadow.run.value};
    Newest before{1, first};
    if (const auto newer = newer_.find(key); newer != newer_.end()) before = newer->second;
    Draft& draft = judge_.judge(exchange, exchange.response, shadow.encoded, shadow.place.stream);
    const Verdict after = draft.comparison.verdict;
    ++report_.compared;
    ++report_.before[static_cast<std::size_t>(before.verdict)];
    ++report_.after[static_cast<std::size_t>(after)];
    if (after != before.verdict) ++report_.changed;
    if (progress_ && report_.compared % kRecompareProgressEvery == 0) progress_(report_.compared);
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
      std::this_thread::sleep_for(kRecompareRetry);
    }
    return make_error(ErrorCode::kExhausted, ErrorOrigin::kDisk,
                      "the log takes no records (disk full?); run the command again, what was "
                      "compared so far is kept");
  }

  model::RecordSink* sink_;
  Clock& clock_;
  const CompiledRules& rules_;
  const RecompareOptions& options_;
  const std::function<void(std::uint64_t)>& progress_;
  Judge judge_;
  HistoryPass history_;
  std::unordered_map<CopyKey, Newest, CopyKeyHash> newer_;
  RecompareReport report_;
};

}  // namespace

Result<RecompareReport> recompare(model::LogAccess& log, model::RecordSink* sink, Clock& clock,
                                  const CompiledRules& rules, const RecompareOptions& options,
                                  const std::function<void(std::uint64_t)>& progress) {
  return Recomparison(log, sink, clock, rules, options, progress).run();
}

}  // namespace banyan::comparator
