// SPDX-License-Identifier: Apache-2.0
//
// May a route move to the candidate? From compared pairs, findings and time, by route and endpoint:
// one of five words, what it rests on, and what is missing. docs/readiness.md explains it to
// people. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/stats/bound_evidence.h"

namespace banyan::comparator {

struct Finding;

struct RouteReadinessOptions {
  std::string route;
  double mismatch_rate_max = 0;  // 0: that of all routes
  std::string set_aside;         // why the gate does not wait for it; "" = it does
};

// [readiness], and readiness of [[routes]].
struct ReadinessOptions {
  double mismatch_rate_max = 0.001;
  bool gate = false;                              // report --gate waits until every route is ready
  std::int64_t time_min_ns = 86'400'000'000'000;  // from the first compared pair to the last
  std::uint64_t cell_pairs_min = 100;             // fewer: the cell is listed as uncovered
  bool needs_every_cell = false;                  // an uncovered cell keeps the route from ready
  std::vector<RouteReadinessOptions> routes;

  double rate_max_of(std::string_view route) const;
  std::string_view set_aside(std::string_view route) const;
};

enum class Readiness { kNoData, kCollecting, kDifferent, kNoiseOnly, kReady };
std::string_view to_string(Readiness readiness);

// Pairs with one class of legacy status and one shape of request.
struct ReadinessCell {
  int status_class = 0;     // 0: no answer
  std::uint32_t shape = 0;  // of request_shape()
  std::uint64_t equal = 0, tolerated = 0, different = 0, incomparable = 0;
  std::uint64_t accepted = 0;  // of `different`: every difference is accepted or tolerated
  std::string exemplar;        // the first exchange, where it is not erased
  std::uint64_t pairs() const { return equal + tolerated + different; }
};

// What the findings store counts for one endpoint.
struct EndpointCounts {
  std::string route, endpoint;
  std::vector<ReadinessCell> cells;
  std::int64_t first_wall_ns = 0, last_wall_ns = 0;
  std::uint32_t hours = 0;  // of the day (UTC), a bit each
};
// Endpoints and shapes past the bound of their table are counted under these.
inline constexpr std::string_view kOtherEndpoints = "(other endpoints)";
inline constexpr std::uint32_t kOtherShapes = 0xFFFFFFFF;

// The judgement of one endpoint, or of a route over all of its endpoints.
struct ReadinessState {
  Readiness readiness = Readiness::kNoData;
  std::uint64_t pairs = 0;  // that say something: equal, tolerated and different ones
  std::uint64_t equal = 0, tolerated = 0, different = 0, accepted = 0, incomparable = 0;
  std::uint64_t mismatches = 0;  // different ones that nobody accepted
  double mismatch_rate_max = 0;
  double mismatch_rate_bound = 1;  // the rate lies below it, with 95 % confidence at any time
  double log_evidence = 0;         // natural logarithm; ready needs ln 20
  std::uint64_t pairs_needed =
      0;  // more, all without a mismatch; BoundEvidence::kTrialsMax: none do
  std::int64_t time_needed_ns = -1;   // for pairs_needed at the rate so far; -1 where unknown
  std::int64_t time_covered_ns = 0;   // from the first pair to the last
  std::int64_t time_missing_ns = 0;   // until time_min
  unsigned hours_covered = 0;         // of the 24 of a day
  std::vector<std::string> findings;  // ids of open ones and known bugs
  std::vector<int> status_classes;    // seen of legacy
  std::uint64_t shapes = 0;           // of requests seen
  std::string missing;                // a sentence: what ready still needs; "" where ready
};

struct UncoveredCell {
  int status_class = 0;
  std::uint32_t shape = 0;
  std::uint64_t pairs = 0;
  std::string exemplar;
};

struct EndpointReadiness {
  std::string endpoint;
  ReadinessState state;
  std::vector<UncoveredCell> uncovered;  // with fewer pairs than cell_pairs_min
};

struct RouteReadiness {
  std::string route;
  ReadinessState state;
  std::string set_aside;
  std::vector<EndpointReadiness> endpoints;
};

// Of every route in `routes`, and of those that only the counts know. A route is judged by all of
// its pairs together, and is different where one of its endpoints is.
std::vector<RouteReadiness> assess_readiness(const ReadinessOptions& options,
                                             const std::vector<std::string>& routes,
                                             const std::vector<EndpointCounts>& counts,
                                             const std::vector<Finding>& findings);

// "40 s", "12 min", "5 h", "41 days".
std::string about(std::int64_t duration_ns);

}  // namespace banyan::comparator
