// SPDX-License-Identifier: Apache-2.0
//
// A copy's answer whose body is the primary's is stored once, in the RESPONSE. A copy of a write
// waits for its primary, so that what is known of it is settled before the copy goes.
#include <gtest/gtest.h>

#include "replay/answer_capture.h"
#include "replay/mirror.h"
#include "tests/replay/replay_fixture.h"

namespace banyan::replay {
namespace {

using Kind = model::Body::Kind;

class EqualBodyTest : public ReplayFixture {
 protected:
  // What the primary answered to exchange `id`: `body`, stored as `kind`.
  void answer(std::uint64_t id, std::string_view body, Kind kind, bool is_complete = true) {
    model::ResponseRecord response = support::response(support::exchange_id(id));
    response.answer.ended = clock_.now();
    model::Body& recorded = response.answer.body;
    recorded.kind = kind;
    recorded.bytes = kind == Kind::kInline ? body : std::string_view();
    recorded.length = body.size();
    recorded.digest = xxh3_128(body, kDigestSeed);
    recorded.is_complete = is_complete;
    log_.append(response);
  }
  // One write whose copy the candidate answers with `copy`.
  model::ShadowRecord mirror_one(std::string_view primary, Kind kind, const std::string& copy,
                                 bool is_complete = true) {
    start_candidate([copy](const Seen&) {
      Reply reply;
      reply.body = copy;
      return reply;
    });
    start_mirror();
    log_.append(make_write(1));
    answer(1, primary, kind, is_complete);
    EXPECT_TRUE(wait_for([&] { return shadows().size() == 1; }));
    return shadows().at(0);
  }
  std::string recorded_chunks() {
    std::string bytes;
    std::vector<std::string> storage;
    for (const auto& chunk : log_.all<model::ChunkRecord>(storage)) bytes += chunk.bytes;
    return bytes;
  }
};

TEST_F(EqualBodyTest, StandsInTheResponseAlone) {
  const model::ShadowRecord shadow = mirror_one("{\"a\":1}", Kind::kInline, "{\"a\":1}");
  EXPECT_EQ(shadow.answer.body.kind, Kind::kAsPrimary);
  EXPECT_EQ(shadow.answer.body.bytes, "");
  EXPECT_EQ(shadow.answer.body.length, 7U);
  EXPECT_EQ(shadow.answer.body.digest, xxh3_128("{\"a\":1}", kDigestSeed));
  EXPECT_TRUE(shadow.answer.body.is_complete);
  EXPECT_EQ(mirror_->stats().equal_bodies, 1U);
  EXPECT_EQ(mirror_->stats().equal_body_bytes, 7U);
}

TEST_F(EqualBodyTest, AnotherBodyIsKept) {
  const model::ShadowRecord shadow = mirror_one("{\"a\":1}", Kind::kInline, "{\"a\":2}");
  EXPECT_EQ(shadow.answer.body.kind, Kind::kInline);
  EXPECT_EQ(shadow.answer.body.bytes, "{\"a\":2}");
  EXPECT_EQ(mirror_->stats().equal_bodies, 0U);
}

TEST_F(EqualBodyTest, WhatTheResponseDoesNotHoldIsKept) {
  EXPECT_EQ(mirror_one("{}", Kind::kNotRecorded, "{}").answer.body.kind, Kind::kInline);
}

TEST_F(EqualBodyTest, WhatTheResponseHoldsInPartIsKept) {
  EXPECT_EQ(mirror_one("{}", Kind::kInline, "{}", false).answer.body.kind, Kind::kInline);
}

TEST_F(EqualBodyTest, ALargeOneIsNotWrittenAgainUpToWhatIsHeld) {
  const std::string body(kHeldAnswerBytesMax, 'x');
  EXPECT_EQ(mirror_one(body, Kind::kChunks, body).answer.body.kind, Kind::kAsPrimary);
  EXPECT_EQ(recorded_chunks(), "");
  EXPECT_EQ(mirror_->stats().equal_body_bytes, body.size());
}

TEST_F(EqualBodyTest, PastWhatIsHeldItIsWritten) {
  const std::string body(kHeldAnswerBytesMax + 1, 'x');
  const model::ShadowRecord shadow = mirror_one(body, Kind::kChunks, body);
  EXPECT_EQ(shadow.answer.body.kind, Kind::kChunks);
  EXPECT_EQ(shadow.answer.body.digest, xxh3_128(body, kDigestSeed));
  EXPECT_TRUE(recorded_chunks() == body);
}

TEST_F(EqualBodyTest, ALargeOtherOneIsWrittenWhole) {
  const std::string body(kLargeAnswer, 'x');
  const std::string other(kLargeAnswer, 'y');
  const model::ShadowRecord shadow = mirror_one(body, Kind::kChunks, other);
  EXPECT_EQ(shadow.answer.body.kind, Kind::kChunks);
  EXPECT_TRUE(shadow.answer.body.is_complete);
  EXPECT_TRUE(recorded_chunks() == other);
}

struct AnswerCaptureTest : testing::Test {
  void SetUp() override {
    auto keys = crypto::KeyRing::open(files, "keys", Epoch{1}, "");
    ASSERT_TRUE(keys.ok());
    ring = *std::move(keys);
    auto made = model::Redactor::create({}, *ring);
    ASSERT_TRUE(made.ok());
    redactor = *std::move(made);
    context.sink = sink.get();
    context.redactor = redactor.get();
    context.digest_seed = kDigestSeed;
    context.body_bytes_max = 1U << 30;
    context.primary_body = &primary;
    context.held_bytes = &held;
  }
  void primary_is(std::string_view body, Kind kind) {
    primary.kind = kind;
    primary.length = body.size();
    primary.digest = xxh3_128(body, kDigestSeed);
  }
  void begin(AnswerCapture& capture) {
    capture.begin(context);
    http::ResponseHead head;
    head.status = 200;
    capture.on_head(head, clock.now());
  }

  ManualClock clock;
  support::MemoryLog log{clock};
  support::MemoryFileSystem files;
  std::unique_ptr<crypto::KeyRing> ring;
  std::unique_ptr<model::Redactor> redactor;
  const std::unique_ptr<model::RecordSink> sink = log.open_sink();
  model::Body primary;
  std::size_t held = 0;
  CaptureContext context;
  model::RedactedMessage redacted;
  model::Answer answer;
};

// What all answers under way may hold together.
TEST_F(AnswerCaptureTest, WithoutRoomToHoldItAnAnswerIsWritten) {
  const std::string body(kInlineAnswerBytesMax + 1000, 'x');
  primary_is(body, Kind::kChunks);
  for (const std::size_t free : {1000U, 999U}) {
    held = kHeldAnswersBytesMax - free;
    answer = model::Answer();
    AnswerCapture capture;
    begin(capture);
    capture.on_body(body);
    capture.finish({}, clock.now(), redacted, answer);
    EXPECT_EQ(answer.body.kind, free == 1000 ? Kind::kAsPrimary : Kind::kChunks);
    capture.let_go();
    EXPECT_EQ(held, kHeldAnswersBytesMax - free) << "given back";
  }
}

TEST_F(AnswerCaptureTest, WholeBodyInOnePieceIsNotCopied) {
  const std::string body(kInlineAnswerBytesMax, 'x');
  const std::string other(kInlineAnswerBytesMax, 'y');
  primary_is(body, Kind::kInline);
  AnswerCapture capture;
  begin(capture);
  capture.on_last_body(body);
  capture.finish({}, clock.now(), redacted, answer);
  EXPECT_EQ(answer.body.kind, Kind::kAsPrimary);
  answer = model::Answer();
  begin(capture);
  capture.on_last_body(other);
  capture.finish({}, clock.now(), redacted, answer);
  EXPECT_EQ(answer.body.kind, Kind::kInline);
  EXPECT_EQ(answer.body.bytes.data(), other.data());
  EXPECT_EQ(answer.body.digest, xxh3_128(other, kDigestSeed));
}

TEST_F(AnswerCaptureTest, LastPieceIsOneOfSeveralOrTooLarge) {
  primary_is("abc", Kind::kInline);
  AnswerCapture capture;
  begin(capture);
  capture.on_body("ab");
  capture.on_last_body("cd");
  capture.finish({}, clock.now(), redacted, answer);
  EXPECT_EQ(answer.body.bytes, "abcd");
  const std::string large(kInlineAnswerBytesMax + 1, 'x');
  answer = model::Answer();
  begin(capture);
  capture.on_last_body(large);
  capture.finish({}, clock.now(), redacted, answer);
  EXPECT_EQ(answer.body.kind, Kind::kChunks);
  EXPECT_EQ(answer.body.length, large.size());
  EXPECT_EQ(answer.body.digest, xxh3_128(large, kDigestSeed));
}

TEST_F(AnswerCaptureTest, WhatIsDiscardedIsOnlyCounted) {
  AnswerCapture capture;
  begin(capture);
  capture.discard_body();
  capture.on_last_body("abc");
  capture.finish({}, clock.now(), redacted, answer);
  EXPECT_EQ(answer.body.kind, Kind::kNotRecorded);
  EXPECT_EQ(answer.body.length, 3U);
}

}  // namespace
}  // namespace banyan::replay
