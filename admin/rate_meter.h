// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace banyan::admin {

// How fast a counter grows, over about the last ten seconds. One thread.
class RateMeter {
 public:
  static constexpr std::size_t kSamples = 21;  // at two a second

  void note(std::int64_t mono_ns, std::uint64_t total) {
    samples_[noted_++ % kSamples] = {mono_ns, total};
  }

  // 0 before two samples were noted, and where the counter was set back.
  double per_second() const {
    if (noted_ < 2) return 0;
    const Sample& last = samples_[(noted_ - 1) % kSamples];
    const Sample& first = samples_[noted_ < kSamples ? 0 : noted_ % kSamples];
    if (last.mono_ns <= first.mono_ns || last.total < first.total) return 0;
    return static_cast<double>(last.total - first.total) * 1e9 /
           static_cast<double>(last.mono_ns - first.mono_ns);
  }

 private:
  struct Sample {
    std::int64_t mono_ns = 0;
    std::uint64_t total = 0;
  };
  std::array<Sample, kSamples> samples_;
  std::size_t noted_ = 0;
};

}  // namespace banyan::admin
