// SPDX-License-Identifier: Apache-2.0
#include "core/stats/bound_evidence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace banyan::stats {
namespace {

// Clean trials so that, with these hits among them, the bound is shown: trials in all.
std::uint64_t trials_for(double rate_max, std::uint64_t hits) {
  const BoundEvidence bound(rate_max);
  return hits + bound.clean_trials_needed({hits, hits});
}

TEST(BoundEvidenceTest, TrialsNeededAreThoseOfTheClosedForm) {
  EXPECT_EQ(trials_for(0.01, 0), 340U);
  EXPECT_EQ(trials_for(0.01, 1), 646U);
  EXPECT_EQ(trials_for(0.01, 3), 1'090U);
  EXPECT_EQ(trials_for(0.01, 10), 2'282U);
  EXPECT_EQ(trials_for(0.001, 0), 3'413U);
  EXPECT_EQ(trials_for(0.001, 1), 6'477U);
  EXPECT_EQ(trials_for(0.001, 3), 10'929U);
  EXPECT_EQ(trials_for(0.001, 10), 22'874U);
  EXPECT_EQ(trials_for(0.0001, 0), 34'142U);
  EXPECT_EQ(trials_for(0.0001, 1), 64'790U);
  EXPECT_EQ(trials_for(0.0001, 3), 109'315U);
  EXPECT_EQ(trials_for(0.0001, 10), 228'796U);
}

TEST(BoundEvidenceTest, IsBelowExactlyWhereNothingMoreIsNeeded) {
  const BoundEvidence bound(0.01);
  EXPECT_FALSE(bound.is_below({339, 0}));
  EXPECT_EQ(bound.clean_trials_needed({339, 0}), 1U);
  EXPECT_TRUE(bound.is_below({340, 0}));
  EXPECT_EQ(bound.clean_trials_needed({340, 0}), 0U);
  EXPECT_EQ(bound.log_evidence({0, 0}), 0);
}

TEST(BoundEvidenceTest, TheUpperBoundIsTheSmallestRateThatIsRefuted) {
  EXPECT_EQ(rate_upper_bound({0, 0}), 1);
  EXPECT_NEAR(rate_upper_bound({340, 0}), 0.01, 1e-4);
  EXPECT_LE(rate_upper_bound({340, 0}), 0.01);
  EXPECT_GT(rate_upper_bound({339, 0}), 0.01);
  EXPECT_NEAR(rate_upper_bound({22'874, 10}), 0.001, 1e-6);
  double last = 1;
  for (std::uint64_t n = 10; n < 1'000'000'000'000; n *= 7) {
    const double bound = rate_upper_bound({n, 3});
    EXPECT_LE(bound, last);
    EXPECT_GT(bound, 3.0 / static_cast<double>(n));
    last = bound;
  }
  // Rarer hits, more confidence: a wider bound.
  EXPECT_GT(rate_upper_bound({1'000, 5}, 0.999), rate_upper_bound({1'000, 5}, 0.95));
}

TEST(BoundEvidenceTest, NumbersAtTheirEdgesStayNumbers) {
  for (const double rate : {-1.0, 0.0, 1e-300, 1e-9, 0.001, 0.5, 1.0, 7.0, std::nan("")}) {
    const BoundEvidence bound(rate);
    for (const std::uint64_t n :
         {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1'000'000'000'000}}) {
      for (const std::uint64_t x : {std::uint64_t{0}, n / 2, n, n + 5}) {
        const double evidence = bound.log_evidence({n, x});
        EXPECT_TRUE(std::isfinite(evidence)) << rate << " " << n << " " << x;
        EXPECT_LE(bound.clean_trials_needed({n, x}), BoundEvidence::kTrialsMax);
      }
    }
  }
  EXPECT_EQ(rate_upper_bound({1'000'000'000'000, 1'000'000'000'000}), 1);
  EXPECT_LE(rate_upper_bound({1'000'000'000'000, 0}), 1e-8);
  EXPECT_FALSE(BoundEvidence(0.001).is_below({1'000'000'000'000, 1'000'000'000'000}));
}

// Somebody looks after every trial; the true rate is the bound itself, so each READY is false.
TEST(BoundEvidenceTest, FalseReadinessStaysBelowAlphaUnderPeeking) {
  constexpr unsigned kSeed = 20261129;
  std::printf("seed %u\n", kSeed);
  std::mt19937_64 random(kSeed);
  const BoundEvidence bound(0.02);
  std::bernoulli_distribution is_hit(0.02);
  constexpr int kRuns = 400;
  int false_ready = 0;
  int bound_missed = 0;
  for (int run = 0; run < kRuns; ++run) {
    Trials trials;
    bool was_ready = false;
    bool was_missed = false;
    for (int i = 0; i < 1'000; ++i) {
      ++trials.count;
      if (is_hit(random)) ++trials.hits;
      was_ready |= bound.is_below(trials);
      if (i % 100 == 99) was_missed |= rate_upper_bound(trials) < 0.02;
    }
    false_ready += was_ready ? 1 : 0;
    bound_missed += was_missed ? 1 : 0;
  }
  // 5 % of 400 and four standard deviations.
  EXPECT_LE(false_ready, 37);
  EXPECT_LE(bound_missed, 37);
}

TEST(BoundEvidenceTest, AHealthyRouteBecomesReady) {
  std::mt19937_64 random(7);
  std::bernoulli_distribution is_hit(0.001);
  Trials trials;
  const BoundEvidence bound(0.01);
  while (!bound.is_below(trials) && trials.count < 5'000) {
    ++trials.count;
    if (is_hit(random)) ++trials.hits;
  }
  EXPECT_LT(trials.count, 2'500U);
}

}  // namespace
}  // namespace banyan::stats
