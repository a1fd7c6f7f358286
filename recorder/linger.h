// SPDX-License-Identifier: Apache-2.0
//
// How long the recorder thread sleeps between cuts while records keep coming, so that nobody pays a
// wake-up. Where nobody waits for what is written, larger cuts save most of what each costs by
// itself.
#pragma once

#include <algorithm>
#include <cstdint>

namespace banyan::recorder {

inline constexpr std::int64_t kAwaitedLingerNs = 1'000'000;
inline constexpr std::int64_t kUnawaitedLingerNs = 6'000'000;
// So many cuts in a row that nobody had waited for: a follower may just be at work on the last one.
inline constexpr int kUnawaitedCuts = 3;

class Linger {
 public:
  void note_cut(bool was_awaited) {
    unawaited_ = was_awaited ? 0 : std::min(unawaited_ + 1, kUnawaitedCuts);
  }
  std::int64_t ns() const {
    return unawaited_ < kUnawaitedCuts ? kAwaitedLingerNs : kUnawaitedLingerNs;
  }

 private:
  int unawaited_ = 0;  // in a row
};

}  // namespace banyan::recorder
