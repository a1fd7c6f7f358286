// SPDX-License-Identifier: Apache-2.0
#include "core/stats/split_evidence.h"

#include <algorithm>
#include <cmath>

#include "core/stats/log_mean.h"

namespace banyan::stats {
namespace {

constexpr double kRatioMin = 1e-6;
constexpr double kRatioMax = 1e6;
constexpr double kAlphaMin = 1e-300;

double log_evidence_least(double alpha) { return -std::log(std::clamp(alpha, kAlphaMin, 1.0)); }

}  // namespace

SplitEvidence::SplitEvidence(double ratio_max)
    : ratio_max_(std::isfinite(ratio_max) ? std::clamp(ratio_max, kRatioMin, kRatioMax) : 1.0) {}

// ln(q(r,w) / q(r0,w)) with the fraction written out: finite for every w of 0..1, its ends
// included.
SplitEvidence::Logs SplitEvidence::increments(Arm arm, double test_share) const {
  Logs out;
  const double others = 1.0 - test_share;
  for (std::size_t k = 0; k < kFactors.size(); ++k) {
    const double ratio = ratio_max_ * kFactors[k];
    out[k] = std::log((ratio_max_ * test_share + others) / (ratio * test_share + others));
    if (arm == Arm::kTest) out[k] += std::log(kFactors[k]);
  }
  return out;
}

void SplitEvidence::add(Arm arm, double test_share, std::uint64_t count) {
  if (std::isnan(test_share) || count == 0) return;
  const Logs step = increments(arm, std::clamp(test_share, 0.0, 1.0));
  const auto times = static_cast<double>(count);
  for (std::size_t k = 0; k < step.size(); ++k) {
    plain_[k] += times * step[k];
    // The same as `count` times: watch = max(0, watch) + step.
    const double before_last = std::max(0.0, watch_[k]) + (times - 1) * step[k];
    watch_[k] = std::max(0.0, before_last) + step[k];
  }
}

double SplitEvidence::log_evidence() const { return log_mean_exp(plain_); }
double SplitEvidence::log_watch() const { return log_mean_exp(watch_); }

bool SplitEvidence::rejects(double alpha) const {
  return log_evidence() >= log_evidence_least(alpha);
}

bool SplitEvidence::alarms(double alpha, double events_of_stage) const {
  return log_watch() >= log_evidence_least(alpha) + std::log(std::max(1.0, events_of_stage));
}

void SplitEvidence::restart_plain() { plain_.fill(0); }

std::uint64_t SplitEvidence::test_events_needed(double alpha, double test_share,
                                                std::uint64_t control_events, double ratio_max) {
  SplitEvidence after_control(ratio_max);
  after_control.add(Arm::kControl, test_share, control_events);
  const auto suffices = [&](std::uint64_t events) {
    SplitEvidence evidence = after_control;
    evidence.add(Arm::kTest, test_share, events);
    return evidence.rejects(alpha);
  };
  // Each event on the test arm raises every term, so the answer can be searched by halves.
  std::uint64_t low = 0;
  std::uint64_t high = kEventsMax;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (suffices(middle)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

}  // namespace banyan::stats
