// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

namespace banyan::net {

// A burst, and so much again each second: what a peer may do that costs us and brings it nothing.
// Loop-confined.
class RateBudget {
 public:
  RateBudget(std::uint32_t burst, std::uint32_t per_second)
      : burst_(burst), per_second_(per_second), left_(burst) {}
  // False: spent.
  bool take(std::int64_t now_ns) {
    refill(now_ns);
    if (left_ < 1) return false;
    left_ -= 1;
    return true;
  }
  // Something useful was done, which explains some more.
  void give(double count) { left_ = std::min<double>(burst_, left_ + count); }

 private:
  void refill(std::int64_t now_ns) {
    if (since_ns_ != 0 && now_ns > since_ns_) {
      give(static_cast<double>(now_ns - since_ns_) * 1e-9 * per_second_);
    }
    since_ns_ = now_ns;
  }

  std::uint32_t burst_;
  std::uint32_t per_second_;
  double left_;
  std::int64_t since_ns_ = 0;
};

}  // namespace banyan::net
