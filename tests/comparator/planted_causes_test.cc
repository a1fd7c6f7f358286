// SPDX-License-Identifier: Apache-2.0
//
// Many mismatches from twelve causes over hundreds of endpoints need few decisions.
// bench/findings_scale.cc does the same with a million and looks at the clock.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>

#include "comparator/findings.h"
#include "tests/support/planted_causes.h"

namespace banyan::comparator {
namespace {

constexpr std::uint64_t kSeed = 20261129;
constexpr std::uint64_t kMismatches = 6'000;
constexpr std::size_t kDecisionsMax = 20;

TEST(PlantedCausesTest, TwelveCausesNeedFewDecisions) {
  SCOPED_TRACE(kSeed);
  std::string directory = testing::TempDir() + "banyan-planted-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  ManualClock clock;
  const support::PlantedCauses causes(kSeed);
  support::PlantedLog log(causes);
  log.set_size(kMismatches);
  {
    auto opened = FindingsStore::open(directory + "/findings.sqlite", clock);
    ASSERT_TRUE(opened.ok());
    FindingsStore& store = **opened;
    for (auto more = store.catch_up(log, 5'000); *more; more = store.catch_up(log, 5'000)) {
    }
    const auto before = store.explain("");
    ASSERT_TRUE(before.ok());
    EXPECT_EQ(before->exchanges, kMismatches);
    EXPECT_LE(before->steps.size(), kDecisionsMax);
    EXPECT_GE(static_cast<double>(before->explained()), 0.99 * kMismatches);
    const auto findings =
        store.list({.route = "", .state = {}, .limit = 10'000, .with_exemplars = false});
    ASSERT_TRUE(findings.ok());
    EXPECT_GT(findings->size(), 1'000U);
    // Nothing of one cause stands with something of another.
    const auto issues = store.issues({.route = "", .state = {}, .limit = 10'000});
    ASSERT_TRUE(issues.ok());
    for (const Issue& issue : *issues) EXPECT_EQ(issue.label.find("stray"), std::string::npos);
    std::set<std::string> ids;
    for (const auto& step : before->steps) {
      EXPECT_TRUE(ids.insert(step.issue).second);
      ASSERT_TRUE(
          store.set_issue_state(step.issue, FindingState::kAccepted, "ann", "known", 0).ok());
    }
    const auto after = store.explain("");
    ASSERT_TRUE(after.ok());
    EXPECT_EQ(after->exchanges, before->exchanges - before->explained());
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace banyan::comparator
