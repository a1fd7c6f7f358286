// SPDX-License-Identifier: Apache-2.0
#include "recorder/linger.h"

#include <gtest/gtest.h>

#include "recorder/lane.h"
#include "tests/recorder/log_fixture.h"

namespace banyan::recorder {
namespace {

TEST(LingerTest, IsLongOnceNobodyWaitedForSomeCutsInARow) {
  Linger linger;
  EXPECT_EQ(linger.ns(), kAwaitedLingerNs);
  for (int i = 1; i < kUnawaitedCuts; ++i) {
    linger.note_cut(false);
    EXPECT_EQ(linger.ns(), kAwaitedLingerNs);
  }
  linger.note_cut(true);
  for (int i = 1; i < kUnawaitedCuts; ++i) linger.note_cut(false);
  EXPECT_EQ(linger.ns(), kAwaitedLingerNs);
  for (int i = 0; i < 1000; ++i) linger.note_cut(false);
  EXPECT_EQ(linger.ns(), kUnawaitedLingerNs);
  linger.note_cut(true);
  EXPECT_EQ(linger.ns(), kAwaitedLingerNs);
}

class CountingOwner final : public LaneOwner {
 public:
  void on_append(bool filled) override {
    ++appends;
    fillings += filled ? 1 : 0;
  }
  void on_want_durable() override {}
  bool has_failed() const override { return false; }
  Clock& clock() const override { return SystemClock::instance(); }
  void count_refused() override { ++refused; }

  int appends = 0;
  int fillings = 0;
  int refused = 0;
};

// What ends a linger: the lane's bound is never far.
TEST(LingerTest, ALaneTellsOfEachBufferItFills) {
  CountingOwner owner;
  Lane lane(owner, 4 * kLaneBufferBytes, std::make_shared<BufferPool>(), [] {});
  const std::string record = record_of(1, kLaneBufferBytes / 8);  // A little more than an eighth.
  EXPECT_FALSE(lane.has_full_buffer());
  for (int i = 0; i < 7; ++i) lane.append(record);
  EXPECT_EQ(owner.fillings, 0);
  EXPECT_FALSE(lane.has_full_buffer());
  lane.append(record);
  EXPECT_EQ(owner.fillings, 1);
  EXPECT_TRUE(lane.has_full_buffer());
  for (int i = 0; i < 7; ++i) lane.append(record);
  EXPECT_EQ(owner.fillings, 1);
  EXPECT_TRUE(lane.has_full_buffer());
  lane.append(record);
  EXPECT_EQ(owner.fillings, 2);
  EXPECT_EQ(owner.appends, 16);
  EXPECT_EQ(owner.refused, 0);
}

}  // namespace
}  // namespace banyan::recorder
