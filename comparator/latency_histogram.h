// SPDX-License-Identifier: Apache-2.0
//
// Log-linear buckets with a fixed relative error, so that histograms of any time add up.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <optional>

#include "core/stats/quantile_ranks.h"

namespace banyan::comparator {

// Without a bound the sample is too small to give one.
struct LatencyRange {
  std::optional<double> lower_ms, upper_ms;
};

class LatencyHistogram {
 public:
  static constexpr double kGamma = 1.02;  // values of a bucket lie within 1 % of its middle

  static constexpr int kBucketMax = 1400;

  // Bucket 0 holds all up to 1 µs, the last one all above about 11 days.
  static int bucket_of(std::int64_t duration_ns);
  static double middle_ms(int bucket) {
    return bucket <= 0 ? 0.001 : 0.001 * std::pow(kGamma, bucket) * 2.0 / (1.0 + kGamma);
  }
  void add(int bucket, std::uint64_t count) {
    counts_[bucket] += count;
    total_ += count;
  }
  std::uint64_t total() const { return total_; }
  // The value of a rank, counted from 1; 0 where nothing was added.
  double at_rank_ms(std::uint64_t rank) const {
    std::uint64_t seen = 0;
    for (const auto& [bucket, count] : counts_) {
      seen += count;
      if (seen >= rank) return middle_ms(bucket);
    }
    return counts_.empty() ? 0 : middle_ms(counts_.rbegin()->first);
  }
  // Where the true quantile lies with 95 % confidence.
  LatencyRange range_ms(double share) const {
    const stats::QuantileRanks ranks = stats::quantile_ranks(total_, share);
    LatencyRange range;
    if (ranks.lower) range.lower_ms = at_rank_ms(*ranks.lower);
    if (ranks.upper) range.upper_ms = at_rank_ms(*ranks.upper);
    return range;
  }
  // `share` in 0..1; 0 where nothing was added.
  double quantile_ms(double share) const {
    if (total_ == 0) return 0;
    const double rank = share * static_cast<double>(total_ - 1);
    double seen = 0;
    for (const auto& [bucket, count] : counts_) {
      seen += static_cast<double>(count);
      if (seen > rank) return middle_ms(bucket);
    }
    return middle_ms(counts_.rbegin()->first);
  }

 private:
  std::map<int, std::uint64_t> counts_;
  std::uint64_t total_ = 0;
};

}  // namespace banyan::comparator
