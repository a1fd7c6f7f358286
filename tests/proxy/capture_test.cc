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
