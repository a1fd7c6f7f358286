// SPDX-License-Identifier: Apache-2.0
#include "comparator/recent_writes.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/records.h"
#include "tests/support/times.h"

namespace banyan::comparator {
namespace {

using support::exchange_id;

constexpr std::int64_t kStart = 1'700'000'000'000 * kMs;

class RecentWritesTest : public testing::Test {
 protected:
  void begin(std::uint64_t id, std::int64_t at_ms, std::string_view target,
             MirrorDecision mirror = MirrorDecision::kSelected, std::string_view session = {}) {
    auto record = support::request(exchange_id(id), "orders", mirror);
    record.method = "PUT";
    record.target = target;
    record.session = session;
    record.started.wall_ns = kStart + at_ms * kMs;
    writes_.begin(record);
  }
  void answered(std::uint64_t id, std::int64_t at_ms) {
    writes_.on_answered(exchange_id(id), kStart + at_ms * kMs);
  }
  void copied(std::uint64_t id, std::int64_t at_ms) {
    writes_.on_copied(exchange_id(id), kStart + at_ms * kMs);
  }
  model::Race race(std::string_view target, std::int64_t from_ms, std::int64_t to_ms,
                   std::string_view session = {}) const {
    return writes_.race_of({exchange_id(999'999), target, RecentWrites::session_of(session),
                            kStart + from_ms * kMs, kStart + to_ms * kMs, kStart + from_ms * kMs});
  }
  bool is_raced(std::string_view target, std::int64_t from_ms, std::int64_t to_ms,
                std::string_view session = {}) const {
    return race(target, from_ms, to_ms, session).is_there();
  }

  RecentWrites writes_;
};

TEST_F(RecentWritesTest, AWriteSpansTheTimeUntilBothSystemsHaveDoneIt) {
  begin(1, 100, "/orders/7");
  EXPECT_TRUE(writes_.has_open());
  EXPECT_TRUE(is_raced("/orders/7", 110, 120)) << "under way";
  answered(1, 130);
  EXPECT_TRUE(is_raced("/orders/7", 140, 150)) << "not yet copied";
  copied(1, 160);
  EXPECT_FALSE(writes_.has_open());
  EXPECT_TRUE(is_raced("/orders/7", 150, 170));
  EXPECT_TRUE(is_raced("/orders/7", 90, 100)) << "between the read's two answers";
  EXPECT_FALSE(is_raced("/orders/7", 80, 99));
  EXPECT_FALSE(is_raced("/orders/7", 161, 170));
  EXPECT_EQ(race("/orders/7", 150, 170).write, exchange_id(1));
  EXPECT_EQ(race("/orders/7", 150, 170).after_ns, -50 * kMs);
}

TEST_F(RecentWritesTest, WhatIsNotCopiedReachesTheOtherSystemByItsOwnRoad) {
  begin(1, 100, "/orders/7", MirrorDecision::kOff);
  answered(1, 130);
  EXPECT_FALSE(writes_.has_open());
  copied(1, 140);
  EXPECT_TRUE(is_raced("/orders/7", 1130, 1140));
  EXPECT_FALSE(is_raced("/orders/7", 1131, 1140));
}

TEST_F(RecentWritesTest, OnePathLeadsToTheOtherBySegments) {
  begin(1, 0, "/orders/7?x=1");
  for (const char* read :
       {"/orders/7", "/orders/7/", "/orders", "/orders?page=2", "/orders/7/lines", "/orders/7#a"}) {
    EXPECT_TRUE(is_raced(read, 1, 2)) << read;
  }
  for (const char* read :
       {"/orders/8", "/orders/77", "/order", "/", "", "/stock/7", "/orders/8/7"}) {
    EXPECT_FALSE(is_raced(read, 1, 2)) << read;
  }
}

TEST_F(RecentWritesTest, TheRootIsAboveAllAndSaysNothing) {
  begin(1, 0, "/");
  EXPECT_FALSE(is_raced("/orders/7", 1, 2));
  EXPECT_FALSE(is_raced("/", 1, 2));
}

TEST_F(RecentWritesTest, BelowTheSegmentsThatCountOnlyTheWholePathDoes) {
  const std::string deep = "/1/2/3/4/5/6/7/8/9/10";
  begin(1, 0, deep);
  EXPECT_TRUE(is_raced("/1/2/3/4/5/6/7/8", 1, 2));
  EXPECT_FALSE(is_raced("/1/2/3/4/5/6/7/8/9", 1, 2));
  EXPECT_TRUE(is_raced(deep, 1, 2));
}

TEST_F(RecentWritesTest, TheSameSessionCountsWhateverThePath) {
  begin(1, 0, "/cart", MirrorDecision::kSelected, "s1");
  EXPECT_TRUE(is_raced("/orders", 1, 2, "s1"));
  EXPECT_FALSE(is_raced("/orders", 1, 2, "s2"));
  EXPECT_FALSE(is_raced("/orders", 1, 2));
}

TEST_F(RecentWritesTest, WhoWritesAllTheTimeIsNotOnePerson) {
  for (std::uint64_t i = 1; i <= RecentWrites::kSessionWritesMax; ++i) {
    begin(i, 0, "/cart", MirrorDecision::kSelected, "s1");
  }
  EXPECT_TRUE(is_raced("/orders", 1, 2, "s1"));
  begin(100, 0, "/cart", MirrorDecision::kSelected, "s1");
  EXPECT_FALSE(is_raced("/orders", 1, 2, "s1"));
  EXPECT_TRUE(is_raced("/cart", 1, 2, "s1"));
  begin(101, RecentWrites::kKeptNs / kMs + 1, "/cart", MirrorDecision::kSelected, "s1");
  EXPECT_TRUE(
      is_raced("/orders", RecentWrites::kKeptNs / kMs + 2, RecentWrites::kKeptNs / kMs + 3, "s1"));
}

TEST_F(RecentWritesTest, TheNearestIsNamedAndNobodyRacesWithItself) {
  for (const std::uint64_t id : {1, 2, 3})
    begin(id, static_cast<std::int64_t>(id) * 10, "/orders/7");
  EXPECT_EQ(race("/orders/7", 19, 40).write, exchange_id(2));
  begin(999'999, 40, "/stock/7");
  EXPECT_FALSE(is_raced("/stock/7", 41, 50));
}

TEST_F(RecentWritesTest, AWriteWithoutAnEndIsForgottenAfterAWhile) {
  begin(1, 0, "/orders/7");
  constexpr std::int64_t kKeptMs = RecentWrites::kKeptNs / kMs;
  EXPECT_TRUE(is_raced("/orders/7", kKeptMs, kKeptMs + 1));
  EXPECT_FALSE(is_raced("/orders/7", kKeptMs + 1, kKeptMs + 2));
  begin(2, kKeptMs + 1, "/stock/7");
  EXPECT_EQ(writes_.size(), 1U);
  EXPECT_FALSE(writes_.knows(exchange_id(1)));
}

TEST_F(RecentWritesTest, HoldsABoundedNumberAndCountsWhatGoes) {
  for (std::uint64_t i = 1; i <= RecentWrites::kWritesMax; ++i) {
    begin(i, 0, "/orders/" + std::to_string(i));
  }
  EXPECT_EQ(writes_.pushed_out(), 0U);
  EXPECT_TRUE(is_raced("/orders/1", 1, 2));
  begin(RecentWrites::kWritesMax + 1, 0, "/orders/new");
  EXPECT_EQ(writes_.size(), RecentWrites::kWritesMax);
  EXPECT_EQ(writes_.pushed_out(), 1U);
  EXPECT_FALSE(is_raced("/orders/1", 1, 2));
  EXPECT_TRUE(is_raced("/orders/2", 1, 2));
  EXPECT_TRUE(is_raced("/orders", 1, 2));
}

TEST_F(RecentWritesTest, LooksAtABoundedNumberOfWritesOfOneThing) {
  begin(1, 0, "/orders/7");
  for (std::uint64_t i = 2; i <= RecentWrites::kLooksMax; ++i) begin(i, 100, "/orders/7");
  EXPECT_TRUE(is_raced("/orders/7", 50, 60));
  begin(RecentWrites::kLooksMax + 1, 100, "/orders/7");
  EXPECT_FALSE(is_raced("/orders/7", 50, 60));
}

}  // namespace
}  // namespace banyan::comparator
