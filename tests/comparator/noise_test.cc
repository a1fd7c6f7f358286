// SPDX-License-Identifier: Apache-2.0
#include "comparator/noise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "core/base/ids.h"
#include "core/stats/split_evidence.h"

namespace banyan::comparator {
namespace {

NoiseCounts confirmed(std::uint64_t held, std::uint64_t cleared = 0, std::uint64_t changed = 0) {
  NoiseCounts counts;
  counts.held = held;
  counts.cleared = cleared;
  counts.legacy_changed = changed;
  return counts;
}

NoiseCounts pairs(std::uint64_t n, std::uint64_t both, std::uint64_t candidate_only,
                  std::uint64_t legacy_only) {
  NoiseCounts counts;
  counts.pairs = n;
  counts.both = both;
  counts.candidate_only = candidate_only;
  counts.legacy_only = legacy_only;
  return counts;
}

Standing standing_of(const NoiseCounts& counts) { return judge_noise(counts).standing; }

TEST(RunIdTest, WitnessesHaveARangeOfTheirOwn) {
  const RunId run = RunId::confirmation(WitnessOf::kCandidate, WitnessSide::kOther, 1, 2);
  EXPECT_TRUE(run.is_witness());
  EXPECT_FALSE(run.is_live());
  EXPECT_EQ(run.reason(), WitnessReason::kConfirmation);
  EXPECT_EQ(run.whom(), WitnessOf::kCandidate);
  EXPECT_EQ(run.side(), WitnessSide::kOther);
  EXPECT_EQ(run.number(), 1U);
  EXPECT_EQ(run.of(), 2U);
  EXPECT_TRUE(RunId::control(WitnessOf::kTwin).is_witness());
  EXPECT_NE(RunId::control(WitnessOf::kTwin), RunId::control(WitnessOf::kLegacy));
  EXPECT_FALSE(RunId{}.is_witness());
  EXPECT_FALSE(RunId{RunId::kWitnesses - 1}.is_witness());
  EXPECT_FALSE(RunId{RunId::kWitnessesEnd}.is_witness());
}

TEST(NoiseTest, NothingAskedAgainIsSuspect) {
  const NoiseJudgement judged = judge_noise(NoiseCounts());
  EXPECT_EQ(judged.standing, Standing::kSuspect);
  EXPECT_EQ(judged.needs, Needs::kConfirmations);
  EXPECT_EQ(judged.needed, 2U);
  // Pairs of the endpoint in which this path never differed say nothing of it.
  EXPECT_EQ(standing_of(pairs(500, 0, 0, 0)), Standing::kSuspect);
}

TEST(NoiseTest, TwoExchangesThatHoldDecide) {
  EXPECT_EQ(standing_of(confirmed(1)), Standing::kUndecided);
  EXPECT_EQ(judge_noise(confirmed(1)).needed, 1U);
  EXPECT_EQ(standing_of(confirmed(2)), Standing::kRegression);
  EXPECT_NEAR(std::exp(judge_noise(confirmed(2)).log_confirmations), 0.9 * 225 + 0.1 / 3 * 84,
              1e-6);
}

TEST(NoiseTest, WhereLegacyWasSeenToChangeTwoAreNotEnough) {
  EXPECT_EQ(standing_of(confirmed(2, 0, 1)), Standing::kUndecided);
  NoiseCounts counts = confirmed(2);
  counts.pairs = 100;
  counts.legacy_only = 1;
  EXPECT_EQ(standing_of(counts), Standing::kUndecided);
  counts.held = 4;
  EXPECT_EQ(standing_of(counts), Standing::kRegression);
}

TEST(NoiseTest, WhatClearsAndWasSeenOnLegacyIsFlaky) {
  EXPECT_EQ(standing_of(confirmed(0, 2, 1)), Standing::kFlaky);
  EXPECT_EQ(standing_of(confirmed(0, 0, 40)), Standing::kFlaky);
  EXPECT_EQ(standing_of(confirmed(0, 1, 1)), Standing::kUndecided);
  EXPECT_EQ(standing_of(confirmed(1, 8, 1)), Standing::kFlaky);
  EXPECT_EQ(standing_of(confirmed(2, 7, 1)), Standing::kUndecided);
  // Pairs that leave room for a fault of more than two percent.
  NoiseCounts counts = confirmed(0, 2, 1);
  counts.pairs = 149;
  counts.both = 5;
  EXPECT_EQ(standing_of(counts), Standing::kUndecided);
  counts.pairs = 150;
  EXPECT_EQ(standing_of(counts), Standing::kFlaky);
  counts.candidate_only = counts.legacy_only = 20;
  EXPECT_EQ(standing_of(counts), Standing::kUndecided);
  EXPECT_GT(judge_noise(counts).needed, 0U);
}

// It may be that the candidate alone fails now and then.
// ×100 in a field that is noisy in other ways: undecided, and not what the field is.
TEST(NoiseTest, WhatLegacyNeverShowsSpeaksForItself) {
  NoiseCounts counts;
  counts.pairs = 432;
  counts.candidate_only = 9;
  counts.held = 4;
  counts.cleared = 10;
  EXPECT_TRUE(speaks_for_itself(counts, judge_noise(counts).standing));
  counts.legacy_only = 1;
  EXPECT_FALSE(speaks_for_itself(counts, Standing::kUndecided));
  EXPECT_TRUE(speaks_for_itself(counts, Standing::kNoise));
  EXPECT_FALSE(speaks_for_itself(NoiseCounts(), Standing::kSuspect)) << "not tested yet";
}

TEST(NoiseTest, WhatOnlyTheCandidateDoesIsNeverFlaky) {
  EXPECT_EQ(standing_of(confirmed(0, 50)), Standing::kUndecided);
}

// A field that is noisy in many ways, and one of them the candidate's own.
TEST(NoiseTest, AnUndecidedTransitionStandsAsAFieldThatIsARegression) {
  const NoiseCounts counts = confirmed(1);
  NoiseCounts field;
  const auto as_field = [&](Standing own, Standing of_field) {
    return stands_as_field(counts, own, field, of_field);
  };
  EXPECT_TRUE(as_field(Standing::kUndecided, Standing::kRegression));
  EXPECT_FALSE(as_field(Standing::kUndecided, Standing::kNoise));
  EXPECT_FALSE(as_field(Standing::kFlaky, Standing::kRegression));
  EXPECT_TRUE(stands_as_field(NoiseCounts(), Standing::kSuspect, field, Standing::kNoise));
  field.log_sides = 5;
  EXPECT_TRUE(as_field(Standing::kBlind, Standing::kUndecided)) << "shapes";
  EXPECT_FALSE(as_field(Standing::kRegression, Standing::kUndecided));
}

TEST(NoiseTest, SidesOverManyPlacesWantMore) {
  NoiseCounts counts = pairs(100, 100, 0, 0);
  counts.watched = 100;
  counts.shape = "hex 16";
  counts.sides = {13, 0, 0};
  counts.log_sides = log_of_sides(counts.sides, 100, 100);
  EXPECT_EQ(standing_of(counts), Standing::kRegression);
  EXPECT_EQ(judge_noise(std::vector{counts}).front().standing, Standing::kRegression);
  NoiseCounts even = counts;
  even.sides = {50, 50, 0};
  even.log_sides = -5;
  std::vector<NoiseCounts> many(500, even);
  many.push_back(counts);
  EXPECT_EQ(judge_noise(many).back().standing, Standing::kUndecided);
  EXPECT_EQ(judge_noise(many).back().needs, Needs::kExchanges);
  EXPECT_EQ(judge_noise(many).front().standing, Standing::kBlind);
}

TEST(NoiseTest, WhatMayBeTheCandidatesOwnShapeIsNotHidden) {
  NoiseCounts counts = pairs(600, 100, 0, 0);
  EXPECT_EQ(standing_of(counts), Standing::kNoise);
  counts.log_sides = std::log(19.9);
  EXPECT_EQ(standing_of(counts), Standing::kNoise);
  counts.log_sides = std::log(20.1);
  EXPECT_EQ(standing_of(counts), Standing::kUndecided);
}

NoiseCounts raced(std::uint64_t races, std::uint64_t overlapped, std::uint64_t watched) {
  NoiseCounts counts;
  counts.raced = races;
  counts.overlapped = overlapped;
  counts.watched = watched;
  return counts;
}

TEST(NoiseTest, MismatchesThatAllOverlapWritesAndClearAreRaces) {
  EXPECT_EQ(standing_of(raced(3, 20, 1000)), Standing::kRace);
  EXPECT_EQ(standing_of(raced(2, 20, 1000)), Standing::kUndecided) << "too few";
  NoiseCounts counts = raced(9, 20, 1000);
  counts.cleared = 1;
  EXPECT_EQ(standing_of(counts), Standing::kRace);
  counts.cleared = 2;
  EXPECT_NE(standing_of(counts), Standing::kRace) << "these overlapped none";
}

TEST(NoiseTest, WhatHeldOnceIsNeverARace) {
  NoiseCounts counts = raced(1000, 20, 10'000);
  counts.held = 1;
  EXPECT_EQ(standing_of(counts), Standing::kUndecided);
  counts.held = 2;
  EXPECT_EQ(standing_of(counts), Standing::kRegression);
}

// A fault that comes and goes where nearly everything overlaps a write.
TEST(NoiseTest, WhatOverlapsWritesAsOftenAsAllElseIsNoRace) {
  EXPECT_EQ(standing_of(raced(50, 1000, 1000)), Standing::kUndecided);
  EXPECT_EQ(standing_of(raced(50, 960, 1000)), Standing::kUndecided);
  EXPECT_EQ(standing_of(raced(5, 500, 1000)), Standing::kUndecided);
  EXPECT_EQ(standing_of(raced(12, 500, 1000)), Standing::kRace);
  EXPECT_EQ(standing_of(raced(50, 0, 0)), Standing::kUndecided) << "nobody counted";
  // Half overlap one by chance, and half of the fault does.
  NoiseCounts counts = raced(20, 500, 1000);
  counts.cleared = 20;
  EXPECT_EQ(standing_of(counts), Standing::kUndecided);
}

TEST(NoiseTest, ARaceIsToldWithItsWrite) {
  NoiseCounts counts = raced(5, 20, 1000);
  counts.race = {ExchangeId{0, 1}, ExchangeId{0, 2}, -3'140'000};
  EXPECT_EQ(noise_sentence(counts, judge_noise(counts)),
            "5 of 5 asked again overlapped a write and agreed then (2 % of all comparisons overlap "
            "one), such as 00000000000000000000000000000001 with the write "
            "00000000000000000000000000000002 that began 3.1 ms before the client's answer");
}

// Differences that fall on a share of all requests whatever writes do.
TEST(NoiseTest, AFaultThatComesAndGoesIsNotHiddenByChanceOverlaps) {
  std::mt19937_64 random(7);
  const auto happens = [&](double chance) {
    return std::uniform_real_distribution<>(0, 1)(random) < chance;
  };
  for (const double overlap : {0.02, 0.2, 0.5, 0.9, 0.99}) {
    int races = 0;
    for (int run = 0; run < 200; ++run) {
      NoiseCounts counts;
      for (int i = 0; i < 2000; ++i) {
        const bool is_overlapped = happens(overlap);
        ++counts.watched;
        counts.overlapped += is_overlapped ? 1 : 0;
        if (!happens(0.02)) continue;
        ++(is_overlapped ? counts.raced : counts.cleared);
      }
      races += standing_of(counts) == Standing::kRace ? 1 : 0;
    }
    EXPECT_EQ(races, 0) << overlap;
  }
}

TEST(NoiseTest, PairsDecideAsTheTableSays) {
  EXPECT_EQ(standing_of(pairs(1000, 0, 11, 0)), Standing::kUndecided);
  EXPECT_EQ(standing_of(pairs(1000, 0, 12, 0)), Standing::kRegression);
  // Where legacy was seen to change it takes ten times the evidence.
  const std::uint64_t wanted = stats::SplitEvidence::test_events_needed(kNoisyPairsAlpha, 0.5, 5);
  EXPECT_GT(wanted, 27U);
  EXPECT_EQ(standing_of(pairs(1000, 0, wanted - 1, 5)), Standing::kUndecided);
  EXPECT_EQ(standing_of(pairs(1000, 0, wanted, 5)), Standing::kRegression);
  EXPECT_EQ(judge_noise(pairs(1000, 0, 9, 0)).needs, Needs::kPairs);
  EXPECT_EQ(judge_noise(pairs(1000, 0, 9, 0)).needed, 3U);
}

TEST(NoiseTest, NoiseIsShownByLegacyItselfAndLeavesNoRoomForMore) {
  EXPECT_EQ(standing_of(pairs(10'000, 2, 20, 21)), Standing::kNoise);
  // Too few pairs to rule out that the candidate differs half a percent more.
  EXPECT_EQ(standing_of(pairs(200, 0, 2, 2)), Standing::kUndecided);
  EXPECT_EQ(standing_of(pairs(599, 100, 0, 0)), Standing::kUndecided);
  EXPECT_EQ(standing_of(pairs(600, 100, 0, 0)), Standing::kNoise);
  // Legacy never differed.
  EXPECT_EQ(standing_of(pairs(100'000, 0, 3, 0)), Standing::kUndecided);
}

TEST(NoiseTest, WhatAlwaysDiffersIsBlind) {
  EXPECT_EQ(standing_of(pairs(20, 20, 0, 0)), Standing::kBlind);
  EXPECT_EQ(standing_of(pairs(19, 19, 0, 0)), Standing::kUndecided);
  EXPECT_EQ(standing_of(pairs(100, 90, 5, 5)), Standing::kUndecided);
}

TEST(NoiseTest, OverManyPathsMoreIsWanted) {
  std::vector<NoiseCounts> paths(100, pairs(1000, 0, 1, 1));
  paths.push_back(confirmed(2));
  EXPECT_EQ(judge_noise(paths.back()).standing, Standing::kRegression);
  EXPECT_EQ(judge_noise(paths).back().standing, Standing::kUndecided);
  EXPECT_EQ(judge_noise(paths).back().needed, 1U);
  paths.back().held = 3;
  EXPECT_EQ(judge_noise(paths).back().standing, Standing::kRegression);
  // Paths without a witness are no tests.
  std::vector<NoiseCounts> quiet(100);
  quiet.push_back(confirmed(2));
  EXPECT_EQ(judge_noise(quiet).back().standing, Standing::kRegression);
}

TEST(NoiseTest, TellsItsEvidenceInASentence) {
  EXPECT_EQ(
      noise_sentence(confirmed(2), judge_noise(confirmed(2))),
      "asked both again for 2 exchanges: held in 2, cleared in 0, legacy itself changed in 0");
  EXPECT_EQ(noise_sentence({}, judge_noise(NoiseCounts())),
            "seen in live traffic only, not asked again so far; needs about 2 more that hold");
}

TEST(NoiseTest, HugeCountsStayFinite) {
  const std::uint64_t many = 1'000'000'000'000;
  for (const NoiseCounts& counts :
       {pairs(many, many, 0, 0), pairs(many, 0, many / 2, many / 2), confirmed(many, many, many)}) {
    const NoiseJudgement judged = judge_noise(counts);
    EXPECT_TRUE(std::isfinite(judged.log_evidence));
    EXPECT_TRUE(std::isfinite(judged.noise_rate_least));
  }
}

// A service whose answers are perturbed with the chance `noise`, each to a value of its own, and
// whose candidate is wrong besides with the chance `wrong`.
struct Service {
  double noise = 0, wrong = 0;
  std::mt19937_64 random;
  int next_value = 1;

  bool happens(double chance) { return std::uniform_real_distribution<>(0, 1)(random) < chance; }
  int legacy() { return happens(noise) ? ++next_value : 0; }
  int candidate(bool is_wrong) { return is_wrong ? -1 : legacy(); }

  NoiseCounts watch(int requests, bool with_controls, double confirmed_share) {
    NoiseCounts counts;
    for (int i = 0; i < requests; ++i) {
      const bool is_wrong = happens(wrong);
      const int l = legacy();
      const int n = candidate(is_wrong);
      if (with_controls) {
        const int twin = legacy();
        ++counts.pairs;
        if (n != l && twin != l) ++counts.both;
        if (n != l && twin == l) ++counts.candidate_only;
        if (n == l && twin != l) ++counts.legacy_only;
      }
      if (n == l || !happens(confirmed_share)) continue;
      bool has_changed = false;
      bool persists = true;
      for (unsigned k = 0; k < counts.asked; ++k) {
        has_changed |= legacy() != l;
        persists &= candidate(is_wrong) != l;
      }
      ++(has_changed ? counts.legacy_changed : persists ? counts.held : counts.cleared);
    }
    return counts;
  }
};

int regressions(double noise, double wrong, int runs, int requests, bool with_controls,
                double confirmed_share) {
  int count = 0;
  for (int run = 0; run < runs; ++run) {
    Service service{noise, wrong, std::mt19937_64(static_cast<std::uint64_t>(run) + 1)};
    const NoiseCounts counts = service.watch(requests, with_controls, confirmed_share);
    count += standing_of(counts) == Standing::kRegression ? 1 : 0;
  }
  return count;
}

TEST(NoiseTest, HealthyServicesHaveNoRegression) {
  for (const double noise : {0.002, 0.02, 0.3}) {
    EXPECT_EQ(regressions(noise, 0, 20, 20'000, true, 0.02), 0) << noise;
    EXPECT_EQ(regressions(noise, 0, 20, 20'000, false, 0.02), 0) << noise;
    EXPECT_EQ(regressions(noise, 0, 20, 20'000, false, 1), 0) << noise;
  }
}

TEST(NoiseTest, RegressionsAreFoundUnderNoise) {
  EXPECT_EQ(regressions(0.3, 0.3, 20, 2'000, true, 0), 20);
  EXPECT_EQ(regressions(0.02, 0.02, 20, 20'000, true, 0), 20);
  EXPECT_EQ(regressions(0, 0.002, 20, 6'000, false, 1), 20);
  EXPECT_EQ(regressions(0.02, 0.02, 20, 20'000, false, 0.1), 20);
}

NoiseCounts standing_as(Standing before, NoiseCounts counts) {
  counts.before = before;
  return counts;
}

TEST(HysteresisTest, WhatItStandsAsItKeepsUntilWellPastTheThreshold) {
  const auto flaky = [](std::uint64_t n, std::uint64_t candidate_only) {
    NoiseCounts counts = pairs(n, 0, candidate_only, 0);
    counts.cleared = 3;
    counts.legacy_changed = 1;
    return counts;
  };
  EXPECT_EQ(standing_of(flaky(200, 1)), Standing::kFlaky);
  EXPECT_EQ(standing_of(flaky(201, 2)), Standing::kUndecided);
  EXPECT_EQ(standing_of(standing_as(Standing::kFlaky, flaky(201, 2))), Standing::kFlaky);
  EXPECT_EQ(standing_of(standing_as(Standing::kFlaky, flaky(202, 3))), Standing::kUndecided);
  // Noise with room for 0.49 % of a fault, 0.62 and 0.88.
  const NoiseCounts little = pairs(1000, 200, 4, 5);
  const NoiseCounts more = pairs(1000, 200, 5, 5);
  const NoiseCounts much = pairs(1000, 200, 7, 5);
  EXPECT_EQ(standing_of(little), Standing::kNoise);
  EXPECT_EQ(standing_of(more), Standing::kUndecided);
  EXPECT_EQ(standing_of(standing_as(Standing::kNoise, more)), Standing::kNoise);
  EXPECT_EQ(standing_of(standing_as(Standing::kFlaky, more)), Standing::kUndecided);
  EXPECT_EQ(standing_of(standing_as(Standing::kNoise, much)), Standing::kUndecided);
}

TEST(HysteresisTest, ARegressionStandsUntilItsEvidenceIsATenth) {
  EXPECT_EQ(standing_of(confirmed(5, 3)), Standing::kRegression);
  for (const std::uint64_t cleared : {4, 5, 6, 7}) {
    EXPECT_EQ(standing_of(confirmed(5, cleared)), Standing::kUndecided);
    EXPECT_EQ(standing_of(standing_as(Standing::kRegression, confirmed(5, cleared))),
              Standing::kRegression);
  }
  EXPECT_EQ(standing_of(standing_as(Standing::kRegression, confirmed(5, 8))), Standing::kUndecided);
  // Also where all places of a route are judged together: two hundred others want more of it.
  std::vector<NoiseCounts> paths(200, confirmed(0, 3));
  paths.push_back(confirmed(3));
  EXPECT_EQ(judge_noise(paths).back().standing, Standing::kUndecided);
  paths.back().before = Standing::kRegression;
  EXPECT_EQ(judge_noise(paths).back().standing, Standing::kRegression);
}

// Both draw from the same noise; one exchange in twenty has a control, and some are asked again.
// How often a finding changed its standing after its first one, of all runs.
int changes_of_standing(bool has_hysteresis) {
  constexpr double kNoise = 0.1;
  int changes = 0;
  for (unsigned run = 1; run <= 12; ++run) {
    std::mt19937_64 random(run);
    const auto chance = [&](double share) {
      return std::uniform_real_distribution<>(0, 1)(random) < share;
    };
    NoiseCounts counts;
    Standing last = Standing::kSuspect;
    for (int i = 0; i < 20'000; ++i) {
      const bool legacy = chance(kNoise);
      const bool live = legacy || chance(kNoise);
      if (chance(0.05)) {
        const bool again = legacy || chance(kNoise);
        ++counts.pairs;
        counts.both += live && again ? 1 : 0;
        counts.candidate_only += live && !again ? 1 : 0;
        counts.legacy_only += again && !live ? 1 : 0;
      } else if (live && chance(0.02)) {
        // Legacy's own answer seldom comes again.
        const bool changed = legacy || chance(kNoise) || chance(kNoise);
        const bool held = !changed && chance(kNoise) && chance(kNoise);
        ++(changed ? counts.legacy_changed : held ? counts.held : counts.cleared);
      } else {
        continue;
      }
      const Standing now = standing_of(counts);
      changes += now != last && last != Standing::kSuspect ? 1 : 0;
      last = now;
      if (has_hysteresis) counts.before = now;
    }
  }
  return changes;
}

TEST(HysteresisTest, AStandingDoesNotFollowEachPieceOfEvidence) {
  const int without = changes_of_standing(false);
  const int with = changes_of_standing(true);
  // From undecided to flaky to noise are two of each run.
  EXPECT_LE(with, 12 * 3);
  EXPECT_GT(without, 2 * with);
}

}  // namespace
}  // namespace banyan::comparator
