// SPDX-License-Identifier: Apache-2.0
//
// What the log keeps of a body when the memory that a worker may hold for bodies is used up.
#include "proxy/capture.h"

#include <gtest/gtest.h>

#include "tests/proxy/fake_sink.h"

namespace banyan::proxy {
namespace {

struct CaptureTest : ::testing::Test {
  FakeLog log;
  std::unique_ptr<model::RecordSink> lane = log.open_lane({});
  ByteBudget budget{1000};
  CaptureLimits limits{500, 2000, 7};
  Capture capture{limits, budget, *lane};
  const ExchangeId id = ExchangeId::make(1, Epoch{1}, 1, 1);

  void start(Capture::Mode mode) { capture.start(mode, id, model::Side::kPrimary); }
};

TEST_F(CaptureTest, BodyWithinBothLimitsIsInlineAndHoldsItsPlaceUntilCleared) {
  start(Capture::Mode::kInlineFirst);
  capture.add(std::string(500, 'a'));
  EXPECT_EQ(budget.used(), 500U);
  const model::Body body = capture.finish_answer(true);
  EXPECT_EQ(body.kind, model::Body::Kind::kInline);
  EXPECT_EQ(body.bytes.size(), 500U);
  capture.clear();
  EXPECT_EQ(budget.used(), 0U);
  EXPECT_EQ(log.size(), 0U);
}

TEST_F(CaptureTest, WhatIsLentIsNotCopiedBeforeItHasToBe) {
  const std::string lent(500, 'a');
  start(Capture::Mode::kInlineFirst);
  capture.lend(lent);
  EXPECT_EQ(budget.used(), 0U);
  EXPECT_EQ(capture.length(), 500U);
  const model::Body body = capture.finish_answer(true);
  EXPECT_EQ(body.kind, model::Body::Kind::kInline);
  EXPECT_EQ(body.bytes.data(), lent.data());
  EXPECT_EQ(body.digest, xxh3_128(lent, limits.digest_seed));
}

TEST_F(CaptureTest, WhatWasLentIsKeptLikeAnyOther) {
  std::string lent(500, 'a');
  start(Capture::Mode::kInlineFirst);
  capture.lend(lent);
  capture.keep_lent();
  EXPECT_EQ(budget.used(), 500U);
  lent.assign(500, 'b');
  EXPECT_EQ(capture.finish_answer(true).bytes, std::string(500, 'a'));
}

TEST_F(CaptureTest, WhatIsLentAndCannotBeHeldGoesToChunks) {
  ASSERT_TRUE(budget.take(901));
  start(Capture::Mode::kInlineFirst);
  const std::string lent(100, 'a');
  capture.lend(lent);
  EXPECT_FALSE(capture.has_chunks());
  capture.keep_lent();
  EXPECT_TRUE(capture.has_chunks());
  const model::Body body = capture.finish_answer(true);
  EXPECT_EQ(body.length, 100U);
  EXPECT_TRUE(body.is_complete);
  EXPECT_EQ(body.digest, xxh3_128(lent, limits.digest_seed));
}

TEST_F(CaptureTest, LastPieceBehindOthersIsOneOfThem) {
  start(Capture::Mode::kInlineFirst);
  capture.add("ab");
  capture.lend("cd");
  EXPECT_EQ(capture.finish_answer(true).bytes, "abcd");
}

TEST_F(CaptureTest, RoomOfALargeBodyGoesRoundWithinItsBound) {
  ByteBudget large{64U << 20};
  const std::string body(512U << 10, 'a');
  const CaptureLimits roomy{1U << 20, 1U << 20, 7};
  std::vector<std::unique_ptr<Capture>> captures;
  for (int i = 0; i < 6; ++i) {
    captures.push_back(std::make_unique<Capture>(roomy, large, *lane));
    captures.back()->start(Capture::Mode::kInlineFirst, id, model::Side::kPrimary);
    captures.back()->add(body);
  }
  captures.clear();
  std::size_t rooms = 0;
  std::size_t bytes = 0;
  for (int i = 0; i < 6; ++i) {
    const std::string room = large.take_room();
    EXPECT_TRUE(room.empty());
    if (room.capacity() < body.size()) continue;
    bytes += room.capacity();
    ++rooms;
  }
  EXPECT_GE(rooms, 1U);
  EXPECT_LE(bytes, ByteBudget::kRoomBytesMax);
}

TEST_F(CaptureTest, OneByteOverTheInlineLimitGoesToChunks) {
  start(Capture::Mode::kInlineFirst);
  capture.add(std::string(500, 'a'));
  capture.add("b");
  EXPECT_TRUE(capture.has_chunks());
  const model::Body body = capture.finish_answer(true);
  EXPECT_EQ(body.kind, model::Body::Kind::kChunks);
  EXPECT_EQ(body.length, 501U);
  EXPECT_TRUE(body.is_complete);
  EXPECT_GE(log.size(), 1U);
}

TEST_F(CaptureTest, BudgetUsedUpByOthersSendsItToChunksAtOnce) {
  ASSERT_TRUE(budget.take(901));
  start(Capture::Mode::kInlineFirst);
  capture.add(std::string(99, 'a'));
  EXPECT_FALSE(capture.has_chunks());
  capture.clear();
  start(Capture::Mode::kInlineFirst);
  capture.add(std::string(100, 'a'));
  EXPECT_TRUE(capture.has_chunks());
  EXPECT_EQ(budget.refusals(), 1U + 1U);  // as inline, and as a piece to be collected
  const model::Body body = capture.finish_answer(true);
  EXPECT_TRUE(body.is_complete);
  EXPECT_EQ(body.length, 100U);
  capture.clear();
  EXPECT_EQ(budget.used(), 901U);
}

TEST_F(CaptureTest, WhatCannotBeRedactedAsAStreamIsOnlyMeasuredThen) {
  ASSERT_TRUE(budget.take(1000));
  start(Capture::Mode::kInlineOrNone);
  capture.add("secret");
  const model::Body body = capture.finish_answer(true);
  EXPECT_EQ(body.kind, model::Body::Kind::kNotRecorded);
  EXPECT_EQ(body.length, 6U);
  EXPECT_FALSE(log.holds_bytes("secret"));
}

TEST_F(CaptureTest, CaptureLimitEndsTheRecordingNotTheMeasure) {
  start(Capture::Mode::kChunks);
  capture.add(std::string(2000, 'a'));
  capture.add(std::string(1, 'b'));
  capture.add(std::string(20'000, 'c'));
  const model::Body body = capture.finish_answer(true);
  EXPECT_EQ(body.length, 22'001U);
  EXPECT_FALSE(body.is_complete);
  EXPECT_FALSE(log.holds_bytes("cc"));
}

TEST_F(CaptureTest, ExactlyTheCaptureLimitIsWhole) {
  start(Capture::Mode::kChunks);
  capture.add(std::string(2000, 'a'));
  EXPECT_TRUE(capture.finish_answer(true).is_complete);
}

}  // namespace
}  // namespace banyan::proxy
