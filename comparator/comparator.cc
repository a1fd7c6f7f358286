// SPDX-License-Identifier: Apache-2.0
#include "comparator/comparator.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <unordered_set>
#include <utility>

#include "comparator/copy_key.h"
#include "comparator/late_lookup.h"
#include "comparator/recent_writes.h"
#include "comparator/rested_cases.h"
#include "core/base/mutex.h"
#include "core/http/message.h"
#include "core/model/follower_thread.h"
#include "core/model/witness.h"
#include "core/obs/log.h"

namespace banyan::comparator {
namespace {

constexpr std::string_view kConsumer = "comparator";
constexpr std::chrono::milliseconds kPace{5};        // between two drains of a busy log
constexpr std::chrono::milliseconds kIdle{1000};     // patience where nothing happens
constexpr std::chrono::milliseconds kLogRetry{100};  // the log takes no records now
// Witnesses whose exchange is looked up can wait: a pass over the log delays the live join.
constexpr std::int64_t kLateWitnessesEveryNs = 1'000'000'000;
constexpr std::int64_t kCommitEveryNs = 1'000'000'000;
constexpr std::size_t kStep = 4096;  // records between two looks at the stop flag
// Rules that are counted apart: a reload may bring others, and what the old ones did stays.
constexpr std::size_t kRuleUsesMax = 10'000;
constexpr std::size_t kClockEvery = 64;  // records that may share the time of their VERDICTs

}  // namespace

struct Comparator::Impl {
  // A SHADOW that was read, in stream order; done when its VERDICT is durable.
  struct Slot {
    Offset offset;
    model::Ticket ticket;  // 0 until the VERDICT was accepted
  };
  struct Slots {
    std::string stream;
    std::deque<Slot> waiting;
  };
  struct Outgoing {
    std::string encoded;
    Place shadow;
  };

  Impl(Clock& clock_in, model::LogAccess& log_in, std::unique_ptr<model::RecordSink> sink_in,
       std::shared_ptr<const CompiledRules> rules_in, const ComparatorLimits& limits)
      : clock(clock_in),
        log(log_in),
        sink(std::move(sink_in)),
        rules(std::move(rules_in)),
        judge(log_in, *rules, limits.body_bytes_max),
        table(JoinTable::Bounds{limits.joins_max, limits.join_bytes_max}),
        late(log_in),
        control_share(limits.control_share) {}

  Clock& clock;
  model::LogAccess& log;
  std::unique_ptr<model::RecordSink> sink;
  std::shared_ptr<const CompiledRules> rules;  // those of `judge`
  Mutex next_mutex;
  std::shared_ptr<const CompiledRules> next_rules GUARDED_BY(next_mutex);
  std::atomic<bool> has_next_rules{false};
  mutable Mutex use_mutex;
  std::map<std::string, RuleUse, std::less<>> use GUARDED_BY(use_mutex);
  std::vector<const RuleUse*> counted GUARDED_BY(use_mutex);  // of the pair at hand
  Judge judge;
  JoinTable table;
  LateLookup late;
  double control_share;
  RestedCases rested;
  RecentWrites writes;
  model::NoisyEndpoints noisy;
  // Of decide(); the draft until the next one.
  Verdict last_verdict = Verdict::kEqual;
  const Draft* last_draft = nullptr;
  std::int64_t late_mono_ns = INT64_MIN / 2;  // of the last pass
  std::unique_ptr<model::RecordSource> source;
  std::unordered_set<CopyKey, CopyKeyHash> done;  // had a VERDICT behind the cursor at start
  std::vector<Slots> slots;                       // by stream: one, or a few
  std::deque<Outgoing> outgoing;  // the sink refused them; nothing is read until they are out
  std::int64_t committed_mono_ns = 0;
  model::Cursor committed;

  Instant now;  // of the step; see kClockEvery
  // Kept for their room.
  model::RequestRecord request;
  model::ShadowRecord shadow_head;
  std::string encoded;

  model::FollowerThread thread;
  std::array<std::atomic<std::uint64_t>, 4> verdicts{};
  std::atomic<std::uint64_t> joins_open{0}, position_sum{0}, pushed_out{0}, failures{0};
  std::atomic<std::uint64_t> raced{0}, writes_pushed_out{0};

  // Which copies have their VERDICT already, from the cursor to the end.
  Status find_done(const model::Cursor& from) {
    auto scan = log.open_source(from, model::Fence::kWritten);
    if (!scan.ok()) return scan.error();
    model::SourcedRecord sourced;
    for (;;) {
      auto more = (*scan)->next(sourced);
      if (!more.ok()) return more.error();
      if (!*more) return {};
      if (sourced.kind == model::SourcedRecord::Kind::kHole ||
          sourced.type != model::RecordType::kVerdict) {
        continue;
      }
      const auto record = model::decode(sourced.encoded);
      if (!record.ok()) continue;
      const auto& verdict = std::get<model::VerdictRecord>(*record);
      done.insert(CopyKey{verdict.exchange, verdict.run.value});
    }
  }

  // --- One record -------------------------------------------------------------------------------

  void take(const model::SourcedRecord& sourced) {
    switch (sourced.type) {
      case model::RecordType::kRequest: return take_request(sourced);
      case model::RecordType::kResponse:
        return take_closing(sourced, ExchangeCase::Closing::kResponse);
      case model::RecordType::kOutcome:
        return take_closing(sourced, ExchangeCase::Closing::kOutcome);
      case model::RecordType::kShadow: return take_shadow(sourced);
      case model::RecordType::kSkip: return take_skip(sourced);
      case model::RecordType::kGap: return take_gap(sourced);
      case model::RecordType::kChunk: return judge.chunk_starts().note(sourced);
      default: return;
    }
  }

  // While no exchange waits for anything, all begins with a REQUEST that has a copy or is a write,
  // a SHADOW (of an exchange that is looked up) or a CHUNK.
  model::RecordKinds wanted() const {
    constexpr model::RecordKinds kFirst =
        model::RecordKinds::selected_requests() | model::RecordKinds::uncopied_writes() |
        model::RecordKinds::of({model::RecordType::kShadow, model::RecordType::kChunk});
    constexpr model::RecordKinds kLater =
        kFirst | model::RecordKinds::of({model::RecordType::kResponse, model::RecordType::kOutcome,
                                         model::RecordType::kSkip, model::RecordType::kGap});
    return table.size() == 0 && !writes.has_open() ? kFirst : kLater;
  }

  void take_request(const model::SourcedRecord& sourced) {
    if (!model::decode_head(sourced.encoded, request).ok()) return;
    if (request.is_write) writes.begin(request);
    if (request.mirror != MirrorDecision::kSelected) return;
    Join& join = table.add(sourced.exchange);
    note_request(join.exchange, request, sourced);
    table.weigh(join);
  }

  void take_closing(const model::SourcedRecord& sourced, ExchangeCase::Closing closing) {
    if (writes.has_open() && writes.knows(sourced.exchange)) note_answered(sourced);
    Join* join = table.find(sourced.exchange);
    if (join == nullptr || join->exchange.closing != ExchangeCase::Closing::kOpen) return;
    join->exchange.closing = closing;
    if (join->shadows.empty()) {
      if (closing == ExchangeCase::Closing::kResponse) {
        join->exchange.response = sourced.encoded;
        table.weigh(*join);
      }
      return;
    }
    settle(*join,
           closing == ExchangeCase::Closing::kResponse ? sourced.encoded : std::string_view());
  }

  void note_answered(const model::SourcedRecord& sourced) {
    const auto record = model::decode(sourced.encoded);
    if (!record.ok()) return;
    if (const auto* response = std::get_if<model::ResponseRecord>(&*record)) {
      writes.on_answered(sourced.exchange, response->answer.ended.wall_ns);
    } else if (const auto* outcome = std::get_if<model::OutcomeRecord>(&*record)) {
      writes.on_answered(sourced.exchange, outcome->ended.wall_ns);
    }
  }

  // The exchange closed (or its end is lost) and copies wait for it.
  void settle(Join& join, std::string_view response) {
    for (WaitingShadow& shadow : join.shadows) {
      if (shadow.encoded.empty()) {
        ExchangeCase exchange = join.exchange;
        exchange.response = std::string(response);
        late.add(LateCopy{std::move(exchange), std::move(shadow)});
      } else {
        decide(join.exchange, response, shadow);
        if (shadow.run.is_live()) rest(join.exchange, response);
      }
    }
    table.erase(join.exchange.exchange);
  }

  void take_shadow(const model::SourcedRecord& sourced) {
    if (!model::decode_head(sourced.encoded, shadow_head).ok()) return;
    const RunId run = shadow_head.run;
    if (run.is_live() && writes.has_open()) {
      writes.on_copied(sourced.exchange, shadow_head.answer.ended.wall_ns);
    }
    if (!done.empty() && done.erase(CopyKey{sourced.exchange, run.value}) > 0) {
      if (run.is_live()) table.erase(sourced.exchange);
      return;
    }
    slots_of(sourced.stream).push_back(Slot{sourced.offset, {}});
    WaitingShadow shadow{run, Place{std::string(sourced.stream), sourced.offset}, {}};
    Join* join = table.find(sourced.exchange);
    if (join != nullptr && join->exchange.closing != ExchangeCase::Closing::kOpen) {
      decide(join->exchange, join->exchange.response, shadow, sourced.encoded);
      if (!run.is_live()) return;
      rest(join->exchange, join->exchange.response);
      table.erase(sourced.exchange);
      return;
    }
    if (const ExchangeCase* known = run.is_witness() ? rested.find(sourced.exchange) : nullptr) {
      return decide(*known, known->response, shadow, sourced.encoded);
    }
    shadow.encoded = std::string(sourced.encoded);
    if (join != nullptr) {
      join->shadows.push_back(std::move(shadow));
      table.weigh(*join);
      return;
    }
    LateCopy copy;
    copy.exchange.exchange = sourced.exchange;
    copy.shadow = std::move(shadow);
    late.add(std::move(copy));
  }

  // Witnesses may follow where answers differed, and where a control is drawn.
  void rest(const ExchangeCase& exchange, std::string_view response) {
    if (exchange.closing != ExchangeCase::Closing::kResponse || response.empty()) return;
    const bool is_drawn =
        last_verdict == Verdict::kDifferent ||
        model::is_control(exchange.exchange, control_share) ||
        (model::NoisyEndpoints::is_further_control(exchange.exchange, control_share) &&
         noisy.knows(last_draft->route, last_draft->endpoint));
    if (!is_drawn) return;
    ExchangeCase kept = exchange;
    kept.response = std::string(response);
    rested.add(std::move(kept));
  }

  void take_skip(const model::SourcedRecord& sourced) {
    const Join* join = table.find(sourced.exchange);
    const bool is_joined = join != nullptr && join->shadows.empty();
    if (!is_joined && !writes.knows(sourced.exchange)) return;
    const auto record = model::decode(sourced.encoded);
    if (!record.ok()) return;
    const auto& skip = std::get<model::SkipRecord>(*record);
    if (!skip.run.is_live()) return;
    writes.on_copied(sourced.exchange, skip.at.wall_ns);
    if (is_joined) table.erase(sourced.exchange);
  }

  void take_gap(const model::SourcedRecord& sourced) {
    const auto record = model::decode(sourced.encoded);
    if (!record.ok()) return;
    for (const auto& part : std::get<model::GapRecord>(*record).parts) {
      Join* join = table.find(part.exchange);
      if (join == nullptr) continue;
      note_gap(join->exchange, part.sides);
      if (join->exchange.closing == ExchangeCase::Closing::kLost && !join->shadows.empty()) {
        settle(*join, {});
      }
    }
  }

  // --- Verdicts ---------------------------------------------------------------------------------

  void decide(const ExchangeCase& exchange, std::string_view response,
              const WaitingShadow& shadow) {
    decide(exchange, response, shadow, shadow.encoded);
  }

  void decide(const ExchangeCase& exchange, std::string_view response, const WaitingShadow& shadow,
              std::string_view shadow_bytes) {
    if (has_next_rules.load(std::memory_order_acquire)) take_next_rules();
    judge.set_time(now.wall_ns);
    Draft& draft = judge.judge(exchange, response, shadow_bytes, shadow.place.stream);
    if (!draft.comparison.differences.empty()) count_use(draft.comparison.differences);
    last_verdict = draft.comparison.verdict;
    if (shadow.run.is_live() && !writes.is_empty()) find_race(exchange, draft);
    last_draft = &draft;
    noisy.note(shadow.run, last_verdict, draft.route, draft.endpoint);
    if (!shadow.run.is_witness()) {
      verdicts[static_cast<std::size_t>(last_verdict)].fetch_add(1, std::memory_order_relaxed);
    }
    encoded.clear();
    model::encode(draft.to_record(exchange, shadow.run, rules->version(), now), encoded);
    if (outgoing.empty() && send(encoded, shadow.place)) return;
    outgoing.push_back(Outgoing{encoded, shadow.place});
  }

  // With a write, of a safe request whose answers can be compared.
  void find_race(const ExchangeCase& exchange, Draft& draft) {
    if (draft.began_ns == 0 || draft.comparison.verdict == Verdict::kIncomparable ||
        !http::is_safe_method(exchange.method)) {
      return;
    }
    draft.race = writes.race_of({exchange.exchange, exchange.target, exchange.session,
                                 draft.began_ns, draft.ended_ns, draft.answered_ns});
    if (draft.race.is_there()) raced.fetch_add(1, std::memory_order_relaxed);
  }

  void count_use(const std::vector<model::Difference>& differences) {
    MutexLock lock(use_mutex);
    counted.clear();
    for (const model::Difference& difference : differences) {
      if (difference.rule.empty()) continue;
      auto found = use.find(difference.rule);
      if (found == use.end()) {
        if (use.size() >= kRuleUsesMax) continue;
        found = use.emplace(std::string(difference.rule), RuleUse{}).first;
      }
      RuleUse& one = found->second;
      ++one.differences;
      one.last_wall_ns = now.wall_ns;
      if (std::find(counted.begin(), counted.end(), &one) != counted.end()) continue;
      counted.push_back(&one);
      ++one.exchanges;
    }
  }

  void take_next_rules() {
    MutexLock lock(next_mutex);
    has_next_rules.store(false, std::memory_order_relaxed);
    if (!next_rules) return;
    judge.set_rules(*next_rules);
    rules = std::exchange(next_rules, nullptr);
  }

  std::deque<Slot>& slots_of(std::string_view stream) {
    for (Slots& one : slots) {
      if (one.stream == stream) return one.waiting;
    }
    return slots.emplace_back(Slots{std::string(stream), {}}).waiting;
  }

  bool send(std::string_view verdict, const Place& shadow) {
    const model::Ticket ticket = sink->append(verdict);
    if (ticket.is_refused()) {
      failures.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    auto& waiting = slots_of(shadow.stream);
    // Mostly it was read just now.
    if (!waiting.empty() && waiting.back().offset == shadow.offset) {
      waiting.back().ticket = ticket;
      return true;
    }
    const auto slot =
        std::lower_bound(waiting.begin(), waiting.end(), shadow.offset,
                         [](const Slot& one, Offset offset) { return one.offset < offset; });
    if (slot != waiting.end() && slot->offset == shadow.offset) slot->ticket = ticket;
    return true;
  }

  bool flush_outgoing() {
    while (!outgoing.empty()) {
      if (!send(outgoing.front().encoded, outgoing.front().shadow)) return false;
      outgoing.pop_front();
    }
    return true;
  }

  Status resolve_late() {
    if (late.is_empty()) return {};
    late_mono_ns = clock.mono_ns();
    auto copies = late.resolve(judge.chunk_starts());
    if (!copies.ok()) return copies.error();
    now = clock.now();
    for (LateCopy& copy : *copies) {
      const bool waits =
          copy.exchange.has_request && copy.exchange.closing == ExchangeCase::Closing::kOpen;
      if (!waits) {
        decide(copy.exchange, copy.exchange.response, copy.shadow);
        continue;
      }
      // Its exchange is open still: the closing record is to come.
      const ExchangeId id = copy.exchange.exchange;
      Join* join = table.find(id);
      if (join == nullptr) {
        join = &table.add(id);
        join->exchange = std::move(copy.exchange);
      }
      join->shadows.push_back(std::move(copy.shadow));
      table.weigh(*join);
    }
    return {};
  }

  // --- The thread -------------------------------------------------------------------------------

  // True where something was read.
  Result<bool> drain() {
    bool has_read = false;
    model::SourcedRecord sourced;
    while (!thread.is_stopping()) {
      bool is_end = false;
      for (std::size_t i = 0; i < kStep && !is_end; ++i) {
        if (!flush_outgoing()) return has_read;
        if (i % kClockEvery == 0) now = clock.now();
        source->want(wanted());
        auto more = source->next(sourced);
        if (!more.ok()) return more.error();
        is_end = !*more;
        if (is_end || sourced.kind == model::SourcedRecord::Kind::kHole) continue;
        has_read = true;
        take(sourced);
        if (late.is_full()) BANYAN_RETURN_IF_ERROR(resolve_late());
      }
      publish_stats();
      commit(false);
      if (is_end) break;
    }
    if (late.is_urgent() || clock.mono_ns() - late_mono_ns >= kLateWitnessesEveryNs) {
      BANYAN_RETURN_IF_ERROR(resolve_late());
    }
    return has_read;
  }

  void publish_stats() {
    joins_open.store(table.size(), std::memory_order_relaxed);
    position_sum.store(source->position().sum(), std::memory_order_relaxed);
    pushed_out.store(table.pushed_out(), std::memory_order_relaxed);
    writes_pushed_out.store(writes.pushed_out(), std::memory_order_relaxed);
  }

  // Before the oldest SHADOW whose VERDICT a crash could undo.
  void commit(bool is_forced) {
    if (!is_forced && clock.mono_ns() - committed_mono_ns < kCommitEveryNs) return;
    committed_mono_ns = clock.mono_ns();
    model::Cursor cursor = source->position();
    for (auto& [stream, waiting] : slots) {
      while (!waiting.empty() && !waiting.front().ticket.is_refused() &&
             sink->is_durable(waiting.front().ticket)) {
        waiting.pop_front();
      }
      if (!waiting.empty()) cursor.set(stream, waiting.front().offset);
    }
    if (cursor == committed) return;
    const Status status = log.commit_cursor(kConsumer, cursor, true);
    if (status.ok()) {
      committed = std::move(cursor);
    } else {
      failures.fetch_add(1, std::memory_order_relaxed);
    }
  }

  void run() {
    bool was_failing = false;
    while (!thread.is_stopping()) {
      const auto drained = drain();
      if (!drained.ok()) {
        failures.fetch_add(1, std::memory_order_relaxed);
        if (!was_failing) {
          obs::log_error("comparator", "cannot read the log: " + drained.error().message);
        }
        was_failing = true;
        thread.pause(kIdle);
        continue;
      }
      was_failing = false;
      commit(false);
      if (!outgoing.empty()) {
        thread.pause(kLogRetry);
        continue;
      }
      if (!*drained) source->wait(kIdle);
      thread.pause(kPace);
    }
    publish_stats();
    commit(true);
  }
};

Comparator::Comparator() = default;

Comparator::~Comparator() { stop(); }

Result<std::unique_ptr<Comparator>> Comparator::open(Clock& clock, model::LogAccess& log,
                                                     std::unique_ptr<model::RecordSink> sink,
                                                     std::shared_ptr<const CompiledRules> rules,
                                                     const ComparatorLimits& limits) {
  CHECK(sink != nullptr && rules != nullptr);
  std::unique_ptr<Comparator> comparator(new Comparator);
  comparator->impl_ = std::make_unique<Impl>(clock, log, std::move(sink), std::move(rules), limits);
  Impl& impl = *comparator->impl_;
  auto cursor = log.load_cursor(kConsumer);
  if (!cursor.ok()) return cursor.error();
  BANYAN_RETURN_IF_ERROR(impl.find_done(*cursor));
  auto source = log.open_source(*cursor, model::Fence::kWritten);
  if (!source.ok()) return source.error();
  impl.source = std::move(source).value();
  impl.committed = std::move(cursor).value();
  return comparator;
}

void Comparator::start() {
  impl_->thread.start("banyan-compare", [impl = impl_.get()] { impl->run(); });
}

void Comparator::stop() {
  if (impl_ && impl_->source) impl_->thread.stop(*impl_->source);
}

void Comparator::set_rules(std::shared_ptr<const CompiledRules> rules) {
  CHECK(rules != nullptr);
  MutexLock lock(impl_->next_mutex);
  impl_->next_rules = std::move(rules);
  impl_->has_next_rules.store(true, std::memory_order_release);
}

std::map<std::string, RuleUse, std::less<>> Comparator::rule_uses() const {
  MutexLock lock(impl_->use_mutex);
  return impl_->use;
}

ComparatorStats Comparator::stats() const {
  ComparatorStats stats;
  stats.equal = impl_->verdicts[0].load(std::memory_order_relaxed);
  stats.tolerated = impl_->verdicts[1].load(std::memory_order_relaxed);
  stats.different = impl_->verdicts[2].load(std::memory_order_relaxed);
  stats.incomparable = impl_->verdicts[3].load(std::memory_order_relaxed);
  stats.compared = stats.equal + stats.tolerated + stats.different + stats.incomparable;
  stats.joins_open = impl_->joins_open.load(std::memory_order_relaxed);
  stats.pushed_out = impl_->pushed_out.load(std::memory_order_relaxed);
  stats.raced = impl_->raced.load(std::memory_order_relaxed);
  stats.writes_pushed_out = impl_->writes_pushed_out.load(std::memory_order_relaxed);
  stats.failures = impl_->failures.load(std::memory_order_relaxed);
  const std::uint64_t end = impl_->log.end().sum();
  const std::uint64_t at = impl_->position_sum.load(std::memory_order_relaxed);
  stats.lag_records = end > at ? end - at : 0;
  return stats;
}

}  // namespace banyan::comparator
