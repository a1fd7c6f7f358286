// SPDX-License-Identifier: Apache-2.0
//
// How fast copies may be sent: a fixed rate where one is configured, and, while catching up, a
// multiple of the rate at which traffic arrives. With no live traffic only the number in flight
// limits. Pure; times are given by the caller (monotonic). Loop-confined.
#pragma once

#include <cstdint>

namespace banyan::replay {

class Pacer {
 public:
  Pacer(double rate_per_second, double catch_up)
      : rate_per_second_(rate_per_second), catch_up_(catch_up) {}

  void reconfigure(double rate_per_second, double catch_up) {
    rate_per_second_ = rate_per_second;
    catch_up_ = catch_up;
  }

  // An exchange whose copy is due was read; `started` is when its head arrived.
  void on_arrival(std::int64_t started_mono_ns);
  // Arrivals per second. `is_at_end`: everything in the log was read, so silence means no traffic;
  // behind the end it is the rate of what is being read.
  double arrival_rate(std::int64_t now_mono_ns, bool is_at_end) const;
  // Call once before a round of sending.
  void refill(std::int64_t now_mono_ns, bool is_catching_up, bool is_at_end);
  bool may_send() const { return !is_limited_ || tokens_ >= 1; }
  void on_sent() {
    if (is_limited_) tokens_ -= 1;
  }
  // True if only the rate holds sending back, so that the caller asks again soon.
  bool is_limited() const { return is_limited_; }

 private:
  static constexpr std::int64_t kWindowNs = 500'000'000;
  // Catching up is never slower than this: with hardly any traffic a multiple of it would be hardly
  // anything, while with none at all there is no limit.
  static constexpr double kCatchUpRateMin = 20;
  // Unused allowance kept, as a share of a second.
  static constexpr double kBurstSeconds = 0.1;

  double rate_per_second_;
  double catch_up_;
  std::int64_t window_ = -1;
  std::uint64_t in_window_ = 0;
  double rate_ = 0;  // smoothed, of whole windows
  std::int64_t refilled_ns_ = -1;
  double tokens_ = 1;
  bool is_limited_ = false;
};

}  // namespace banyan::replay
