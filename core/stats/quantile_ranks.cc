// SPDX-License-Identifier: Apache-2.0
#include "core/stats/quantile_ranks.h"

#include <algorithm>
#include <cmath>

namespace banyan::stats {
namespace {

constexpr double kTail = 0.025;
constexpr double kDeviations = 1.959963984540054;

}  // namespace

QuantileRanks quantile_ranks(std::uint64_t count, double share) {
  QuantileRanks ranks;
  if (count == 0 || !(share > 0 && share < 1)) return ranks;
  const auto n = static_cast<double>(count);
  const double middle = n * share;
  const double width = kDeviations * std::sqrt(middle * (1 - share));
  ranks.at = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(middle)), 1, count);
  const double lower = std::floor(middle - width);
  const double upper = std::ceil(middle + width) + 1;
  if (lower >= 1) {
    ranks.lower = static_cast<std::uint64_t>(lower);
  } else if (n * std::log1p(-share) <= std::log(kTail)) {
    ranks.lower = 1;
  }
  if (upper <= n) {
    ranks.upper = static_cast<std::uint64_t>(upper);
  } else if (n * std::log(share) <= std::log(kTail)) {
    ranks.upper = count;
  }
  return ranks;
}

}  // namespace banyan::stats
