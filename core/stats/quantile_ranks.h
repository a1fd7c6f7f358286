// SPDX-License-Identifier: Apache-2.0
//
// Between which ranks of a sorted sample the true quantile lies, by order statistics: about how
// many of n values lie below the quantile is binomial, whatever the values look like. Any thread.
#pragma once

#include <cstdint>
#include <optional>

namespace banyan::stats {

// Ranks count from 1. Without a rank the sample is too small to say anything on that side.
struct QuantileRanks {
  std::uint64_t at = 0;  // of the quantile itself; 0 for an empty sample
  std::optional<std::uint64_t> lower, upper;
};

// Two-sided 95 %: n share -+ 1.96 sqrt(n share (1 - share)), rounded outwards. Near the ends of a
// small sample its least or greatest value serves while it covers the quantile by itself.
QuantileRanks quantile_ranks(std::uint64_t count, double share);

}  // namespace banyan::stats
