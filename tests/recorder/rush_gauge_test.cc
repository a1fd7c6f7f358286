// SPDX-License-Identifier: Apache-2.0
#include "recorder/rush_gauge.h"

#include <gtest/gtest.h>

namespace banyan::recorder {
namespace {

TEST(RushGaugeTest, ARushIsLittleRestInAWholeWindow) {
  RushGauge gauge(1000);
  EXPECT_FALSE(gauge.look(1000 + kRushWindowNs - 1));  // Too early to tell.
  EXPECT_TRUE(gauge.look(1000 + kRushWindowNs));
  EXPECT_FALSE(gauge.look(1000 + kRushWindowNs));  // Once a window.
}

TEST(RushGaugeTest, WhoNapsAnEighthOfTheTimeIsNotInARush) {
  RushGauge gauge(0);
  gauge.add_nap(kRushWindowNs / kRushNapParts);
  EXPECT_FALSE(gauge.look(kRushWindowNs));
  gauge.add_nap(kRushWindowNs / kRushNapParts - 1);
  EXPECT_TRUE(gauge.look(2 * kRushWindowNs));
}

TEST(RushGaugeTest, ALongWindowWantsMoreRest) {
  RushGauge gauge(0);
  gauge.add_nap(kRushWindowNs / kRushNapParts);
  EXPECT_TRUE(gauge.look(2 * kRushWindowNs));  // A disk that took long.
}

}  // namespace
}  // namespace banyan::recorder
