// SPDX-License-Identifier: Apache-2.0
#include "comparator/readiness.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "comparator/findings.h"

namespace banyan::comparator {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kHourNs = 3'600 * kSecondNs;

EndpointCounts counts(const std::string& endpoint, std::uint64_t equal, std::uint64_t tolerated = 0,
                      std::uint64_t different = 0, std::uint64_t accepted = 0) {
  EndpointCounts one;
  one.route = "orders";
  one.endpoint = endpoint;
  one.first_wall_ns = kSecondNs;
  one.last_wall_ns = kSecondNs + 25 * kHourNs;
  one.hours = 0xFFFFFF;
  ReadinessCell cell;
  cell.status_class = 2;
  cell.equal = equal;
  cell.tolerated = tolerated;
  cell.different = different;
  cell.accepted = accepted;
  one.cells = {cell};
  return one;
}

Finding finding(const std::string& id, const std::string& endpoint) {
  Finding one;
  one.id = id;
  one.route = "orders";
  one.endpoint = endpoint;
  one.exchanges = one.count = 1;
  return one;
}

RouteReadiness only(const std::vector<EndpointCounts>& all,
                    const std::vector<Finding>& findings = {},
                    const ReadinessOptions& options = {}) {
  const auto routes = assess_readiness(options, {"orders"}, all, findings);
  EXPECT_EQ(routes.size(), 1U);
  return routes.at(0);
}

Readiness word(const std::vector<EndpointCounts>& all, const std::vector<Finding>& findings = {}) {
  return only(all, findings).state.readiness;
}

TEST(ReadinessTest, TheFiveWordsAreTheContract) {
  EXPECT_EQ(to_string(Readiness::kNoData), "no data");
  EXPECT_EQ(to_string(Readiness::kCollecting), "collecting");
  EXPECT_EQ(to_string(Readiness::kDifferent), "different");
  EXPECT_EQ(to_string(Readiness::kNoiseOnly), "noise only");
  EXPECT_EQ(to_string(Readiness::kReady), "ready");
}

TEST(ReadinessTest, WithoutPairsThereIsNoData) {
  EXPECT_EQ(word({}), Readiness::kNoData);
  EXPECT_EQ(only({}).state.mismatch_rate_bound, 1);
  EXPECT_EQ(only({}).state.pairs_needed, 3'413U);
  EndpointCounts nothing_learned = counts("GET /a", 0);
  nothing_learned.cells[0].incomparable = 9;
  EXPECT_EQ(word({nothing_learned}), Readiness::kNoData);
}

TEST(ReadinessTest, EqualPairsCollectUntilTheBoundIsShown) {
  EXPECT_EQ(word({counts("GET /a", 3'412)}), Readiness::kCollecting);
  EXPECT_EQ(word({counts("GET /a", 3'413)}), Readiness::kReady);
  EXPECT_EQ(only({counts("GET /a", 3'413)}).state.missing, "");
  EXPECT_LE(only({counts("GET /a", 3'413)}).state.mismatch_rate_bound, 0.001);
  // A route is judged by all pairs of its endpoints together.
  const RouteReadiness both = only({counts("GET /a", 3'400), counts("GET /b", 13)});
  EXPECT_EQ(both.state.readiness, Readiness::kReady);
  EXPECT_EQ(both.endpoints.at(1).state.readiness, Readiness::kCollecting);
}

TEST(ReadinessTest, SaysHowManyMoreAndHowLong) {
  EndpointCounts one = counts("GET /a", 1'001);
  one.last_wall_ns = one.first_wall_ns + 1'000 * kSecondNs;
  const RouteReadiness route = only({one});
  EXPECT_EQ(route.state.pairs_needed, 2'412U);
  EXPECT_EQ(route.state.time_needed_ns, 2'412 * kSecondNs);
  EXPECT_EQ(route.state.missing,
            "needs about 2,412 more pairs (about 41 min at this rate) and 24 h more of traffic");
  one.cells[0].equal = 1;
  one.last_wall_ns = one.first_wall_ns;
  EXPECT_EQ(only({one}).state.time_needed_ns, -1);
}

TEST(ReadinessTest, AnOpenFindingOrAKnownBugIsDifferent) {
  const std::vector<EndpointCounts> all = {counts("GET /a", 9'999, 0, 1), counts("GET /b", 9'999)};
  Finding open = finding("aaaa", "GET /a");
  const RouteReadiness route = only(all, {open});
  EXPECT_EQ(route.state.readiness, Readiness::kDifferent);
  EXPECT_EQ(route.state.missing,
            "1 finding neither accepted nor covered by a rule, the first aaaa");
  EXPECT_EQ(route.endpoints.at(0).state.readiness, Readiness::kDifferent);
  EXPECT_EQ(route.endpoints.at(1).state.readiness, Readiness::kReady);
  open.state = FindingState::kBug;
  EXPECT_EQ(word(all, {open}), Readiness::kDifferent);
  open.state = FindingState::kAccepted;
  EXPECT_EQ(word({counts("GET /a", 9'999, 0, 1, 1)}, {open}), Readiness::kReady);
  open.state = FindingState::kOpen;
  open.tolerated_by = "ignore body:$.at";
  EXPECT_EQ(word({counts("GET /a", 9'999, 1)}, {open}), Readiness::kReady);
}

TEST(ReadinessTest, AHeaderFindingIsAboutTheEndpointsItLists) {
  Finding header = finding("bbbb", "*");
  header.endpoints = {"GET /b"};
  const RouteReadiness route =
      only({counts("GET /a", 9'999), counts("GET /b", 9'999, 0, 1)}, {header});
  EXPECT_EQ(route.endpoints.at(0).state.readiness, Readiness::kReady);
  EXPECT_EQ(route.endpoints.at(1).state.readiness, Readiness::kDifferent);
  EXPECT_EQ(route.state.readiness, Readiness::kDifferent);
}

TEST(ReadinessTest, CoveredDifferencesAreNoiseOnlyUntilReady) {
  EXPECT_EQ(word({counts("GET /a", 10, 1)}), Readiness::kNoiseOnly);
  EXPECT_EQ(word({counts("GET /a", 10, 0, 1, 1)}), Readiness::kNoiseOnly);
  EXPECT_EQ(word({counts("GET /a", 0, 3'413)}), Readiness::kReady);
}

TEST(ReadinessTest, MoreMismatchesThanTheRateAllowsAreDifferentWithoutAFinding) {
  const RouteReadiness route = only({counts("GET /a", 990, 0, 10)});
  EXPECT_EQ(route.state.readiness, Readiness::kDifferent);
  EXPECT_EQ(route.state.missing, "10 of 1000 pairs differ, more than the rate allows");
}

TEST(ReadinessTest, TimeAndCellsMayKeepARouteFromReady) {
  EndpointCounts early = counts("GET /a", 5'000);
  early.last_wall_ns = early.first_wall_ns + 23 * kHourNs;
  EXPECT_EQ(word({early}), Readiness::kCollecting);
  EXPECT_EQ(only({early}).state.missing, "needs 60 min more of traffic");
  EndpointCounts rare = counts("GET /a", 5'000);
  ReadinessCell errors;
  errors.status_class = 4;
  errors.equal = 99;
  errors.exemplar = "00aa";
  rare.cells.push_back(errors);
  ReadinessOptions options;
  EXPECT_EQ(only({rare}, {}, options).state.readiness, Readiness::kReady);
  const auto uncovered = only({rare}, {}, options).endpoints.at(0).uncovered;
  ASSERT_EQ(uncovered.size(), 1U);
  EXPECT_EQ(uncovered[0].status_class, 4);
  EXPECT_EQ(uncovered[0].pairs, 99U);
  EXPECT_EQ(uncovered[0].exemplar, "00aa");
  EXPECT_EQ(only({rare}).state.status_classes, (std::vector<int>{2, 4}));
  options.needs_every_cell = true;
  EXPECT_EQ(only({rare}, {}, options).state.readiness, Readiness::kCollecting);
  EXPECT_EQ(only({rare}, {}, options).state.missing, "needs pairs for 1 cell");
  rare.cells[1].equal = 100;
  EXPECT_EQ(only({rare}, {}, options).state.readiness, Readiness::kReady);
}

TEST(ReadinessTest, RoutesHaveRatesOfTheirOwnAndMayBeSetAside) {
  ReadinessOptions options;
  options.routes = {{"orders", 0.05, ""}, {"pay", 0, "answers are random"}};
  EXPECT_EQ(only({counts("GET /a", 70)}, {}, options).state.readiness, Readiness::kReady);
  EXPECT_EQ(options.rate_max_of("pay"), 0.001);
  const auto routes = assess_readiness(options, {"pay", "orders"}, {counts("GET /a", 1)}, {});
  ASSERT_EQ(routes.size(), 2U);
  EXPECT_EQ(routes[0].set_aside, "answers are random");
  EXPECT_EQ(routes[0].state.readiness, Readiness::kNoData);
  EXPECT_EQ(assess_readiness(options, {}, {counts("GET /a", 1)}, {}).size(), 1U);
}

TEST(ReadinessTest, DurationsReadAsPeopleSayThem) {
  EXPECT_EQ(about(0), "0 s");
  EXPECT_EQ(about(1), "1 s");
  EXPECT_EQ(about(89 * kSecondNs), "89 s");
  EXPECT_EQ(about(90 * kSecondNs), "2 min");
  EXPECT_EQ(about(5 * kHourNs), "5 h");
  EXPECT_EQ(about(41 * 24 * kHourNs), "41 days");
}

}  // namespace
}  // namespace banyan::comparator
