// SPDX-License-Identifier: Apache-2.0
//
// Which findings are told first: by hand, and that a million differing exchanges of a dozen causes
// need few decisions.
#include "comparator/incidents.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace banyan::comparator {
namespace {

using Steps = std::vector<std::pair<std::string, std::uint64_t>>;

Steps steps_of(const Explanation& explanation) {
  Steps out;
  for (const auto& step : explanation.steps) out.emplace_back(step.issue, step.explained);
  return out;
}

const auto kNothing = [](std::string_view) { return false; };

TEST(ExplainTest, WholeIncidentsComeFirstWhereTheyBringMost) {
  // a and b alone explain nothing; c alone explains 30.
  const std::vector<Incident> incidents = {{{"a", "b"}, 100, 100}, {{"c"}, 30, 30}, {{"a"}, 1, 1}};
  const Explanation got = explain(incidents, kNothing);
  EXPECT_EQ(got.exchanges, 131U);
  EXPECT_EQ(steps_of(got), (Steps{{"a", 1}, {"b", 101}, {"c", 131}}));
}

TEST(ExplainTest, WhatIsDecidedIsNeededNoMore) {
  const std::vector<Incident> incidents = {{{"a", "b"}, 100, 100}, {{"c"}, 60, 60}, {{"a"}, 5, 5}};
  const auto is_decided = [](std::string_view id) { return id == "a"; };
  const Explanation got = explain(incidents, is_decided);
  EXPECT_EQ(got.exchanges, 160U);
  EXPECT_EQ(steps_of(got), (Steps{{"b", 100}, {"c", 160}}));
  EXPECT_TRUE(explain({}, kNothing).steps.empty());
  EXPECT_EQ(explain(incidents, [](std::string_view) { return true; }).exchanges, 0U);
}

TEST(ExplainTest, OnlyWhatIsCertainCounts) {
  const Explanation got = explain({{{"a"}, 100, 90}, {{"b"}, 50, 50}}, kNothing);
  EXPECT_EQ(got.exchanges, 150U);
  EXPECT_EQ(got.explained(), 140U);
}

TEST(ExplainTest, EndsAtTheBounds) {
  std::vector<Incident> many;
  for (int i = 0; i < 100; ++i) many.push_back({{"f" + std::to_string(i)}, 10, 10});
  EXPECT_EQ(explain(many, kNothing).steps.size(), kExplainStepsMax);
  Incident wide{{}, 1000, 1000};
  for (std::size_t i = 0; i <= kExplainStepsMax; ++i)
    wide.issues.push_back("w" + std::to_string(i));
  EXPECT_TRUE(explain({wide}, kNothing).steps.empty());
  wide.issues.pop_back();
  EXPECT_EQ(explain({wide}, kNothing).steps.size(), kExplainStepsMax);
  // The last percent is left.
  EXPECT_EQ(explain({{{"a"}, 99, 99}, {{"b"}, 1, 1}}, kNothing).steps.size(), 1U);
}

// Twelve causes, each seen with others by chance, and noise of a thousand rare findings.
TEST(ExplainTest, AMillionOfTwelveCausesNeedFewDecisions) {
  std::mt19937 random(20261129);
  std::map<std::set<std::string>, std::uint64_t> sets;
  for (int i = 0; i < 200'000; ++i) {
    std::set<std::string> findings = {"cause" + std::to_string(random() % 12)};
    while (random() % 4 == 0) findings.insert("cause" + std::to_string(random() % 12));
    if (random() % 500 == 0) findings.insert("rare" + std::to_string(random() % 1000));
    sets[findings] += 5;
  }
  std::vector<Incident> incidents;
  for (const auto& [findings, count] : sets) {
    incidents.push_back({{findings.begin(), findings.end()}, count, count});
  }
  const Explanation got = explain(incidents, kNothing);
  EXPECT_EQ(got.exchanges, 1'000'000U);
  EXPECT_LE(got.steps.size(), 12U);
  EXPECT_GE(got.explained(), 990'000U);
}

}  // namespace
}  // namespace banyan::comparator
