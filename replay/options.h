// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace banyan::replay {

// [noise]: witnesses, copies of safe requests that are sent only to learn how stable answers are.
struct NoiseOptions {
  unsigned confirm = 2;         // times both systems are asked again where they differed; 0: never
  double legacy_budget = 0.02;  // questions to legacy, as a share of live safe exchanges …
  double legacy_floor = 2;      // … and so many a second in any case
  double control = 0.01;  // share of safe exchanges legacy is asked again for, within the budget
  // Share of mirrored safe exchanges the twin is asked for, where there is one; then legacy gets no
  // controls.
  double twin = 1.0;
  std::size_t queue_max = 1024;    // exchanges that wait for their questions, of either reason
  std::size_t in_flight_max = 16;  // exchanges that are asked at once
};

struct MirrorOptions {
  NoiseOptions noise;
  std::size_t in_flight_max = 256;
  std::int64_t deadline_ns = 30'000'000'000;        // of one copy, from its first byte sent
  std::int64_t read_staleness_ns = 10'000'000'000;  // older reads are skipped, writes never
  double rate_per_second = 0;                       // 0: no limit
  double catch_up = 2.0;                            // × live
  std::size_t pending_max = 65536;                  // copies known and not yet ended
  std::uint64_t body_bytes_max = 64ULL << 20;       // larger: skipped body_too_large
};

}  // namespace banyan::replay
