// SPDX-License-Identifier: Apache-2.0
#include "core/model/witness.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/records.h"

namespace banyan::model {
namespace {

const RunId kControl = RunId::control(WitnessOf::kLegacy);

TEST(NoisyEndpointsTest, AreThoseWhereLegacyDifferedFromItself) {
  NoisyEndpoints noisy;
  EXPECT_FALSE(noisy.knows("r", "GET /a"));
  noisy.note(RunId(), Verdict::kDifferent, "r", "GET /a");
  noisy.note(kControl, Verdict::kEqual, "r", "GET /a");
  noisy.note(RunId::confirmation(WitnessOf::kCandidate, WitnessSide::kOther, 0, 2),
             Verdict::kDifferent, "r", "GET /a");
  EXPECT_FALSE(noisy.knows("r", "GET /a"));
  noisy.note(kControl, Verdict::kDifferent, "r", "GET /a");
  noisy.note(RunId::confirmation(WitnessOf::kLegacy, WitnessSide::kSame, 0, 2), Verdict::kDifferent,
             "r", "GET /b");
  EXPECT_TRUE(noisy.knows("r", "GET /a"));
  EXPECT_TRUE(noisy.knows("r", "GET /b"));
  EXPECT_FALSE(noisy.knows("other", "GET /a"));
}

TEST(NoisyEndpointsTest, AreBounded) {
  NoisyEndpoints noisy;
  for (std::size_t i = 0; i < NoisyEndpoints::kMax; ++i) {
    noisy.note(kControl, Verdict::kDifferent, "r", std::to_string(i));
  }
  EXPECT_TRUE(noisy.knows("r", "0"));
  noisy.note(kControl, Verdict::kDifferent, "r", "one more");
  EXPECT_FALSE(noisy.knows("r", "0"));
  EXPECT_TRUE(noisy.knows("r", "one more"));
}

TEST(NoisyEndpointsTest, FurtherControlsAreTenTimesAsManyAndAFifthAtMost) {
  const auto shares = [](double share) {
    int drawn = 0, further = 0;
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      const ExchangeId id = support::exchange_id(i);
      const bool is_drawn = is_control(id, share);
      drawn += is_drawn ? 1 : 0;
      further += NoisyEndpoints::is_further_control(id, share) ? 1 : 0;
      EXPECT_FALSE(is_drawn && NoisyEndpoints::is_further_control(id, share));
    }
    return std::pair(drawn / 20'000.0, further / 20'000.0);
  };
  EXPECT_NEAR(shares(0.01).first, 0.01, 0.004);
  EXPECT_NEAR(shares(0.01).second, 0.09, 0.01);
  EXPECT_NEAR(shares(0.1).second, 0.1, 0.01);
  EXPECT_EQ(shares(0.3).second, 0);
  EXPECT_EQ(shares(0).second, 0);
}

}  // namespace
}  // namespace banyan::model
