// SPDX-License-Identifier: Apache-2.0
#include "proxy/rate_floor.h"
#include "tests/support/times.h"

#include <gtest/gtest.h>

namespace banyan::proxy {
namespace {

constexpr RateFloor::Rules kRules{256, 10 * kSecond, 30 * kSecond};

TEST(RateFloorTest, SilenceIsBelowAfterItsGrace) {
  RateFloor floor;
  floor.start(100, kRules);
  EXPECT_FALSE(floor.is_below(100 + 10 * kSecond, kRules));
  EXPECT_TRUE(floor.is_below(101 + 10 * kSecond, kRules));
}

TEST(RateFloorTest, ExactlyTheFloorHoldsForEver) {
  RateFloor floor;
  floor.start(0, kRules);
  for (std::int64_t second = 1; second <= 3600; ++second) {
    floor.moved(256, kRules);
    EXPECT_FALSE(floor.is_below(second * kSecond, kRules)) << second;
  }
}

TEST(RateFloorTest, OneByteASecondLessIsBelowInTheEnd) {
  RateFloor floor;
  floor.start(0, kRules);
  std::int64_t second = 0;
  do {
    floor.moved(255, kRules);
  } while (!floor.is_below(++second * kSecond, kRules) && second < 10'000);
  EXPECT_GT(second, 2000);  // The grace lasts 256 times as long at 255/256 of the floor.
  EXPECT_LT(second, 3000);
}

TEST(RateFloorTest, OneByteNowAndThenIsNoWayToStay) {
  RateFloor floor;
  floor.start(0, kRules);
  std::int64_t second = 0;
  do {
    if (++second % 9 == 0) floor.moved(1, kRules);
  } while (!floor.is_below(second * kSecond, kRules) && second < 1000);
  EXPECT_LE(second, 11);
}

TEST(RateFloorTest, ABurstBuysNoMoreThanTheLongestSilence) {
  RateFloor floor;
  floor.start(0, kRules);
  floor.moved(1 << 30, kRules);
  EXPECT_FALSE(floor.is_below(30 * kSecond, kRules));
  EXPECT_TRUE(floor.is_below(30 * kSecond + 1, kRules));
}

TEST(RateFloorTest, TimeInWhichWeHoldThePeerBackDoesNotCount) {
  RateFloor floor;
  floor.start(0, kRules);
  EXPECT_FALSE(floor.is_below(9 * kSecond, kRules));
  floor.stop();
  EXPECT_FALSE(floor.is_below(900 * kSecond, kRules));
  floor.start(1000 * kSecond, kRules);
  EXPECT_FALSE(floor.is_below(1009 * kSecond, kRules));
}

TEST(RateFloorTest, NoFloorIsNeverBelow) {
  RateFloor floor;
  const RateFloor::Rules none{0, 10 * kSecond, 30 * kSecond};
  floor.start(0, none);
  EXPECT_FALSE(floor.is_below(1000 * kSecond, none));
}

}  // namespace
}  // namespace banyan::proxy
