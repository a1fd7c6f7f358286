// SPDX-License-Identifier: Apache-2.0
#include "comparator/noise.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "core/stats/log_mean.h"
#include "core/stats/split_evidence.h"

namespace banyan::comparator {
namespace {

using stats::SplitEvidence;

constexpr double kUpperQuantile = 1.959964;  // of the normal distribution, 95 % between both ends
constexpr double kRuleOfThree = 3;
// More than that nobody waits for; the word then is without a number.
constexpr std::uint64_t kNeededMax = 1'000'000;
constexpr std::uint64_t kSidesNeededMax = 1000;

// ln E of confirmations; see the header.
double log_of_confirmations(std::uint64_t held, std::uint64_t others, unsigned asked) {
  if (held + others == 0) return 0;
  const double by_chance = std::pow(0.25, std::clamp(asked, 1U, 15U));
  struct Alternative {
    double chance, weight;
  };
  const std::array<Alternative, 4> alternatives{
      {{1 - by_chance, 0.9}, {0.5, 0.1 / 3}, {0.25, 0.1 / 3}, {0.125, 0.1 / 3}}};
  std::array<double, 4> logs{};
  for (std::size_t i = 0; i < logs.size(); ++i) {
    const auto& [chance, weight] = alternatives[i];
    logs[i] = std::log(weight * static_cast<double>(logs.size())) +
              static_cast<double>(held) * std::log(chance / by_chance) +
              static_cast<double>(others) * std::log((1 - chance) / (1 - by_chance));
  }
  return stats::log_mean_exp(logs);
}

double log_of_pairs(const NoiseCounts& counts) {
  SplitEvidence evidence(1.0);
  evidence.add(SplitEvidence::Arm::kTest, kEvenShare, counts.candidate_only);
  evidence.add(SplitEvidence::Arm::kControl, kEvenShare, counts.legacy_only);
  return evidence.log_evidence();
}

// The continued fraction of the incomplete beta function, by Lentz's method.
double beta_fraction(double x, double a, double b) {
  constexpr double kTiny = 1e-300;
  const auto not_zero = [](double value) { return std::fabs(value) < kTiny ? kTiny : value; };
  double c = 1;
  double d = 1 / not_zero(1 - (a + b) * x / (a + 1));
  double result = d;
  for (int i = 1; i <= 500; ++i) {
    const double m = i;
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / not_zero(1 + even * d);
    c = not_zero(1 + even / c);
    result *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / not_zero(1 + odd * d);
    c = not_zero(1 + odd / c);
    result *= d * c;
    if (std::fabs(d * c - 1) < 1e-12) break;
  }
  return result;
}

// P(X <= x) where X has the distribution Beta(a, b).
double beta_below(double x, double a, double b) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double log_front =
      std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x);
  if (x < (a + 1) / (a + b + 2)) return std::exp(log_front) * beta_fraction(x, a, b) / a;
  return 1 - std::exp(log_front) * beta_fraction(1 - x, b, a) / b;
}

// The rate lies above it with kNoiseConfidence, after `hits` of `trials` (Jeffreys prior).
double least_rate(std::uint64_t hits, std::uint64_t trials) {
  if (hits == 0 || trials == 0) return 0;
  const double a = 0.5 + static_cast<double>(hits);
  const double b = 0.5 + static_cast<double>(trials - std::min(hits, trials));
  double low = 0;
  double high = 1;
  for (int i = 0; i < 50; ++i) {
    const double middle = (low + high) / 2;
    (beta_below(middle, a, b) > 1 - kNoiseConfidence ? high : low) = middle;
  }
  return low;
}

// It lies below with the same confidence.
double most_rate(std::uint64_t hits, std::uint64_t trials) {
  const std::uint64_t counted = std::min(hits, trials);
  return 1 - least_rate(trials - counted, trials);
}

// ln E of races: each mismatch is one with the chance that any comparison overlaps a write, or
// nearly always.
double log_of_races(const NoiseCounts& counts) {
  if (counts.raced == 0) return 0;
  const double by_chance = most_rate(counts.overlapped, counts.watched);
  constexpr std::array<double, 2> kChances{0.99, 0.95};
  std::array<double, 2> logs{};
  for (std::size_t i = 0; i < logs.size(); ++i) {
    if (by_chance >= kChances[i]) continue;
    logs[i] =
        static_cast<double>(counts.raced) * std::log(kChances[i] / by_chance) +
        static_cast<double>(counts.confirmations()) * std::log((1 - kChances[i]) / (1 - by_chance));
  }
  return stats::log_mean_exp(logs);
}

bool legacy_was_seen_to_change(const NoiseCounts& counts) {
  return counts.both + counts.legacy_only + counts.legacy_changed > 0;
}

// What ln E of confirmations has to reach.
double log_confirmations_wanted(const NoiseCounts& counts) {
  const double by_alpha = -std::log(kRegressionAlpha);
  const double by_posterior =
      std::log(kRegressionPosterior / (1 - kRegressionPosterior) / kPriorOdds);
  return legacy_was_seen_to_change(counts) ? by_alpha : std::min(by_alpha, by_posterior);
}

// A standing that is left again once it is this much weaker.
bool stays(const NoiseCounts& counts, Standing as) { return counts.before == as; }
double share_of(double threshold, const NoiseCounts& counts, Standing as) {
  return stays(counts, as) ? threshold * kStayFactor : threshold;
}
// Below ln E that is wanted of a regression.
double slack_of(const NoiseCounts& counts) {
  return stays(counts, Standing::kRegression) ? std::log(kStayEvidence) : 0;
}

bool is_regression_by_pairs(const NoiseCounts& counts, const NoiseJudgement& judged) {
  const double alpha = legacy_was_seen_to_change(counts) ? kNoisyPairsAlpha : kRegressionAlpha;
  return judged.log_pairs >= -std::log(alpha) - slack_of(counts);
}

bool is_regression_by_confirmations(const NoiseCounts& counts, const NoiseJudgement& judged) {
  return judged.log_confirmations >= log_confirmations_wanted(counts) - slack_of(counts);
}

bool is_regression_by_sides(const NoiseCounts& counts) {
  return counts.log_sides >= -std::log(kRegressionAlpha) - slack_of(counts);
}

bool is_suspected_by_sides(const NoiseCounts& counts) {
  return counts.log_sides >= std::log(kSidesSuspicion);
}

bool is_regression(const NoiseCounts& counts, const NoiseJudgement& judged) {
  return is_regression_by_sides(counts) || is_regression_by_pairs(counts, judged) ||
         is_regression_by_confirmations(counts, judged);
}

bool is_blind(const NoiseCounts& counts) {
  // Towards 1 a factor says nothing: of the rest it is.
  const double rest = share_of(1 - kBlindShare, counts, Standing::kBlind);
  return counts.pairs >= kBlindPairsMin &&
         static_cast<double>(counts.both) > (1 - rest) * static_cast<double>(counts.pairs);
}

bool is_as_noisy(const NoiseCounts& counts, const NoiseJudgement& judged) {
  const double rate = stays(counts, Standing::kNoise) ? kNoiseRateMin / kStayFactor : kNoiseRateMin;
  return judged.noise_rate_least > rate &&
         judged.log_evidence < std::log(share_of(kNoiseEvidenceMax, counts, Standing::kNoise)) &&
         judged.excess_most <= share_of(kNoiseExcessMax, counts, Standing::kNoise);
}

// What held even once is no race, nor what overlaps a write no more often than all else does.
bool is_race(const NoiseCounts& counts, const NoiseJudgement& judged) {
  const std::uint64_t all = counts.confirmations() + counts.raced;
  const double rest = share_of(1 - kRaceShare, counts, Standing::kRace);
  const double alpha = stays(counts, Standing::kRace) ? kRaceAlpha * kStayEvidence : kRaceAlpha;
  return counts.raced >= kRacesMin && counts.held == 0 &&
         static_cast<double>(counts.raced) >= (1 - rest) * static_cast<double>(all) &&
         judged.log_races >= -std::log(alpha);
}

// As long as pairs leave room for a fault of some size nobody knows.
bool is_flaky(const NoiseCounts& counts, const NoiseJudgement& judged) {
  const std::uint64_t all = counts.confirmations();
  const double excess = share_of(kFlakyExcessMax, counts, Standing::kFlaky);
  if (counts.pairs > 0 && judged.excess_most > excess) return false;
  const double held = share_of(1 - kFlakyShare, counts, Standing::kFlaky);
  return all >= kFlakyConfirmationsMin && legacy_was_seen_to_change(counts) &&
         static_cast<double>(all - counts.held) >= (1 - held) * static_cast<double>(all);
}

void measure_pairs(const NoiseCounts& counts, NoiseJudgement& judged) {
  if (counts.pairs == 0) return;
  const auto n = static_cast<double>(counts.pairs);
  const auto b = static_cast<double>(counts.candidate_only);
  const auto c = static_cast<double>(counts.legacy_only);
  judged.excess = (b - c) / n;
  judged.excess_most =
      judged.excess + kUpperQuantile * std::sqrt(std::max(0.0, b + c - (b - c) * (b - c) / n)) / n;
  // Where the candidate never differed alone, it may still do so in three of n.
  judged.excess_most = std::max(judged.excess_most, kRuleOfThree / n);
  judged.noise_rate_least = least_rate(counts.both + counts.legacy_only, counts.pairs);
}

// How many more speaking against the candidate would decide: of confirmations where they get there,
// since these are asked for on purpose.
void measure_needs(const NoiseCounts& counts, double log_wanted, NoiseJudgement& judged) {
  const std::uint64_t others = counts.confirmations() - counts.held;
  const auto held_suffices = [&](std::uint64_t more) {
    return log_of_confirmations(counts.held + more, others, counts.asked) >= log_wanted;
  };
  std::uint64_t low = 0;
  std::uint64_t high = kNeededMax;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    (held_suffices(middle) ? high : low) = held_suffices(middle) ? middle : middle + 1;
  }
  judged.needs = Needs::kConfirmations;
  judged.needed = low;
  if (counts.pairs == 0) return;
  const double alpha =
      std::min(legacy_was_seen_to_change(counts) ? kNoisyPairsAlpha : kRegressionAlpha,
               std::exp(-log_wanted));
  const std::uint64_t wanted =
      SplitEvidence::test_events_needed(alpha, kEvenShare, counts.legacy_only);
  const std::uint64_t pairs = wanted - std::min(wanted, counts.candidate_only);
  if (pairs >= judged.needed && counts.confirmations() > 0) return;
  judged.needs = Needs::kPairs;
  judged.needed = pairs;
}

// How many more exchanges in which only the candidate shows it.
void measure_sides(const NoiseCounts& counts, double log_wanted, NoiseJudgement& judged) {
  SideCounts more = counts.sides;
  judged.needs = Needs::kExchanges;
  for (judged.needed = 0; judged.needed < kSidesNeededMax; ++judged.needed, ++more.candidate) {
    if (log_of_sides(more, counts.watched, counts.asked_again()) >= log_wanted) return;
  }
}

void append_part(std::string& out, const std::string& part) {
  if (!out.empty()) out += "; ";
  out += part;
}

std::string milliseconds(std::int64_t ns) {
  const std::int64_t tenths = (ns < 0 ? -ns : ns) / 100'000;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " ms";
}

std::string race_sentence(const NoiseCounts& counts) {
  const double share = counts.watched == 0 ? 1
                                           : static_cast<double>(counts.overlapped) /
                                                 static_cast<double>(counts.watched);
  const std::string of_all = std::to_string(counts.raced + counts.confirmations());
  std::string out = std::to_string(counts.raced) + " of " + of_all +
                    " asked again overlapped a write and agreed then (" +
                    std::to_string(static_cast<int>(std::lround(share * 100))) +
                    " % of all comparisons overlap one)";
  if (counts.race.write.is_null()) return out;
  return out + ", such as " + counts.race.exchange.to_string() + " with the write " +
         counts.race.write.to_string() + " that began " + milliseconds(counts.race.after_ns) +
         (counts.race.after_ns < 0 ? " before" : " after") + " the client's answer";
}

std::string sides_sentence(const NoiseCounts& counts) {
  const std::string candidate = std::to_string(counts.sides.candidate);
  const std::string legacy = std::to_string(counts.sides.legacy);
  const std::string again = std::to_string(counts.sides.again) + " of " +
                            std::to_string(counts.asked_again()) + " answers to witnesses";
  if (counts.shape.empty()) {
    return "the candidate changes it so in " + candidate +
           " live exchanges, the other way round it is in " + legacy + ", and legacy does it in " +
           again;
  }
  return "only the candidate shows the shape '" + counts.shape + "' in " + candidate +
         " live exchanges, only legacy in " + legacy + ", and in " + again;
}

std::string several(std::uint64_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

}  // namespace

bool is_decided(Standing standing) {
  return standing != Standing::kSuspect && standing != Standing::kUndecided;
}

bool stands_as_field(const NoiseCounts& own, Standing standing, const NoiseCounts& field,
                     Standing field_standing) {
  if (standing == Standing::kRegression) return false;
  return !speaks_for_itself(own, standing) || is_suspected_by_sides(field) ||
         (!is_decided(standing) && field_standing == Standing::kRegression);
}

void NoiseCounts::weigh_transition(std::uint64_t seen, std::uint64_t mirrored) {
  // Races change what is there from one answer to the next; what they leave is not told apart.
  if (raced > 0) return;
  shape.clear();
  sides = {seen, mirrored, both + legacy_only + legacy_changed};
  log_sides = log_of_sides(sides, watched, asked_again());
}

void NoiseCounts::weigh_shapes(const std::map<std::string, SideCounts>& shapes) {
  ShapeEvidence found = judge_shapes(shapes, watched, asked_again());
  shape = std::move(found.shape);
  sides = found.counts;
  log_sides = found.log_evidence;
}

bool speaks_for_itself(const NoiseCounts& counts, Standing standing) {
  return is_decided(standing) ||
         (counts.is_tested() && counts.raced == 0 && !legacy_was_seen_to_change(counts));
}

std::string_view to_string(Standing standing) {
  switch (standing) {
    case Standing::kRegression: return "regression";
    case Standing::kSuspect: return "suspect";
    case Standing::kUndecided: return "undecided";
    case Standing::kBlind: return "blind";
    case Standing::kFlaky: return "flaky";
    case Standing::kRace: return "race";
    case Standing::kNoise: return "noise";
  }
  return "suspect";
}

Standing standing_of(std::string_view word) {
  for (auto one = static_cast<int>(Standing::kRegression);
       one <= static_cast<int>(Standing::kNoise); ++one) {
    const auto standing = static_cast<Standing>(one);
    if (to_string(standing) == word) return standing;
  }
  return Standing::kSuspect;
}

std::string_view to_string(Needs needs) {
  switch (needs) {
    case Needs::kNothing: return "";
    case Needs::kPairs: return "pairs";
    case Needs::kConfirmations: return "confirmations";
    case Needs::kExchanges: return "exchanges";
  }
  return "";
}

NoiseJudgement judge_noise(const NoiseCounts& counts) {
  NoiseJudgement judged;
  judged.log_pairs = log_of_pairs(counts);
  judged.log_confirmations =
      log_of_confirmations(counts.held, counts.confirmations() - counts.held, counts.asked);
  // The mean of what there is; both may stem from one exchange, so they are not multiplied.
  judged.log_evidence = judged.log_pairs;
  if (counts.confirmations() > 0) {
    judged.log_evidence =
        counts.candidate_only + counts.legacy_only == 0
            ? judged.log_confirmations
            : stats::log_mean_exp(std::array{judged.log_pairs, judged.log_confirmations});
  }
  judged.log_races = log_of_races(counts);
  measure_pairs(counts, judged);
  if (is_regression(counts, judged)) {
    judged.standing = Standing::kRegression;
  } else if (is_suspected_by_sides(counts)) {
    judged.standing = Standing::kUndecided;
  } else if (is_blind(counts)) {
    judged.standing = Standing::kBlind;
  } else if (is_as_noisy(counts, judged)) {
    judged.standing = Standing::kNoise;
  } else if (is_race(counts, judged)) {
    judged.standing = Standing::kRace;
  } else if (is_flaky(counts, judged)) {
    judged.standing = Standing::kFlaky;
  } else if (counts.is_tested()) {
    judged.standing = Standing::kUndecided;
  }
  if (judged.standing == Standing::kUndecided && is_suspected_by_sides(counts)) {
    measure_sides(counts, -std::log(kRegressionAlpha), judged);
  } else if (judged.standing == Standing::kSuspect || judged.standing == Standing::kUndecided) {
    measure_needs(counts, log_confirmations_wanted(counts), judged);
  }
  return judged;
}

std::vector<NoiseJudgement> judge_noise(const std::vector<NoiseCounts>& paths) {
  std::vector<NoiseJudgement> out;
  out.reserve(paths.size());
  std::vector<double> logs;  // of what was tested
  for (const NoiseCounts& counts : paths) {
    out.push_back(judge_noise(counts));
    if (counts.is_tested()) logs.push_back(out.back().log_evidence);
  }
  const auto sided =
      static_cast<double>(std::count_if(paths.begin(), paths.end(), [](const NoiseCounts& counts) {
        return counts.sides.candidate + counts.sides.legacy > 0 && counts.asked_again() > 0;
      }));
  const double log_sides_least =
      std::max(-std::log(kRegressionAlpha), std::log(std::max(1.0, sided) / kFalseDiscoveryRate));
  std::sort(logs.begin(), logs.end(), std::greater<>());
  // The largest k whose k-th strongest evidence reaches K / (rate * k); K / rate where none does.
  const auto all = static_cast<double>(std::max<std::size_t>(logs.size(), 1));
  double log_least = std::log(all / kFalseDiscoveryRate);
  for (std::size_t k = logs.size(); k > 0; --k) {
    const double wanted = std::log(all / (kFalseDiscoveryRate * static_cast<double>(k)));
    if (logs[k - 1] < wanted) continue;
    log_least = wanted;
    break;
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    NoiseJudgement& judged = out[i];
    const double slack = slack_of(paths[i]);
    if (judged.standing != Standing::kRegression || paths[i].log_sides >= log_sides_least - slack) {
      continue;
    }
    const bool has_witnesses = is_regression_by_pairs(paths[i], judged) ||
                               is_regression_by_confirmations(paths[i], judged);
    if (has_witnesses && judged.log_evidence >= log_least - slack) continue;
    judged.standing = Standing::kUndecided;
    if (!has_witnesses) {
      measure_sides(paths[i], log_sides_least, judged);
      continue;
    }
    measure_needs(paths[i], std::log(all / kFalseDiscoveryRate), judged);
  }
  return out;
}

std::string noise_sentence(const NoiseCounts& counts, const NoiseJudgement& judged) {
  std::string out;
  if (counts.confirmations() > 0) {
    out = "asked both again for " + several(counts.confirmations(), "exchange", "exchanges") +
          ": held in " + std::to_string(counts.held) + ", cleared in " +
          std::to_string(counts.cleared) + ", legacy itself changed in " +
          std::to_string(counts.legacy_changed);
  }
  if (counts.pairs > 0) {
    append_part(out, several(counts.pairs, "control pair", "control pairs") +
                         ": only the candidate differed in " +
                         std::to_string(counts.candidate_only) + ", only legacy asked again in " +
                         std::to_string(counts.legacy_only) + ", both in " +
                         std::to_string(counts.both));
  }
  if (counts.raced > 0) append_part(out, race_sentence(counts));
  if (is_suspected_by_sides(counts)) append_part(out, sides_sentence(counts));
  if (out.empty()) out = "seen in live traffic only, not asked again so far";
  const std::uint64_t needed_max = judged.needs == Needs::kExchanges ? kSidesNeededMax : kNeededMax;
  if (judged.needs != Needs::kNothing && judged.needed > 0 && judged.needed < needed_max) {
    append_part(
        out, "needs about " + std::to_string(judged.needed) +
                 (judged.needs == Needs::kPairs ? " more pairs in which only the candidate differs"
                  : judged.needs == Needs::kExchanges ? " more such exchanges"
                                                      : " more that hold"));
  }
  return out;
}

}  // namespace banyan::comparator
