// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

namespace banyan::proxy {

// The least that a peer has to move while we wait for it, as time that it earns: it begins with a
// grace, each byte adds what it may take at the floor, and waiting uses it up. What it can save is
// capped, so that a burst buys no more than the longest silence. A deadline on silence alone lets a
// peer that moves a byte now and then hold its place for days. Loop-confined.
class RateFloor {
 public:
  struct Rules {
    std::uint64_t bytes_per_second = 0;  // 0: no floor
    std::int64_t grace_ns = 0;
    std::int64_t saved_max_ns = 0;
  };

  // The wait begins, or goes on after we held the peer back ourselves.
  void start(std::int64_t now_ns, const Rules& rules) {
    if (is_waiting_) return;
    is_waiting_ = true;
    since_ns_ = now_ns;
    left_ns_ = rules.grace_ns;
  }
  void stop() { is_waiting_ = false; }
  void moved(std::uint64_t bytes, const Rules& rules) {
    if (!is_waiting_ || rules.bytes_per_second == 0) return;
    const double earned =
        static_cast<double>(bytes) * 1e9 / static_cast<double>(rules.bytes_per_second);
    const double most = static_cast<double>(std::max(rules.saved_max_ns, rules.grace_ns));
    left_ns_ = static_cast<std::int64_t>(std::min(most, static_cast<double>(left_ns_) + earned));
  }
  // Asked now and then: true once its time is used up.
  bool is_below(std::int64_t now_ns, const Rules& rules) {
    if (!is_waiting_ || rules.bytes_per_second == 0) return false;
    left_ns_ -= now_ns - since_ns_;
    since_ns_ = now_ns;
    return left_ns_ < 0;
  }

 private:
  std::int64_t since_ns_ = 0;
  std::int64_t left_ns_ = 0;
  bool is_waiting_ = false;
};

}  // namespace banyan::proxy
