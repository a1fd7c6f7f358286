// SPDX-License-Identifier: Apache-2.0
//
// How a finding stands: is the difference the candidate's, or does legacy differ from itself just
// as well? Judged from counts of witnesses (docs/noise.md), two kinds of which say two things:
//
// - A control pair: one exchange, L (the recorded legacy answer), N (the candidate's) and L'
// (legacy
//   or its twin asked too), chosen without regard to the verdict. If N behaves like legacy, N and
//   L' are exchangeable, so an exchange where only one of them differs from L is a fair coin:
//   SplitEvidence with w = 1/2 over candidate_only against legacy_only.
// - A confirmation: an exchange that differed, each system asked `asked` times again. It held where
//   every N' differs from L and no L' does. Whatever answers a request has, if both systems draw
//   from the same ones, independently, it holds with a chance of at most q0 = 1/4^asked (the most
//   that p(1-p) to the power of `asked` can be). Evidence is the mean, weighted, of the likelihood
//   ratios of chances p of 1-q0, 1/2, 1/4, 1/8 against q0, over all confirmations: two in a row at
//   asked = 2 give 202, which at prior odds of 1:4 is 98 %. A confirmation is asked because of a
//   difference, so it says nothing of how often legacy differs and never counts as a control pair.
// - A race: a confirmation of an exchange that overlapped a write (RecentWrites), after which both
//   systems gave one answer. It says nothing against anybody and counts for none of the above.
//   That races are what a place differs by has to be shown against chance: of its confirmations far
//   more have to be races than comparisons of the endpoint overlap a write at all.
//
// - Sides (noise_sides.h): live traffic alone, without any witness, once legacy was asked again
// often
//   enough to rule out that time does it.
//
// All are valid at any time one looks. Pure; any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/noise_sides.h"
#include "core/base/ids.h"

namespace banyan::comparator {

// The strongest first.
enum class Standing {
  kRegression,  // the candidate's own
  kSuspect,     // nothing is known yet but that it differed
  kUndecided,   // something is known, not enough
  kBlind,       // legacy differs from itself nearly always: nothing to be seen here
  kFlaky,       // goes away when asked again, and legacy was seen to change
  kRace,        // overlapped a write, and went away when asked again
  kNoise,       // legacy differs from itself as often as from the candidate
};
std::string_view to_string(Standing standing);
Standing standing_of(std::string_view word);  // suspect where it is none
// Not suspect or undecided.
bool is_decided(Standing standing);

// One race, for people.
struct NoiseRace {
  ExchangeId exchange, write;
  std::int64_t after_ns = 0;  // from the client's answer to the write's beginning
};

// Of one (route, endpoint, path, kind), with one transition or with every one.
struct NoiseCounts {
  // Control pairs of the endpoint, and those in which this path and kind differed from L.
  std::uint64_t pairs = 0;
  std::uint64_t both = 0, candidate_only = 0, legacy_only = 0;
  // Exchanges asked again. Cleared: N' agreed with L at least once, and legacy stayed as it was.
  std::uint64_t held = 0, cleared = 0, legacy_changed = 0;
  unsigned asked = 2;  // times each system was asked; the least of all of them
  // Exchanges asked again that had overlapped a write, and then both systems agreed.
  std::uint64_t raced = 0;
  // Live comparisons of the endpoint, and those of them that overlapped a write.
  std::uint64_t watched = 0, overlapped = 0;
  std::uint64_t confirmed_around = 0;  // answers of legacy to all confirmations of the endpoint
  NoiseRace race;                      // the latest; null where there is none
  // Of one transition against its mirror image; of every one, the shape that speaks most against
  // the candidate.
  SideCounts sides;
  std::string shape;     // "" where `sides` are of the transition
  double log_sides = 0;  // ln E; of every transition: of all shapes together
  // As it stood when it was last judged: what it stands as it keeps until the evidence has gone
  // past the threshold by kStayFactor or kStayEvidence.
  Standing before = Standing::kSuspect;

  std::uint64_t confirmations() const { return held + cleared + legacy_changed; }
  // Answers of legacy to witnesses that could have shown it.
  std::uint64_t asked_again() const {
    return pairs + std::max(confirmed_around, confirmed_answers());
  }
  std::uint64_t confirmed_answers() const { return asked * (confirmations() + raced); }
  // Live exchanges that show the transition, and those that show its mirror image.
  void weigh_transition(std::uint64_t seen, std::uint64_t mirrored);
  void weigh_shapes(const std::map<std::string, SideCounts>& shapes);
  bool is_tested() const {
    return both + candidate_only + legacy_only > 0 || confirmations() + raced > 0;
  }
};

// Whether what is known of one transition stands for itself: it is decided, or was tested and
// legacy never showed it. Else the path and kind with every transition speak for it.
bool speaks_for_itself(const NoiseCounts& counts, Standing standing);

// Whether a finding stands as its field does with every transition: its own transition says too
// little, or the field is a regression where that is undecided, or the shapes of the field's
// values, which only all transitions together show, speak against the candidate.
bool stands_as_field(const NoiseCounts& own, Standing standing, const NoiseCounts& field,
                     Standing field_standing);

enum class Needs { kNothing, kPairs, kConfirmations, kExchanges };
std::string_view to_string(Needs needs);  // "pairs" …, "" for nothing

struct NoiseJudgement {
  Standing standing = Standing::kSuspect;
  // Natural logarithms of the evidence that the candidate differs of itself; 0 where there is none.
  double log_pairs = 0, log_confirmations = 0;
  double log_evidence = 0;      // of both
  double log_races = 0;         // that races are no chance
  double noise_rate_least = 0;  // with 99 % confidence legacy differs from itself at least so often
  double excess = 0, excess_most = 1;  // share of pairs, candidate's over legacy's; 95 % upper end
  // About how many more would decide, if all spoke against the candidate.
  Needs needs = Needs::kNothing;
  std::uint64_t needed = 0;
};

// Thresholds. A regression needs one of the first two; where legacy was ever seen to differ from
// itself at this place, only kAlpha will do.
inline constexpr double kRegressionAlpha = 1e-3;
// Of pairs where legacy was seen to change: a route has many such places, and each has its chance.
inline constexpr double kNoisyPairsAlpha = 1e-4;
inline constexpr double kRegressionPosterior = 0.98;
inline constexpr double kPriorOdds = 0.25;
inline constexpr double kFalseDiscoveryRate = 0.05;
inline constexpr double kNoiseRateMin = 0.001;    // legacy differs from itself more often …
inline constexpr double kNoiseConfidence = 0.99;  // … with this confidence
inline constexpr double kNoiseEvidenceMax = 3;    // and nothing speaks against the candidate
inline constexpr double kNoiseExcessMax = 0.005;  // that could still hide
inline constexpr double kBlindShare = 0.9;
inline constexpr std::uint64_t kBlindPairsMin = 20;
inline constexpr double kFlakyShare = 0.9;  // of confirmations that did not hold
inline constexpr std::uint64_t kFlakyConfirmationsMin = 3;
inline constexpr double kFlakyExcessMax = 0.02;  // of pairs, where there are any: else undecided
// Of sides: more than that and no place is called noise, blind, flaky or race.
inline constexpr double kSidesSuspicion = 20;
inline constexpr double kRaceShare = 0.9;  // of exchanges asked again; and none of them held
inline constexpr std::uint64_t kRacesMin = 3;
inline constexpr double kRaceAlpha = 1e-3;  // that so many overlapped a write by chance

// Hysteresis. Evidence goes up and down around a threshold as it comes in, and a standing that
// followed each time would be another one at each reading. So it takes these thresholds to come to
// stand as something, and what is this much weaker to stand so no longer: of shares this factor, of
// evidence that for a regression.
inline constexpr double kStayFactor = 1.5;
inline constexpr double kStayEvidence = 10;

// One path alone.
NoiseJudgement judge_noise(const NoiseCounts& counts);
// All paths of one route together: of the regressions, those stand that keep the share of false
// ones below kFalseDiscoveryRate (e-BH), or whose sides alone do, of all that have some; the others
// are undecided.
std::vector<NoiseJudgement> judge_noise(const std::vector<NoiseCounts>& paths);

// "asked again for 3 exchanges: held in 3; …" One plain sentence, no full stop.
std::string noise_sentence(const NoiseCounts& counts, const NoiseJudgement& judgement);

}  // namespace banyan::comparator
