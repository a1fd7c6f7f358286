// SPDX-License-Identifier: Apache-2.0
#include "core/stats/split_evidence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace banyan::stats {
namespace {

using Arm = SplitEvidence::Arm;

TEST(SplitEvidenceTest, EventsNeededAreThoseOfTheClosedForm) {
  const struct {
    double share;
    std::uint64_t needed[4];  // with 0, 1, 5 and 20 events on the control arm
  } cases[] = {{1.0 / 2, {12, 16, 27, 55}},
               {1.0 / 3, {8, 10, 17, 32}},
               {1.0 / 5, {6, 7, 11, 20}},
               {1.0 / 11, {4, 5, 7, 12}}};
  constexpr std::uint64_t kControl[4] = {0, 1, 5, 20};
  for (const auto& one : cases) {
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(SplitEvidence::test_events_needed(1e-3, one.share, kControl[i]), one.needed[i])
          << one.share << " " << kControl[i];
    }
  }
}

TEST(SplitEvidenceTest, RejectsAtTheLastNeededEventAndNotBefore) {
  SplitEvidence evidence;
  EXPECT_EQ(evidence.log_evidence(), 0);
  evidence.add(Arm::kTest, 0.5, 11);
  EXPECT_FALSE(evidence.rejects(1e-3));
  evidence.add(Arm::kTest, 0.5);
  EXPECT_TRUE(evidence.rejects(1e-3));
}

TEST(SplitEvidenceTest, ManyEventsAtOnceAreTheSameAsOneByOne) {
  SplitEvidence at_once(1.25);
  SplitEvidence one_by_one(1.25);
  for (const std::uint64_t count : {3, 40, 1, 200}) {
    const Arm arm = count % 2 == 0 ? Arm::kControl : Arm::kTest;
    at_once.add(arm, 0.3, count);
    for (std::uint64_t i = 0; i < count; ++i) one_by_one.add(arm, 0.3);
    EXPECT_NEAR(at_once.log_evidence(), one_by_one.log_evidence(), 1e-9);
    EXPECT_NEAR(at_once.log_watch(), one_by_one.log_watch(), 1e-9);
  }
}

TEST(SplitEvidenceTest, TheWatchFormForgetsALongGoodTime) {
  std::mt19937_64 random(11);
  const double share = 0.05;
  SplitEvidence evidence(1.25);
  std::bernoulli_distribution healthy(share);
  for (int i = 0; i < 2'000; ++i) evidence.add(healthy(random) ? Arm::kTest : Arm::kControl, share);
  EXPECT_FALSE(evidence.alarms(0.01, 10'000));
  std::bernoulli_distribution tenfold(10 * share / (10 * share + 1 - share));
  int until_watch = 0;
  int until_plain = 0;
  for (int i = 1; i < 5'000 && until_plain == 0; ++i) {
    evidence.add(tenfold(random) ? Arm::kTest : Arm::kControl, share);
    if (until_watch == 0 && evidence.log_watch() >= std::log(1e4)) until_watch = i;
    if (evidence.log_evidence() >= std::log(1e4)) until_plain = i;
  }
  EXPECT_GT(until_watch, 0);
  EXPECT_LT(until_watch, 80);
  EXPECT_GT(until_plain, 2 * until_watch);
  evidence.restart_plain();
  EXPECT_EQ(evidence.log_evidence(), 0);
  EXPECT_GT(evidence.log_watch(), 1);
}

TEST(SplitEvidenceTest, NumbersAtTheirEdgesStayNumbers) {
  for (const double ratio : {0.0, 1e-300, 1.0, 1.25, 1e300, std::nan("")}) {
    for (const double share : {-1.0, 0.0, 1e-300, 1e-12, 0.5, 1.0 - 1e-12, 1.0, 2.0,
                               std::numeric_limits<double>::infinity(), std::nan("")}) {
      SplitEvidence evidence(ratio);
      evidence.add(Arm::kTest, share, 1'000'000'000'000);
      evidence.add(Arm::kControl, share, 1'000'000'000'000);
      EXPECT_TRUE(std::isfinite(evidence.log_evidence())) << ratio << " " << share;
      EXPECT_TRUE(std::isfinite(evidence.log_watch())) << ratio << " " << share;
      EXPECT_LE(SplitEvidence::test_events_needed(0, share, 3, ratio), SplitEvidence::kEventsMax);
    }
  }
}

// Somebody looks after every event, and H0 holds: in no setting may more than alpha of the runs
// ever reject. The share changes in the last two, as during a ramp.
TEST(SplitEvidenceTest, FalseAlarmsStayBelowAlphaUnderPeeking) {
  constexpr unsigned kSeed = 20261129;
  std::printf("seed %u\n", kSeed);
  std::mt19937_64 random(kSeed);
  std::uniform_real_distribution<double> uniform(0, 1);
  const struct {
    double share, ratio, ratio_max;
    bool is_ramp;
  } settings[] = {{0.5, 1, 1, false},    {0.05, 1, 1, false},      {0.05, 1.25, 1.25, false},
                  {0.25, 0.8, 1, false}, {0.01, 1.25, 1.25, true}, {0.1, 1, 1, true}};
  constexpr int kRuns = 250;
  for (const auto& setting : settings) {
    int alarms = 0;
    for (int run = 0; run < kRuns; ++run) {
      SplitEvidence evidence(setting.ratio_max);
      bool is_alarm = false;
      for (int i = 0; i < 400 && !is_alarm; ++i) {
        const double share = setting.is_ramp ? setting.share * (1 + i / 100) : setting.share;
        const double chance = setting.ratio * share / (setting.ratio * share + 1 - share);
        evidence.add(uniform(random) < chance ? Arm::kTest : Arm::kControl, share);
        is_alarm = evidence.rejects(0.01);
      }
      alarms += is_alarm ? 1 : 0;
    }
    // 1 % of 250 and four standard deviations.
    EXPECT_LE(alarms, 8) << setting.share << " " << setting.ratio;
  }
}

}  // namespace
}  // namespace banyan::stats
