// SPDX-License-Identifier: Apache-2.0
//
// Whether the recorder thread has more to do than it gets done. How much is written says little
// about that: a disk and a core take 100 MB/s with half of their time left.
#pragma once

#include <cstdint>

namespace banyan::recorder {

// Judged over so long at least.
inline constexpr std::int64_t kRushWindowNs = 20'000'000;
// In a rush it naps for less than this part of the time.
inline constexpr std::int64_t kRushNapParts = 8;

// Monotonic times. One thread.
class RushGauge {
 public:
  explicit RushGauge(std::int64_t now_ns = 0) : since_ns_(now_ns) {}

  void add_nap(std::int64_t ns) { napped_ns_ += ns; }
  // True once per window that was a rush.
  bool look(std::int64_t now_ns) {
    const std::int64_t passed_ns = now_ns - since_ns_;
    if (passed_ns < kRushWindowNs) return false;
    const bool is_rush = napped_ns_ < passed_ns / kRushNapParts;
    since_ns_ = now_ns;
    napped_ns_ = 0;
    return is_rush;
  }

 private:
  std::int64_t since_ns_ = 0;
  std::int64_t napped_ns_ = 0;
};

}  // namespace banyan::recorder
