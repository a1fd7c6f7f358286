// SPDX-License-Identifier: Apache-2.0
#include "core/stats/quantile_ranks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace banyan::stats {
namespace {

TEST(QuantileRanksTest, RanksAreThoseOfTheFormula) {
  const auto p95 = quantile_ranks(1'000, 0.95);
  EXPECT_EQ(p95.at, 950U);
  EXPECT_EQ(p95.lower, 936U);
  EXPECT_EQ(p95.upper, 965U);
  const auto p99 = quantile_ranks(1'000, 0.99);
  EXPECT_EQ(p99.lower, 983U);
  EXPECT_EQ(p99.upper, 998U);
  const auto many = quantile_ranks(10'000, 0.99);
  EXPECT_EQ(many.lower, 9'880U);
  EXPECT_EQ(many.upper, 9'921U);
}

TEST(QuantileRanksTest, SmallSamplesSayNothingAboveTheirGreatestValue) {
  for (const auto& [share, least] :
       {std::pair(0.95, 72), std::pair(0.99, 368), std::pair(0.999, 3'688)}) {
    const auto n = static_cast<std::uint64_t>(least);
    EXPECT_EQ(quantile_ranks(n - 1, share).upper, std::nullopt) << share;
    EXPECT_EQ(quantile_ranks(n, share).upper, n) << share;
  }
  EXPECT_EQ(quantile_ranks(0, 0.5).at, 0U);
  EXPECT_EQ(quantile_ranks(1, 0.5).at, 1U);
  EXPECT_EQ(quantile_ranks(1, 0.5).lower, std::nullopt);
  EXPECT_EQ(quantile_ranks(6, 0.5).lower, 1U);
  EXPECT_EQ(quantile_ranks(6, 0.5).upper, 6U);
  for (const double share : {-1.0, 0.0, 1.0, 2.0, std::nan("")}) {
    EXPECT_EQ(quantile_ranks(10, share).at, 0U);
  }
}

TEST(QuantileRanksTest, RanksStayInsideTheSample) {
  for (std::uint64_t n = 1; n < 1'000'000'000'000; n = n * 3 / 2 + 1) {
    for (const double share : {1e-9, 0.01, 0.5, 0.95, 0.999, 1 - 1e-9}) {
      const auto ranks = quantile_ranks(n, share);
      EXPECT_GE(ranks.at, 1U);
      EXPECT_LE(ranks.at, n);
      EXPECT_LE(ranks.lower.value_or(1), ranks.at);
      EXPECT_GE(ranks.upper.value_or(n), ranks.at);
      EXPECT_LE(ranks.upper.value_or(n), n);
    }
  }
}

TEST(QuantileRanksTest, TheTrueQuantileLiesBetweenThemInNinetyFivePercent) {
  constexpr unsigned kSeed = 20261129;
  std::printf("seed %u\n", kSeed);
  std::mt19937_64 random(kSeed);
  std::exponential_distribution<double> latency(1);
  const double truth = -std::log(0.05);  // p95
  int covered = 0;
  constexpr int kRuns = 400;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<double> sample(300);
    for (double& one : sample) one = latency(random);
    std::sort(sample.begin(), sample.end());
    const auto ranks = quantile_ranks(sample.size(), 0.95);
    covered += sample[*ranks.lower - 1] <= truth && truth <= sample[*ranks.upper - 1] ? 1 : 0;
  }
  // 95 % of 400, less four standard deviations.
  EXPECT_GE(covered, 363);
}

}  // namespace
}  // namespace banyan::stats
