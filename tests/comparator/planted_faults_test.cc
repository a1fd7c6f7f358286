// SPDX-License-Identifier: Apache-2.0
//
// A small run of bench/planted_faults.cc, which finds out where the limits are.
#include "tests/comparator/planted_faults.h"

#include <gtest/gtest.h>

namespace banyan::comparator {
namespace {

constexpr std::size_t kRequests = 300;

TEST(PlantedFaultsTest, EachIsCalledARegressionAndNothingElseIs) {
  for (std::size_t fault = 0; fault < planted_faults().size(); ++fault) {
    for (const double noise : {0.0, 0.1}) {
      PlantedRun run;
      run.requests = kRequests;
      run.fault = fault;
      run.noise = noise;
      run.rate = noise == 0 ? 0.1 : 1.0;
      run.seed = 11;
      const PlantedResult result = judge_planted(run);
      SCOPED_TRACE(planted_faults()[fault]);
      EXPECT_TRUE(result.is_found) << "noise " << noise;
      EXPECT_EQ(result.false_places, 0U) << "noise " << noise;
    }
  }
}

TEST(PlantedFaultsTest, AHealthyCandidateHasNone) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    PlantedRun run;
    run.requests = kRequests;
    run.noise = seed % 2 == 0 ? 0.02 : 0.3;
    run.seed = seed;
    const PlantedResult result = judge_planted(run);
    EXPECT_FALSE(result.is_found);
    EXPECT_EQ(result.false_places, 0U) << "seed " << seed;
    EXPECT_GT(result.differing, 0U);
  }
}

// One legacy, asked again for a fiftieth of its requests: confirming decides.
TEST(PlantedFaultsTest, OneLegacyIsEnough) {
  PlantedRun run;
  run.requests = 2000;
  run.rate = 0.01;
  run.control_share = 0.02;
  run.seed = 5;
  const PlantedResult result = judge_planted(run);
  EXPECT_TRUE(result.is_found);
  EXPECT_EQ(result.false_places, 0U);
}

}  // namespace
}  // namespace banyan::comparator
