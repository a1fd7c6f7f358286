// SPDX-License-Identifier: Apache-2.0
#include "replay/witness_budget.h"

namespace banyan::replay {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
// Of the distance to what is measured now, each second: usual times follow within minutes, and
// while legacy is slow ten times as slowly.
constexpr double kFollows = 0.05;
constexpr double kFollowsSlowly = 0.005;

}  // namespace

void WitnessBudget::configure(double share, double floor_per_second) {
  share_ = share;
  floor_ = floor_per_second;
  if (share_ <= 0 && floor_ <= 0) tokens_ = 0;
}

void WitnessBudget::on_exchange(std::int64_t now_ns) {
  if (now_ns - second_ns_ >= kSecond) {
    saved_max_ = std::max(kSavedMin, share_ * static_cast<double>(exchanges_));
    second_ns_ = now_ns;
    exchanges_ = 0;
  }
  ++exchanges_;
  tokens_ = std::min(saved_max_, tokens_ + share_);
}

void WitnessBudget::on_time(std::int64_t now_ns) {
  if (at_ns_ >= 0 && now_ns > at_ns_) {
    const double seconds = static_cast<double>(now_ns - at_ns_) / static_cast<double>(kSecond);
    tokens_ = std::min(saved_max_, tokens_ + floor_ * seconds);
  }
  at_ns_ = std::max(at_ns_, now_ns);
}

void SlowWatch::add(std::int64_t duration_ns) {
  last_[count_ % kAnswers] = duration_ns;
  ++count_;
  ++fresh_;
}

void SlowWatch::on_time(std::int64_t now_ns) {
  if (now_ns - looked_ns_ < kSecond) return;
  looked_ns_ = now_ns;
  const std::size_t size = std::min(count_, kAnswers);
  if (size < kAnswersMin || fresh_ == 0) {
    // Nobody knows; the floor of the budget is what may be asked then.
    is_slow_ = false;
    return;
  }
  fresh_ = 0;
  std::vector<std::int64_t> sorted(last_.begin(),
                                   last_.begin() + static_cast<std::ptrdiff_t>(size));
  const auto at = sorted.begin() + static_cast<std::ptrdiff_t>((size * 99) / 100);
  std::nth_element(sorted.begin(), at, sorted.end());
  const auto now = static_cast<double>(*at);
  if (usual_ns_ == 0) usual_ns_ = now;
  is_slow_ = now > usual_ns_ * kSlower + kSlackNs;
  usual_ns_ += (now - usual_ns_) * (is_slow_ ? kFollowsSlowly : kFollows);
}

}  // namespace banyan::replay
