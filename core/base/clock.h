// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

namespace banyan {

// Both clocks of one instant. Wall time is for people; order and durations use monotonic time.
struct Instant {
  std::int64_t wall_ns = 0;  // since 1970-01-01 UTC
  std::int64_t mono_ns = 0;  // CLOCK_MONOTONIC of this boot
};

// Any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t wall_ns() const = 0;
  virtual std::int64_t mono_ns() const = 0;
  Instant now() const { return Instant{wall_ns(), mono_ns()}; }
};

class SystemClock final : public Clock {
 public:
  std::int64_t wall_ns() const override;
  std::int64_t mono_ns() const override;
  static SystemClock& instance();
};

// For tests: stands still until it is moved. Any thread.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::int64_t wall_ns = 1'700'000'000'000'000'000,
                       std::int64_t mono_ns = 1'000'000'000)
      : wall_ns_(wall_ns), mono_ns_(mono_ns) {}
  std::int64_t wall_ns() const override { return wall_ns_.load(); }
  std::int64_t mono_ns() const override { return mono_ns_.load(); }
  void advance_ns(std::int64_t by) {
    wall_ns_ += by;
    mono_ns_ += by;
  }
  // Somebody sets the clock, forwards or back; monotonic time knows nothing of it.
  void jump_wall_ns(std::int64_t by) { wall_ns_ += by; }

 private:
  std::atomic<std::int64_t> wall_ns_;
  std::atomic<std::int64_t> mono_ns_;
};

}  // namespace banyan
