// SPDX-License-Identifier: Apache-2.0
//
// Findings: differences grouped by route, endpoint, template path, kind and transition, with
// counts, exemplars and the state a person sets. A fold over VERDICT records, kept in SQLite with
// its cursor in the same transaction, so each VERDICT counts once. Calls block on SQLite: store
// thread only. It also learns path templates (EndpointTree): where a VERDICT names /users/ada, its
// finding names /users/{}.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/findings_bounds.h"
#include "comparator/incidents.h"
#include "comparator/issues.h"
#include "comparator/latency_histogram.h"
#include "comparator/noise.h"
#include "comparator/readiness.h"
#include "comparator/special.h"
#include "core/base/clock.h"
#include "core/model/record_io.h"

namespace banyan::comparator {

enum class FindingState { kOpen, kAccepted, kBug };

struct Finding {
  std::string id;     // short, stable: hex of a hash of what it groups by
  std::string issue;  // what it is part of, be it alone
  FindingState state = FindingState::kOpen;
  std::string route, endpoint, path, kind, transition;
  std::vector<std::string> endpoints;  // of a finding about a header (endpoint "*")
  std::uint64_t count = 0;             // differences
  std::uint64_t exchanges = 0;         // exchanges that show it
  std::int64_t first_seen_wall_ns = 0, last_seen_wall_ns = 0;
  std::vector<std::string>
      exemplars;  // exchange ids, at most 8: first, latest, and varied requests
  std::string example_at, example_legacy, example_candidate;
  std::string reason;  // of the state
  std::string changed_by;
  std::int64_t accepted_until_wall_ns = 0;  // 0: no end; past it the finding is open again
  std::string tolerated_by;                 // a rule, where every occurrence is covered
  NoiseCounts noise;                        // what witnesses say of it …
  NoiseJudgement judged;                    // … and how it stands therefore
};

// What legacy does as well, and nobody called a bug: no mismatch of the candidate.
inline bool counts_as_noise(const Finding& finding) {
  return finding.state != FindingState::kBug && (finding.judged.standing == Standing::kNoise ||
                                                 finding.judged.standing == Standing::kRace);
}

// Latency of one endpoint on both systems, from VERDICTs.
struct EndpointLatency {
  std::string route, endpoint;
  std::uint64_t pairs = 0;
  double legacy_p50_ms = 0, legacy_p95_ms = 0, legacy_p99_ms = 0;
  double candidate_p50_ms = 0, candidate_p95_ms = 0, candidate_p99_ms = 0;
  // Where these lie with 95 % confidence.
  LatencyRange legacy_p50_range, legacy_p95_range, legacy_p99_range;
  LatencyRange candidate_p50_range, candidate_p95_range, candidate_p99_range;
};

struct FindingFilter {
  std::string route;
  std::optional<FindingState> state;
  std::size_t limit = 1000;
  bool with_exemplars = true;  // and the endpoints of header findings
};

class FindingsStore {
 public:
  // `paths`: of a specification, "/users/{id}"; they go before what is learned.
  static Result<std::unique_ptr<FindingsStore>> open(const std::string& path, Clock& clock,
                                                     const std::vector<std::string>& paths = {},
                                                     const FindingsBounds& bounds = {});
  static Result<std::unique_ptr<FindingsStore>> open_read_only(const std::string& path,
                                                               Clock& clock);
  // Writes what is only in memory; where that fails the next one folds it again.
  ~FindingsStore();
  // kLazily: what equal answers add stays in memory for about a second, since their transactions
  // would cost more than all the rest. Nobody sees it before it is written.
  enum class Writing { kNow, kLazily };
  // Folds VERDICTs from where it stopped, at most `records_max`, and writes in one transaction.
  // True while there is more.
  Result<bool> catch_up(model::LogAccess& log, std::size_t records_max,
                        Writing writing = Writing::kNow);
  Result<std::vector<Finding>> list(const FindingFilter& filter) const;
  // A unique prefix is enough. Of a finding that became part of a template's: that one.
  Result<Finding> get(std::string_view id) const;
  Result<Finding> set_state(std::string_view id, FindingState state, std::string_view by,
                            std::string_view reason, std::int64_t until_wall_ns);
  // Issues that join two findings or more: of those a filter's route and state leave, but with all
  // that is theirs elsewhere. `limit` counts issues.
  Result<std::vector<Issue>> issues(const FindingFilter& filter) const;
  // Also of one finding. A unique prefix is enough.
  Result<Issue> get_issue(std::string_view id) const;
  // Of its findings as they are now, all or none. One that comes later is open.
  Result<Issue> set_issue_state(std::string_view id, FindingState state, std::string_view by,
                                std::string_view reason, std::int64_t until_wall_ns);
  // What its requests have more often than others of the endpoint. Reads up to 500 REQUESTs of the
  // log, for kSpecialPatienceNs at most; tells of those that are still there.
  static constexpr std::int64_t kSpecialPatienceNs = 1'000'000'000;
  struct SpecialReport {
    std::size_t differing = 0, others = 0;  // REQUESTs that were looked at
    std::vector<Special> special;
  };
  Result<SpecialReport> special(std::string_view id, model::LogAccess& log) const;
  Result<std::vector<EndpointLatency>> latency() const;
  // Which few issues to decide first; of one route, or of all ("").
  Result<Explanation> explain(std::string_view route) const;
  // What readiness is judged from, by route and endpoint.
  Result<std::vector<EndpointCounts>> readiness_counts() const;
  // Takes back all that these exchanges showed: counts, exemplars, example values of every finding
  // they were part of, findings that nobody else showed, and what names one of these endpoints.
  // The file holds none of it afterwards, nor does its journal. Answers how many findings.
  Result<std::uint64_t> erase(const std::vector<ExchangeId>& exchanges,
                              const std::vector<std::string>& endpoints);
  // Of the words of paths it tells apart (EndpointTree::Stats). Any thread.
  struct EndpointStats {
    std::uint64_t nodes = 0, collapsed = 0, overflow = 0;
  };
  EndpointStats endpoint_stats() const;
  // What findings call the endpoint that a VERDICT names.
  std::string endpoint_name(std::string_view endpoint) const;
  // Answers of witnesses that were folded, and of them those that could be paired with nothing. Any
  // thread.
  struct WitnessCounts {
    std::uint64_t folded = 0, unpaired = 0;
  };
  WitnessCounts witness_counts() const;
  // Any thread.
  FindingsLeftOut left_out() const;
  // Where the REQUEST of an exchange with differences lies, if known: (stream, offset).
  Result<std::optional<model::Cursor::Place>> locate(ExchangeId exchange) const;

 private:
  FindingsStore();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace banyan::comparator
