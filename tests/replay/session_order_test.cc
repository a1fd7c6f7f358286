// SPDX-License-Identifier: Apache-2.0
#include "replay/session_order.h"

#include <gtest/gtest.h>

#include <list>
#include <random>

namespace banyan::replay {
namespace {

OrderedCopy copy(std::uint64_t sequence, std::int64_t started, std::int64_t ended,
                 std::uint64_t session = 1, std::uint64_t epoch = 1) {
  OrderedCopy made;
  made.session = session;
  made.epoch = epoch;
  made.started_mono_ns = started;
  made.ended_mono_ns = ended;
  made.sequence = sequence;
  return made;
}

TEST(SessionOrderTest, CopyWaitsForWriteThatEndedBeforeItBegan) {
  SessionOrder order;
  OrderedCopy write = copy(1, 10, 20);
  OrderedCopy later = copy(2, 30, 40);
  order.hold(write);
  ASSERT_TRUE(order.must_wait(later));
  order.wait(later);
  std::vector<OrderedCopy*> freed;
  order.release(write, freed);
  ASSERT_EQ(freed.size(), 1U);
  EXPECT_EQ(freed[0], &later);
  EXPECT_EQ(order.sessions(), 0U);
}

TEST(SessionOrderTest, OverlappingCopiesDoNotWait) {
  SessionOrder order;
  OrderedCopy write = copy(1, 10, 30);
  order.hold(write);
  EXPECT_FALSE(order.must_wait(copy(2, 29, 40)));
  EXPECT_FALSE(order.must_wait(copy(2, 30, 40))) << "ended at the very instant is not before";
  EXPECT_TRUE(order.must_wait(copy(2, 31, 40)));
  EXPECT_FALSE(order.must_wait(write)) << "never for itself";
}

TEST(SessionOrderTest, SessionsDoNotKnowEachOther) {
  SessionOrder order;
  OrderedCopy write = copy(1, 10, 20, 1);
  order.hold(write);
  EXPECT_FALSE(order.must_wait(copy(2, 30, 40, 2)));
  EXPECT_FALSE(order.must_wait(copy(2, 30, 40, 0))) << "no session, no order";
}

TEST(SessionOrderTest, OlderEpochGoesFirstWhateverTheClockSays) {
  SessionOrder order;
  OrderedCopy old_write = copy(1, 900, 1000, 1, 1);
  order.hold(old_write);
  EXPECT_TRUE(order.must_wait(copy(2, 5, 6, 1, 2)));
}

TEST(SessionOrderTest, ReleaseFreesInOrderOfBeginAndOnlyWhatIsFree) {
  SessionOrder order;
  OrderedCopy first = copy(1, 10, 20);
  OrderedCopy second = copy(2, 12, 50);
  OrderedCopy early = copy(4, 30, 31);
  OrderedCopy late = copy(3, 60, 61);
  order.hold(first);
  order.hold(second);
  order.wait(late);
  order.wait(early);
  std::vector<OrderedCopy*> freed;
  order.release(first, freed);
  ASSERT_EQ(freed.size(), 1U);
  EXPECT_EQ(freed[0], &early) << "late also follows the second write";
  freed.clear();
  order.release(second, freed);
  ASSERT_EQ(freed.size(), 1U);
  EXPECT_EQ(freed[0], &late);
}

TEST(SessionOrderTest, GivenUpCopyLeavesTheLine) {
  SessionOrder order;
  OrderedCopy write = copy(1, 10, 20);
  OrderedCopy waiting = copy(2, 30, 40);
  order.hold(write);
  order.wait(waiting);
  std::vector<OrderedCopy*> freed;
  order.release(waiting, freed);
  EXPECT_TRUE(freed.empty());
  order.release(write, freed);
  EXPECT_TRUE(freed.empty());
  EXPECT_EQ(order.sessions(), 0U);
}

// Against the rule written out naively, for random overlapping exchanges.
TEST(SessionOrderTest, AgreesWithTheRuleForRandomHistories) {
  const auto seed = static_cast<unsigned>(std::random_device{}());
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    SessionOrder order;
    std::list<OrderedCopy> holding;
    for (std::uint64_t i = 1; i <= 60; ++i) {
      const std::int64_t started = static_cast<std::int64_t>(random() % 1000);
      OrderedCopy made = copy(i, started, started + 1 + static_cast<std::int64_t>(random() % 200),
                              1 + random() % 3, 1 + random() % 2);
      bool expected = false;
      for (const OrderedCopy& write : holding) {
        if (write.session != made.session) continue;
        expected |= write.epoch < made.epoch ||
                    (write.epoch == made.epoch && write.ended_mono_ns < made.started_mono_ns);
      }
      ASSERT_EQ(order.must_wait(made), expected);
      if (random() % 2 == 0) {
        holding.push_back(made);
        order.hold(holding.back());
      }
      if (!holding.empty() && random() % 3 == 0) {
        auto which = holding.begin();
        std::advance(which, static_cast<long>(random() % holding.size()));
        std::vector<OrderedCopy*> freed;
        order.release(*which, freed);
        holding.erase(which);
      }
    }
  }
}

}  // namespace
}  // namespace banyan::replay
