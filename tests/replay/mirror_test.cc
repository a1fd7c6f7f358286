// SPDX-License-Identifier: Apache-2.0
//
// The live mirror against a real system on the loopback and a log in memory; time is a manual
// clock, so staleness, back-off and deadlines pass when a test says so.
#include "replay/mirror.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "core/model/subject_seal.h"
#include "tests/replay/replay_fixture.h"

namespace banyan::replay {
namespace {

using support::exchange_id;

class MirrorTest : public ReplayFixture {};

TEST_F(MirrorTest, SafeRequestIsCopiedAtOnceAndItsAnswerRecorded) {
  start_candidate();
  start_mirror();
  model::RequestRecord request = make_read(1, "/stock/17?x=1");
  request.fields = {{"Host", "shop.example"},
                    {"Accept", "*/*"},
                    {"Connection", "keep-alive"},
                    {"Expect", "100-continue"},
                    {"Banyan-Thing", "no"}};
  log_.append(request);
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 1; }));
  const model::ShadowRecord shadow = shadows()[0];
  EXPECT_EQ(shadow.exchange, exchange_id(1));
  EXPECT_TRUE(shadow.run.is_live());
  EXPECT_EQ(shadow.answer.system, System::kCandidate);
  EXPECT_EQ(shadow.answer.status, 200);
  EXPECT_EQ(shadow.answer.body.bytes, "{\"a\":1}");
  EXPECT_EQ(shadow.answer.body.digest, xxh3_128("{\"a\":1}", kDigestSeed));
  EXPECT_EQ(shadow.idempotency_key, "");
  const Seen seen = candidate_->seen()[0];
  EXPECT_EQ(seen.target, "/stock/17?x=1");
  EXPECT_EQ(seen.field("Host"), "shop.example");
  EXPECT_EQ(seen.field("Accept"), "*/*");
  EXPECT_EQ(seen.field("Banyan-Shadow"), "1");
  for (const char* name : {"Connection", "Expect", "Banyan-Thing", "Idempotency-Key"}) {
    EXPECT_EQ(seen.field(name), "") << name;
  }
}

// Beside a busy writer a mirror that is behind reads slowly, on the thread that its copies are
// answered on.
TEST_F(MirrorTest, ALogThatIsSlowToReadDoesNotKeepCopiesWaiting) {
  start_candidate();
  constexpr int kReads = 1000;
  int read = 0;
  bool was_asked_meanwhile = false;
  log_.before_read = [&, opener = std::this_thread::get_id()] {
    if (std::this_thread::get_id() == opener) return;  // What was done already is looked up first.
    clock_.advance_ns(300'000);
    if (++read == kReads) {
      was_asked_meanwhile = wait_for([&] { return !candidate_->seen().empty(); }, 5);
    }
  };
  for (int id = 1; id <= kReads; ++id) {
    log_.append(make_read(static_cast<std::uint64_t>(id)));
    clock_.advance_ns(500'000);
  }
  start_mirror();
  EXPECT_TRUE(wait_for([&] { return shadows().size() == kReads; }));
  mirror_.reset();
  EXPECT_TRUE(was_asked_meanwhile);
}

TEST_F(MirrorTest, SecretsReachTheCandidateAndNeverTheLog) {
  start_candidate([](const Seen&) {
    Reply reply;
    reply.fields = "Set-Cookie: session=canary-answer; Path=/\r\n";
    return reply;
  });
  start_mirror();
  model::RequestRecord request = make_read(1);
  request.fields.push_back({"Authorization", "Bearer canary-request"});
  const model::RedactedMessage redacted =
      redactor_->redact(request.exchange, request.target, request.fields, "", "");
  request.fields = redacted.fields;
  request.sealed = redacted.sealed;
  log_.append(request);
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 1; }));
  EXPECT_EQ(candidate_->seen()[0].field("Authorization"), "Bearer canary-request");
  for (const std::string& bytes : log_.records()) {
    EXPECT_EQ(bytes.find("canary"), std::string::npos);
  }
}

TEST_F(MirrorTest, WhatCannotBeOpenedIsDroppedAsGap) {
  start_candidate();
  start_mirror();
  model::RequestRecord request = make_read(1);
  request.fields.push_back({"Authorization", "banyan:t:00112233445566778899aabbccddeeff"});
  request.sealed = "no key opens this";
  log_.append(request);
  ASSERT_TRUE(wait_for([&] { return skips().size() == 1; }));
  EXPECT_EQ(skip_of(1), SkipReason::kGap);
  EXPECT_EQ(candidate_->count(), 0U);
}

TEST_F(MirrorTest, WhatIsErasedIsDroppedAndSaidSo) {
  start_candidate();
  start_mirror();
  model::RequestRecord request = make_read(1);
  const std::string key(16, 's');
  request.of.key = key;
  std::string open, sealed;
  model::encode(request, open);
  ASSERT_TRUE(model::seal_record(open, "", sealed).ok());
  log_.append_encoded(sealed);
  ASSERT_TRUE(wait_for([&] { return skips().size() == 1; }));
  EXPECT_EQ(skip_of(1), SkipReason::kErased);
  EXPECT_TRUE(is_drop(SkipReason::kErased));
  EXPECT_EQ(candidate_->count(), 0U);
}

TEST_F(MirrorTest, TheAnswerToACopyBelongsToItsSubject) {
  start_candidate();
  start_mirror();
  model::RequestRecord request = make_read(1);
  const std::string key(16, 's');
  request.of.key = key;
  log_.append(request);
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 1; }));
  EXPECT_EQ(shadows()[0].of.key, key);
}

TEST_F(MirrorTest, WhatWasNotSelectedIsLeftAlone) {
  start_candidate();
  start_mirror();
  model::RequestRecord off = make_read(1);
  off.mirror = MirrorDecision::kOff;
  log_.append(off);
  model::RequestRecord sampled = make_read(2);
  sampled.mirror = MirrorDecision::kSkipped;
  sampled.skip = SkipReason::kSampled;
  log_.append(sampled);
  log_.append(make_read(3));
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 1; }));
  EXPECT_EQ(candidate_->count(), 1U);
  EXPECT_TRUE(skips().empty());
}

TEST_F(MirrorTest, WriteWaitsForItsPrimaryAndCarriesAKey) {
  start_candidate();
  start_mirror();
  log_.append(make_write(1, "/orders", "a=1"));
  log_.append(make_read(2));
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 1; }));
  EXPECT_EQ(candidate_->count(), 1U) << "only the read";
  answer_write(1, 201);
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 2; }));
  const Seen seen = candidate_->seen()[1];
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.body, "a=1");
  EXPECT_EQ(seen.field("Idempotency-Key"), idempotency_key_of(exchange_id(1)));
  EXPECT_EQ(shadows()[1].idempotency_key, idempotency_key_of(exchange_id(1)));
}

TEST_F(MirrorTest, ClientsOwnIdempotencyKeyIsKept) {
  start_candidate();
  start_mirror();
  model::RequestRecord write = make_write(1);
  write.fields.push_back({"idempotency-key", "mine"});
  log_.append(write);
  answer_write(1, 200);
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 1; }));
  EXPECT_EQ(candidate_->seen()[0].field("Idempotency-Key"), "mine");
  EXPECT_EQ(shadows()[0].idempotency_key, "mine");
}

TEST_F(MirrorTest, WritesEndByWhatThePrimaryDid) {
  start_candidate();
  start_mirror();
  for (std::uint64_t i = 1; i <= 7; ++i) log_.append(make_write(i));
  answer_write(1, 404);
  answer_write(2, 500);
  answer_write(3, 200, Delivery::kTruncated);
  answer_write(4, 204, Delivery::kClientLeft);
  close_without_answer(5, OutcomeKind::kBanyan, Forwarded::kNothing);
  close_without_answer(6, OutcomeKind::kAborted, Forwarded::kPart);
  close_without_answer(7, OutcomeKind::kUnknown, Forwarded::kNothing);
  ASSERT_TRUE(wait_for([&] { return shadows().size() + skips().size() == 7; }));
  ASSERT_EQ(shadows().size(), 1U);
  EXPECT_EQ(shadows()[0].exchange, exchange_id(4));
  EXPECT_EQ(skip_of(1), SkipReason::kPrimaryRefused);
  EXPECT_EQ(skip_of(2), SkipReason::kPrimaryFailed);
  EXPECT_EQ(skip_of(3), SkipReason::kPrimaryUnknown);
  EXPECT_EQ(skip_of(5), SkipReason::kNotForwarded);
  EXPECT_EQ(skip_of(6), SkipReason::kClientAborted);
  EXPECT_EQ(skip_of(7), SkipReason::kPrimaryUnknown);
  EXPECT_TRUE(wait_for([&] { return mirror_->stats().pending == 0; }));
  EXPECT_EQ(mirror_->stats().skipped["primary_unknown"], 2U);
}

TEST_F(MirrorTest, WriteIsNotSentBeforeItIsDurable) {
  log_.hold_durable(true);
  start_candidate();
  start_mirror();
  log_.append(make_write(1));
  answer_write(1, 200);
  log_.append(make_read(2));
  ASSERT_TRUE(wait_for([&] { return candidate_->count() == 1; })) << "a read follows `written`";
  EXPECT_EQ(candidate_->seen()[0].method, "GET");
  EXPECT_EQ(mirror_->stats().pending_writes, 1U);
  log_.make_durable();
  ASSERT_TRUE(wait_for([&] { return candidate_->count() == 2; }));
}

TEST_F(MirrorTest, LaterCopyOfASessionWaitsForItsEarlierWrite) {
  start_candidate([](const Seen& seen) {
    Reply reply;
    reply.is_held = seen.target == "/first";
    return reply;
  });
  start_mirror();
  log_.append(make_write(1, "/first"));
  answer_write(1, 200);
  clock_.advance_ns(1'000'000);
  log_.append(make_read(2, "/second"));                      // began after the write ended
  log_.append(in_session(make_read(3, "/other"), "other"));  // another session
  ASSERT_TRUE(wait_for([&] { return candidate_->count() == 2; }));
  EXPECT_EQ(candidate_->seen()[1].target, "/other");
  candidate_->release();
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 3; }));
  EXPECT_EQ(candidate_->seen()[2].target, "/second");
}

TEST_F(MirrorTest, OverlappingExchangesOfASessionMayOverlap) {
  start_candidate([](const Seen& seen) {
    Reply reply;
    reply.is_held = seen.target == "/first";
    return reply;
  });
  start_mirror();
  log_.append(make_write(1, "/first"));
  log_.append(make_read(2, "/second"));  // its head came while the write was open
  clock_.advance_ns(1'000'000);
  answer_write(1, 200);
  ASSERT_TRUE(wait_for([&] { return candidate_->count() == 2; }));
  candidate_->release();
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 2; }));
}

TEST_F(MirrorTest, DeadCandidateIsProbedByOneCopyAndCaughtUpInOrder) {
  start_candidate();
  const std::uint16_t port = candidate_->port();
  candidate_.reset();
  start_mirror(port);
  for (std::uint64_t i = 1; i <= 40; ++i) {
    log_.append(make_write(i, "/w/" + std::to_string(i)));
    answer_write(i, 200);
    clock_.advance_ns(1'000'000);
  }
  ASSERT_TRUE(
      wait_for([&] { return mirror_->stats().waiting_for == "candidate: connect_failed"; }));
  ASSERT_TRUE(wait_for([&] { return mirror_->stats().pending_writes == 40; }));
  start_candidate({}, port);
  ASSERT_TRUE(wait_for([&] {
    clock_.advance_ns(20'000'000);
    return shadows().size() == 40;
  }));
  std::vector<std::string> expected, got;
  for (int i = 1; i <= 40; ++i) expected.push_back("/w/" + std::to_string(i));
  for (const Seen& seen : candidate_->seen()) got.push_back(seen.target);
  EXPECT_EQ(got, expected);
  EXPECT_TRUE(wait_for([&] { return mirror_->stats().waiting_for.empty(); }));
}

TEST_F(MirrorTest, ReadsThatWaitTooLongAreSkippedStaleAndWritesAreNot) {
  start_candidate();
  const std::uint16_t port = candidate_->port();
  candidate_.reset();
  start_mirror(port);
  log_.append(in_session(make_read(1), "a"));
  log_.append(in_session(make_write(2), "b"));
  answer_write(2, 200);
  ASSERT_TRUE(wait_for([&] { return mirror_->stats().waiting_for != ""; }));
  clock_.advance_ns(9'000'000'000);
  ASSERT_TRUE(wait_for([&] { return mirror_->stats().pending == 2; }));
  EXPECT_TRUE(skips().empty());
  clock_.advance_ns(2'000'000'000);
  ASSERT_TRUE(wait_for([&] { return skips().size() == 1; }));
  EXPECT_EQ(skip_of(1), SkipReason::kStale);
  EXPECT_EQ(mirror_->stats().pending_writes, 1U);
}

TEST_F(MirrorTest, UnavailableIsAskedAgainAndHoldsUpItsSessionOnly) {
  auto is_up = std::make_shared<std::atomic<bool>>(false);
  start_candidate([is_up](const Seen& seen) {
    Reply reply;
    if (seen.target == "/sick" && !*is_up) reply.status = 503;
    return reply;
  });
  start_mirror();
  log_.append(in_session(make_write(1, "/sick"), "a"));
  answer_write(1, 200);
  clock_.advance_ns(1'000'000);
  log_.append(in_session(make_read(2, "/behind"), "a"));
  log_.append(in_session(make_read(3, "/beside"), "b"));
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 1; }));
  EXPECT_EQ(shadows()[0].exchange, exchange_id(3));
  *is_up = true;
  ASSERT_TRUE(wait_for([&] {
    clock_.advance_ns(20'000'000);
    return shadows().size() == 3;
  }));
  EXPECT_EQ(candidate_->seen().back().target, "/behind");
  for (const auto& shadow : shadows()) EXPECT_EQ(shadow.answer.status, 200);
}

TEST_F(MirrorTest, LostAnswerIsNoAnswerAndNeverSentAgain) {
  start_candidate([](const Seen&) {
    Reply reply;
    reply.closes = true;
    return reply;
  });
  start_mirror();
  log_.append(make_write(1));
  answer_write(1, 200);
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 1; }));
  EXPECT_EQ(shadows()[0].answer.status, 0);
  EXPECT_NE(shadows()[0].cause, "");
  EXPECT_EQ(mirror_->stats().no_answer, 1U);
  clock_.advance_ns(10'000'000'000);
  log_.append(in_session(make_read(2, "/end"), "z"));
  ASSERT_TRUE(wait_for([&] { return candidate_->count() >= 2; }));
  EXPECT_EQ(candidate_->seen()[1].target, "/end");
}

TEST_F(MirrorTest, HangingCandidateEndsAtTheDeadline) {
  start_candidate([](const Seen&) {
    Reply reply;
    reply.is_held = true;
    return reply;
  });
  options_.in_flight_max = 4;
  start_mirror();
  for (std::uint64_t i = 1; i <= 6; ++i) log_.append(make_read(i));
  ASSERT_TRUE(wait_for([&] { return candidate_->count() == 4; }));
  // Never more than in_flight_max: the other two are known and wait.
  ASSERT_TRUE(
      wait_for([&] { return mirror_->stats().in_flight == 4 && mirror_->stats().pending == 6; }));
  EXPECT_LE(candidate_->most_at_once(), 4U);
  clock_.advance_ns(31'000'000'000);
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 4 && skips().size() == 2; }));
  EXPECT_EQ(shadows()[0].cause, "deadline");
  EXPECT_EQ(skips()[0].reason, SkipReason::kStale);
}

TEST_F(MirrorTest, PauseHoldsCopiesBackAndResumeSendsThem) {
  start_candidate();
  start_mirror();
  mirror_->pause(true);
  ASSERT_TRUE(wait_for([&] { return mirror_->stats().is_paused; }));
  log_.append(make_write(1));
  answer_write(1, 200);
  ASSERT_TRUE(wait_for([&] {
    const MirrorStats stats = mirror_->stats();
    return stats.pending == 1 && stats.waiting_for == "paused";
  }));
  EXPECT_EQ(candidate_->count(), 0U);
  mirror_->pause(false);
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 1; }));
}

TEST_F(MirrorTest, RouteThatIsOffSkipsReadsAndKeepsWrites) {
  start_candidate();
  policy_.is_on = false;
  start_mirror();
  log_.append(in_session(make_read(1), "a"));
  log_.append(in_session(make_write(2), "b"));
  answer_write(2, 200);
  ASSERT_TRUE(wait_for([&] { return skips().size() == 1; }));
  EXPECT_EQ(skip_of(1), SkipReason::kRouteOff);
  ASSERT_TRUE(wait_for([&] { return mirror_->stats().pending_writes == 1; }));
  policy_.is_on = true;
  ASSERT_TRUE(wait_for([&] {
    clock_.advance_ns(100'000'000);
    return shadows().size() == 1;
  }));
  EXPECT_EQ(shadows()[0].exchange, exchange_id(2));
}

TEST_F(MirrorTest, AfterCutoverLegacyIsTheShadow) {
  start_candidate();
  start_legacy();
  start_mirror();
  model::RequestRecord request = make_read(1);
  request.primary = System::kCandidate;
  log_.append(request);
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 1; }));
  EXPECT_EQ(shadows()[0].answer.system, System::kLegacy);
  EXPECT_EQ(legacy_->count(), 1U);
  EXPECT_EQ(candidate_->count(), 0U);
}

TEST_F(MirrorTest, BodyInChunksIsStreamedFromTheLog) {
  start_candidate();
  start_mirror();
  std::string body;
  for (int i = 0; i < 700'000; ++i) body += static_cast<char>('a' + i % 26);
  append_chunked_write(1, body, true);
  answer_write(1, 200);
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 1; }));
  EXPECT_EQ(shadows()[0].answer.status, 200);
  EXPECT_EQ(candidate_->seen()[0].body, body);
}

TEST_F(MirrorTest, IncompleteBodyIsNotCopied) {
  start_candidate();
  start_mirror();
  append_chunked_write(1, "half", false);
  close_without_answer(1, OutcomeKind::kAborted, Forwarded::kPart);
  append_chunked_write(2, "cut by our bound", false);
  answer_write(2, 200);
  model::RequestRecord unrecorded = make_write(3);
  unrecorded.body.kind = model::Body::Kind::kNotRecorded;
  log_.append(unrecorded);
  ASSERT_TRUE(wait_for([&] { return skips().size() == 3; }));
  EXPECT_EQ(skip_of(1), SkipReason::kClientAborted);
  EXPECT_EQ(skip_of(2), SkipReason::kBodyTooLarge);
  EXPECT_EQ(skip_of(3), SkipReason::kBodyTooLarge);
}

TEST_F(MirrorTest, BodyAtTheBoundIsCopiedAndOneByteMoreIsNot) {
  start_candidate();
  options_.body_bytes_max = 8;
  start_mirror();
  log_.append(make_write(1, "/a", "12345678"));
  log_.append(make_write(2, "/b", "123456789"));
  answer_write(1, 200);
  answer_write(2, 200);
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 1 && skips().size() == 1; }));
  EXPECT_EQ(skip_of(2), SkipReason::kBodyTooLarge);
}

TEST_F(MirrorTest, LargeAnswerIsRecordedInChunks) {
  const std::string body(kLargeAnswer, 'x');
  start_candidate([&body](const Seen&) {
    Reply reply;
    reply.body = body;
    return reply;
  });
  start_mirror();
  log_.append(make_read(1));
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 1; }));
  const model::ShadowRecord shadow = shadows()[0];
  EXPECT_EQ(shadow.answer.body.kind, model::Body::Kind::kChunks);
  EXPECT_EQ(shadow.answer.body.length, body.size());
  EXPECT_TRUE(shadow.answer.body.is_complete);
  EXPECT_EQ(shadow.answer.body.digest, xxh3_128(body, kDigestSeed));
  std::string recorded;
  std::vector<std::string> storage;
  for (const auto& chunk : log_.all<model::ChunkRecord>(storage)) {
    EXPECT_EQ(chunk.side, model::Side::kShadow);
    recorded += chunk.bytes;
  }
  EXPECT_EQ(recorded, body);
}

TEST_F(MirrorTest, LostPartsOfAnExchangeAreCountedAsGap) {
  start_candidate();
  start_mirror();
  log_.append(make_write(1));
  log_.append(make_write(2));
  model::GapRecord gap;
  gap.cause = "queue_full";
  gap.parts = {{exchange_id(1), 1U << static_cast<int>(model::Side::kPrimary)}};
  log_.append(gap);
  ASSERT_TRUE(wait_for([&] { return skips().size() == 1; }));
  EXPECT_EQ(skip_of(1), SkipReason::kGap);
  log_.append_hole(5, "damaged");
  ASSERT_TRUE(wait_for([&] { return skips().size() == 2; }));
  EXPECT_EQ(skip_of(2), SkipReason::kGap);
  EXPECT_EQ(mirror_->stats().dropped["gap"], 2U);
}

TEST_F(MirrorTest, RetentionDropsWhatWaitsAndWhatWasNotReadYet) {
  policy_.is_on = false;  // writes stay pending
  options_.pending_max = 2;
  start_candidate();
  start_mirror();
  for (std::uint64_t i = 1; i <= 4; ++i) {
    log_.append(make_write(i));
    answer_write(i, 200);
  }
  ASSERT_TRUE(wait_for([&] { return mirror_->stats().pending == 2; }));
  mirror_->on_retention("main", Offset{0}, Offset{6});  // three exchanges of the four
  ASSERT_TRUE(wait_for([&] { return skips().size() == 3; }));
  for (std::uint64_t i = 1; i <= 3; ++i) EXPECT_EQ(skip_of(i), SkipReason::kRetention);
  ASSERT_TRUE(wait_for([&] { return mirror_->stats().pending == 1; }));
  policy_.is_on = true;
  ASSERT_TRUE(wait_for([&] {
    clock_.advance_ns(100'000'000);
    return shadows().size() == 1;
  }));
  EXPECT_EQ(shadows()[0].exchange, exchange_id(4));
}

TEST_F(MirrorTest, ReadingStopsAtPendingMaxAndGoesOn) {
  options_.pending_max = 8;
  policy_.is_on = true;
  start_candidate();
  start_mirror();
  mirror_->pause(true);
  for (std::uint64_t i = 1; i <= 50; ++i) log_.append(make_read(i));
  ASSERT_TRUE(wait_for([&] { return mirror_->stats().pending == 8; }));
  EXPECT_GE(mirror_->stats().lag_records, 42U);
  mirror_->pause(false);
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 50; }));
}

TEST_F(MirrorTest, RefusedRecordIsKeptUntilTheLogTakesIt) {
  start_candidate();
  start_mirror();
  log_.set_refusing(true);
  log_.append(make_read(1));
  // The log refuses, so nothing is sent: what cannot be recorded is not done.
  ASSERT_TRUE(wait_for([&] { return mirror_->stats().waiting_for == "log: it takes no records"; }));
  EXPECT_EQ(candidate_->count(), 0U);
  log_.set_refusing(false);
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 1; }));
}

TEST_F(MirrorTest, RestartSendsOnlyWhatHasNoEnd) {
  start_candidate();
  log_.append(make_write(1, "/done"));
  answer_write(1, 200);
  log_.append(make_write(2, "/skipped"));
  answer_write(2, 404);
  log_.append(make_write(3, "/due"));
  answer_write(3, 200);
  log_.append(support::shadow(exchange_id(1)));
  log_.append(support::skip(exchange_id(2), SkipReason::kPrimaryRefused));
  model::ShadowRecord of_a_run = support::shadow(exchange_id(3));
  of_a_run.run = RunId{4};
  log_.append(of_a_run);
  start_mirror();
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 3; }));
  EXPECT_EQ(candidate_->count(), 1U);
  EXPECT_EQ(candidate_->seen()[0].target, "/due");
  EXPECT_EQ(skips().size(), 1U);
}

TEST_F(MirrorTest, StoppedAtAnyPointEveryExchangeEndsOnce) {
  start_candidate([](const Seen& seen) {
    Reply reply;
    reply.turns = static_cast<int>(seen.target.back() % 3);
    return reply;
  });
  constexpr std::uint64_t kExchanges = 120;
  std::uint64_t next = 1;
  for (int round = 0; round < 8; ++round) {
    start_mirror(candidate_->port());
    for (std::uint64_t i = 0; i < kExchanges / 8; ++i, ++next) {
      log_.append(make_write(next, "/w/" + std::to_string(next)));
      answer_write(next, next % 5 == 0 ? 404 : 200);
      clock_.advance_ns(1000);
    }
    const std::size_t enough = shadows().size() + static_cast<std::size_t>(round);
    ASSERT_TRUE(wait_for([&] { return shadows().size() >= enough; }));
    mirror_->stop(0);  // cuts what is in flight
    mirror_.reset();
  }
  start_mirror(candidate_->port());
  ASSERT_TRUE(wait_for([&] { return shadows().size() + skips().size() >= kExchanges; }));
  std::set<ExchangeId> ended;
  for (const auto& shadow : shadows()) EXPECT_TRUE(ended.insert(shadow.exchange).second);
  for (const auto& skip : skips()) EXPECT_TRUE(ended.insert(skip.exchange).second);
  EXPECT_EQ(ended.size(), kExchanges);
  // What was sent twice carried the same key.
  std::map<std::string, std::string> keys;
  for (const Seen& seen : candidate_->seen()) {
    const auto [at, is_new] = keys.emplace(seen.target, seen.field("Idempotency-Key"));
    if (!is_new) {
      EXPECT_EQ(at->second, seen.field("Idempotency-Key"));
    }
  }
}

TEST_F(MirrorTest, CursorStandsBeforeTheOldestCopyThatHasNotEnded) {
  start_candidate([](const Seen& seen) {
    Reply reply;
    reply.is_held = seen.target == "/held";
    return reply;
  });
  start_mirror();
  log_.append(in_session(make_read(1), "a"));
  const Offset held = log_.append(in_session(make_read(2, "/held"), "b"));
  log_.append(in_session(make_read(3), "c"));
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 2; }));
  ASSERT_TRUE(wait_for([&] {
    clock_.advance_ns(100'000'000);
    return log_.load_cursor("mirror")->next_of("main") == held;
  }));
  candidate_->release();
  ASSERT_TRUE(wait_for([&] {
    clock_.advance_ns(100'000'000);
    return log_.load_cursor("mirror")->next_of("main") == log_.end().next_of("main");
  }));
}

// For every pair of the same session: where the write's primary had ended before the other's head
// arrived, the candidate has answered the write before it sees the other.
TEST_F(MirrorTest, KeepsCausalOrderForRandomOverlappingSessions) {
  const auto seed = static_cast<unsigned>(std::random_device{}());
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  start_candidate([](const Seen& seen) {
    Reply reply;
    reply.turns = static_cast<int>(xxh3_64(seen.target) % 4);
    return reply;
  });
  start_mirror();
  struct Exchange {
    std::string target, session;
    bool is_write = false;
    std::int64_t started = 0, ended = 0;
  };
  std::map<std::uint64_t, Exchange> all;
  std::vector<std::uint64_t> open;
  constexpr std::uint64_t kExchanges = 300;
  std::uint64_t next = 1;
  while (next <= kExchanges || !open.empty()) {
    clock_.advance_ns(1000);
    const std::int64_t now = clock_.mono_ns();
    if (next <= kExchanges && (open.empty() || random() % 2 == 0)) {
      Exchange& made = all[next];
      made.is_write = random() % 2 == 0;
      made.session = "s" + std::to_string(random() % 6);
      made.target = "/" + std::to_string(next);
      made.started = now;
      log_.append(
          in_session(made.is_write ? make_write(next, made.target) : make_read(next, made.target),
                     made.session));
      open.push_back(next++);
    } else {
      const std::size_t which = random() % open.size();
      all[open[which]].ended = now;
      answer_write(open[which], 200);
      open.erase(open.begin() + static_cast<long>(which));
    }
  }
  ASSERT_TRUE(wait_for([&] { return shadows().size() == kExchanges; }));
  std::map<std::string, std::size_t> arrived, replied;
  const std::vector<Event> events = candidate_->events();
  for (std::size_t i = 0; i < events.size(); ++i) {
    (events[i].is_reply ? replied : arrived)[events[i].target] = i;
  }
  int ordered = 0;
  for (const auto& [a, write] : all) {
    for (const auto& [b, later] : all) {
      if (!write.is_write || write.session != later.session || write.ended >= later.started)
        continue;
      ++ordered;
      EXPECT_LT(replied[write.target], arrived[later.target]) << write.target << later.target;
    }
  }
  EXPECT_GT(ordered, 100);
}

TEST_F(MirrorTest, TenThousandCopiesWithoutLoss) {
  start_candidate();
  start_mirror();
  constexpr std::uint64_t kExchanges = 10'000;
  for (std::uint64_t i = 1; i <= kExchanges; ++i) {
    const std::string session = "s" + std::to_string(i % 97);
    if (i % 4 == 0) {
      log_.append(in_session(make_write(i), session));
      answer_write(i, 200);
    } else {
      log_.append(in_session(make_read(i), session));
    }
    if (i % 64 == 0) clock_.advance_ns(1000);
  }
  ASSERT_TRUE(wait_for([&] { return mirror_->stats().mirrored == kExchanges; }, 60));
  std::set<ExchangeId> ended;
  for (const auto& shadow : shadows()) ended.insert(shadow.exchange);
  EXPECT_EQ(ended.size(), kExchanges);
  EXPECT_EQ(candidate_->count(), kExchanges);
  EXPECT_LE(candidate_->most_at_once(), options_.in_flight_max);
  // Connections are used again. On a machine without an idle core more were opened than copies went
  // at once (468 under TSan); why is not known.
  EXPECT_LT(candidate_->accepted(), kExchanges / 10);
}

TEST_F(MirrorTest, ReconfiguredCopiesGoByTheNewOptions) {
  start_candidate();
  start_mirror();
  log_.append(make_read(1));
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 1; }));
  SystemsOptions next = systems();
  next.candidate_host = "new.internal";
  options_.read_staleness_ns = 1;
  mirror_->reconfigure(next, options_, true);
  // The loop may be reading still while it is told.
  std::uint64_t last = 1;
  ASSERT_TRUE(wait_for([&] {
    if (skip_of(last) == SkipReason::kStale) return true;
    model::RequestRecord stale = make_read(++last);
    stale.started.mono_ns -= 1'000'000'000;
    log_.append(stale);
    return wait_for([&] { return skip_of(last) || shadows().size() == last; }) &&
           skip_of(last) == SkipReason::kStale;
  }));
  const std::size_t sent = shadows().size();
  log_.append(make_read(last + 1));
  ASSERT_TRUE(wait_for([&] { return shadows().size() == sent + 1; }));
  ASSERT_EQ(candidate_->seen().size(), sent + 1);
  EXPECT_EQ(candidate_->seen().back().target, "/read");
  EXPECT_EQ(candidate_->seen().back().field("Host"), "new.internal");
}

}  // namespace
}  // namespace banyan::replay
