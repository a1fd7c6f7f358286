// SPDX-License-Identifier: Apache-2.0
#include "admin/rate_meter.h"

#include <gtest/gtest.h>

namespace banyan::admin {
namespace {

constexpr std::int64_t kHalfSecond = 500'000'000;

TEST(RateMeter, NeedsTwoSamples) {
  RateMeter meter;
  EXPECT_EQ(meter.per_second(), 0);
  meter.note(kHalfSecond, 100);
  EXPECT_EQ(meter.per_second(), 0);
  meter.note(2 * kHalfSecond, 150);
  EXPECT_DOUBLE_EQ(meter.per_second(), 100);
}

TEST(RateMeter, ForgetsWhatIsOlderThanItsWindow) {
  RateMeter meter;
  std::int64_t now = 0;
  std::uint64_t total = 0;
  for (int i = 0; i < 100; ++i) meter.note(now += kHalfSecond, total += 1000);
  EXPECT_DOUBLE_EQ(meter.per_second(), 2000);
  for (std::size_t i = 0; i + 1 < RateMeter::kSamples; ++i) meter.note(now += kHalfSecond, total);
  EXPECT_DOUBLE_EQ(meter.per_second(), 0);
}

TEST(RateMeter, ACounterThatWentBackHasNoRate) {
  RateMeter meter;
  meter.note(kHalfSecond, 100);
  meter.note(2 * kHalfSecond, 10);
  EXPECT_EQ(meter.per_second(), 0);
}

}  // namespace
}  // namespace banyan::admin
