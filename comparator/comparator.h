// SPDX-License-Identifier: Apache-2.0
//
// The consumer that joins RESPONSE and SHADOW by exchange and run, compares, and appends VERDICT.
// Owns one thread (in the background).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "comparator/compare.h"
#include "core/base/clock.h"
#include "core/model/record_io.h"

namespace banyan::comparator {

struct ComparatorStats {
  std::uint64_t compared = 0, equal = 0, tolerated = 0, different = 0, incomparable = 0;
  std::uint64_t joins_open = 0;
  std::uint64_t lag_records = 0;
  std::uint64_t pushed_out = 0;         // joins that gave way to the bounds and were read again
  std::uint64_t raced = 0;              // live comparisons of safe requests that overlap a write
  std::uint64_t writes_pushed_out = 0;  // past RecentWrites::kWritesMax
  std::uint64_t failures = 0;  // the log could not be read, or took no VERDICT (tried again)
};

// What one rule covered since the comparator was opened.
struct RuleUse {
  std::uint64_t differences = 0, exchanges = 0;
  std::int64_t last_wall_ns = 0;
};

// What a comparator may hold in memory.
struct ComparatorLimits {
  std::size_t joins_max = 65'536;
  std::uint64_t join_bytes_max = 64ULL << 20;
  std::uint64_t body_bytes_max = ComparatorOptions{}.body_bytes_max;  // larger ones: digest only
  // Share of exchanges that get a control: with those that differ, what is kept for their
  // witnesses.
  double control_share = 0;
};

// Where what was compared is appended VERDICT by VERDICT: exactly one per SHADOW of the first
// generation, also over restarts. SHADOWs of other runs, and those whose exchange is no longer in
// memory, are joined by reading the log again.
class Comparator {
 public:
  // Goes on from its committed cursor; what already has a VERDICT behind it gets no second one.
  static Result<std::unique_ptr<Comparator>> open(Clock& clock, model::LogAccess& log,
                                                  std::unique_ptr<model::RecordSink> sink,
                                                  std::shared_ptr<const CompiledRules> rules,
                                                  const ComparatorLimits& limits = {});
  ~Comparator();
  void start();
  void stop();
  ComparatorStats stats() const;
  // By the text that differences name a rule by. Any thread.
  std::map<std::string, RuleUse, std::less<>> rule_uses() const;
  // From the next verdict on. Any thread.
  void set_rules(std::shared_ptr<const CompiledRules> rules);

 private:
  Comparator();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// `banyan compare`: recorded history against `rules`, VERDICTs of the next generation for every
// exchange that started in the range and has a VERDICT already; the newest generation counts.
struct RecompareOptions {
  model::Cursor from;
  std::int64_t from_wall_ns = 0, to_wall_ns = INT64_MAX;
  bool is_dry_run = false;
};
struct RecompareReport {
  std::uint64_t compared = 0, changed = 0;
  std::uint64_t before[4] = {}, after[4] = {};  // by Verdict
};
Result<RecompareReport> recompare(model::LogAccess& log, model::RecordSink* sink, Clock& clock,
                                  const CompiledRules& rules, const RecompareOptions& options,
                                  const std::function<void(std::uint64_t)>& progress);

}  // namespace banyan::comparator
