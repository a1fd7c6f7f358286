// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace banyan::replay {

struct MirrorOptions {
  std::size_t in_flight_max = 256;
  std::int64_t deadline_ns = 30'000'000'000;        // of one copy, from its first byte sent
  std::int64_t read_staleness_ns = 10'000'000'000;  // older reads are skipped, writes never
  double rate_per_second = 0;                       // 0: no limit
  double catch_up = 2.0;                            // × live
  std::size_t pending_max = 65536;                  // copies known and not yet ended
  std::uint64_t body_bytes_max = 64ULL << 20;       // larger: skipped body_too_large
};

}  // namespace banyan::replay
