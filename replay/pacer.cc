// SPDX-License-Identifier: Apache-2.0
#include "replay/pacer.h"

#include <algorithm>

namespace banyan::replay {

void Pacer::on_arrival(std::int64_t started_mono_ns) {
  const std::int64_t window = started_mono_ns / kWindowNs;
  // Workers' records interleave, so an arrival may belong to the window before: it counts here. A
  // much older one is of another boot, where monotonic time began anew.
  if (window_ >= 0 && window <= window_ && window_ - window < 20) {
    ++in_window_;
    return;
  }
  if (window_ >= 0) {
    const double seen = static_cast<double>(in_window_) * 1e9 / static_cast<double>(kWindowNs);
    rate_ = rate_ == 0 ? seen : 0.5 * rate_ + 0.5 * seen;
  }
  window_ = window;
  in_window_ = 1;
}

double Pacer::arrival_rate(std::int64_t now_mono_ns, bool is_at_end) const {
  if (is_at_end && now_mono_ns / kWindowNs > window_ + 4) return 0;
  return rate_;
}

void Pacer::refill(std::int64_t now_mono_ns, bool is_catching_up, bool is_at_end) {
  double rate = rate_per_second_;
  if (is_catching_up && catch_up_ > 0) {
    const double arriving = arrival_rate(now_mono_ns, is_at_end);
    const double paced = std::max(catch_up_ * arriving, kCatchUpRateMin);
    if (arriving > 0) rate = rate > 0 ? std::min(rate, paced) : paced;
  }
  is_limited_ = rate > 0;
  if (is_limited_ && refilled_ns_ >= 0) {
    const double elapsed = static_cast<double>(now_mono_ns - refilled_ns_) / 1e9;
    tokens_ =
        std::min(tokens_ + std::max(elapsed, 0.0) * rate, std::max(1.0, rate * kBurstSeconds));
  }
  refilled_ns_ = now_mono_ns;
}

}  // namespace banyan::replay
