// SPDX-License-Identifier: Apache-2.0
#include "comparator/latency_histogram.h"

#include <array>
#include <bit>
#include <limits>

namespace banyan::comparator {
namespace {

// A duration's place by its highest bits: the exponent and the kFineBits below its first one.
// Within one place durations differ by 3 % at most, so that the bucket is a step or two behind the
// first.
constexpr unsigned kFineBits = 5;

std::size_t bits_of(std::uint64_t duration_ns) {
  const auto exponent = static_cast<unsigned>(std::bit_width(duration_ns)) - 1;
  const std::uint64_t fine = (duration_ns >> (exponent - kFineBits)) & ((1U << kFineBits) - 1);
  return (std::size_t{exponent} << kFineBits) | fine;
}

struct BucketTable {
  std::array<std::int64_t, LatencyHistogram::kBucketMax + 1> last_ns;    // of each bucket
  std::array<std::uint16_t, std::size_t{64} << kFineBits> first_bucket;  // of each place

  BucketTable() {
    for (int i = 0; i < LatencyHistogram::kBucketMax; ++i) {
      last_ns[static_cast<std::size_t>(i)] =
          static_cast<std::int64_t>(1'000.0 * std::pow(LatencyHistogram::kGamma, i));
    }
    last_ns.back() = std::numeric_limits<std::int64_t>::max();
    std::uint16_t bucket = 0;
    for (std::size_t place = 0; place < first_bucket.size(); ++place) {
      const std::size_t exponent = place >> kFineBits;
      const std::uint64_t fine = place & ((1U << kFineBits) - 1);
      if (exponent >= kFineBits && exponent < 63) {
        const auto lowest =
            static_cast<std::int64_t>((fine | (1U << kFineBits)) << (exponent - kFineBits));
        while (last_ns[bucket] < lowest) ++bucket;
      }
      first_bucket[place] = bucket;
    }
  }
};

}  // namespace

int LatencyHistogram::bucket_of(std::int64_t duration_ns) {
  static const BucketTable table;
  if (duration_ns <= 1'000) return 0;
  std::size_t bucket = table.first_bucket[bits_of(static_cast<std::uint64_t>(duration_ns))];
  while (table.last_ns[bucket] < duration_ns) ++bucket;
  return static_cast<int>(bucket);
}

}  // namespace banyan::comparator
