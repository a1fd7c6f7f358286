// SPDX-License-Identifier: Apache-2.0
#include "recorder/retention.h"

#include <algorithm>

namespace banyan::recorder {
namespace {

std::uint64_t min_free(const RetentionInput& input, const RecorderOptions& options) {
  if (options.min_free_bytes > 0) return options.min_free_bytes;
  return static_cast<std::uint64_t>(static_cast<double>(input.space->total_bytes) *
                                    options.min_free_ratio);
}

}  // namespace

std::size_t count_expired(const RetentionInput& input, const RecorderOptions& options) {
  if (input.segments.size() < 2) return 0;
  const std::size_t sealed = input.segments.size() - 1;
  std::uint64_t total = 0;
  for (const auto& segment : input.segments) total += segment->bytes();
  std::uint64_t missing = 0;
  if (input.space) {
    const std::uint64_t floor = min_free(input, options);
    missing = floor - std::min(floor, input.space->free_bytes);
  }
  std::size_t count = 0;
  std::uint64_t freed = 0;
  for (; count < sealed; ++count) {
    const Segment& oldest = *input.segments[count];
    // Its newest record is no younger than the beginning of the next segment.
    const std::int64_t ended_ns = input.segments[count + 1]->header().created_wall_ns;
    const bool is_old = ended_ns <= input.now_wall_ns - options.retention_age_ns;
    const bool is_pinned = input.pinned && *input.pinned < oldest.end();
    const bool is_over_size = total - freed > options.retention_bytes;
    const bool is_disk_short = freed < missing;
    if (!(is_over_size || is_disk_short || (is_old && !is_pinned))) break;
    freed += oldest.bytes();
  }
  return count;
}

}  // namespace banyan::recorder
