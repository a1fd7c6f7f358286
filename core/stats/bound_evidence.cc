// SPDX-License-Identifier: Apache-2.0
#include "core/stats/bound_evidence.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/stats/log_mean.h"

namespace banyan::stats {
namespace {

constexpr double kConfidenceMax = 1.0 - 1e-15;

double log_threshold(double confidence) {
  return -std::log1p(-std::clamp(confidence, 0.0, kConfidenceMax));
}

}  // namespace

BoundEvidence::BoundEvidence(double rate_max)
    : rate_max_(std::isnan(rate_max) ? kRateMin : std::clamp(rate_max, kRateMin, kRateMax)) {
  for (std::size_t j = 0; j < kShares.size(); ++j) {
    log_clean_[j] = std::log1p(-kShares[j] * rate_max_) - std::log1p(-rate_max_);
  }
}

double BoundEvidence::log_evidence(Trials trials) const {
  const std::uint64_t hits = std::min(trials.hits, trials.count);
  const auto clean = static_cast<double>(trials.count - hits);
  std::array<double, kShares.size()> logs;
  for (std::size_t j = 0; j < kShares.size(); ++j) {
    logs[j] = clean * log_clean_[j];
    if (hits == 0) continue;
    // ln 0: the alternative "never" is refuted by one hit.
    logs[j] = kShares[j] == 0 ? -std::numeric_limits<double>::infinity()
                              : logs[j] + static_cast<double>(hits) * std::log(kShares[j]);
  }
  return log_mean_exp(logs);
}

bool BoundEvidence::is_below(Trials trials, double confidence) const {
  return log_evidence(trials) >= log_threshold(confidence);
}

std::uint64_t BoundEvidence::clean_trials_needed(Trials trials, double confidence) const {
  trials.hits = std::min(trials.hits, trials.count);
  // Every trial without a hit raises every term, so the answer can be searched by halves.
  std::uint64_t low = 0;
  std::uint64_t high = kTrialsMax;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (is_below({trials.count + middle, trials.hits}, confidence)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

// The evidence grows with rate_max in every term, so the smallest rate that it refutes is found by
// halves. Logarithmic steps: rates of 1e-9 matter as much as those of 0.5.
double rate_upper_bound(Trials trials, double confidence) {
  if (!BoundEvidence(BoundEvidence::kRateMax).is_below(trials, confidence)) return 1;
  double low = std::log(BoundEvidence::kRateMin);
  double high = std::log(BoundEvidence::kRateMax);
  constexpr int kSteps = 60;
  for (int i = 0; i < kSteps; ++i) {
    const double middle = (low + high) / 2;
    if (BoundEvidence(std::exp(middle)).is_below(trials, confidence)) {
      high = middle;
    } else {
      low = middle;
    }
  }
  return std::exp(high);
}

}  // namespace banyan::stats
