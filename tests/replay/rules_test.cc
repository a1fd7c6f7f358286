// SPDX-License-Identifier: Apache-2.0
//
// The pure rules: when a write is copied, how fast copies go, what a run's filter takes, and how a
// run is stored.
#include <gtest/gtest.h>

#include "replay/copy_request.h"
#include "replay/pacer.h"
#include "replay/primary_end.h"
#include "replay/run_filter.h"
#include "replay/run_state.h"
#include "tests/support/records.h"
#include "tests/support/times.h"

namespace banyan::replay {
namespace {

SkipReason reason(std::uint16_t status, Delivery delivery = Delivery::kWhole) {
  return primary_end_of(support::response(support::exchange_id(1), "r", delivery, System::kLegacy,
                                          "{}", status))
      .skip;
}

SkipReason reason(OutcomeKind kind, Forwarded forwarded) {
  model::OutcomeRecord outcome = support::outcome(support::exchange_id(1), kind);
  outcome.forwarded = forwarded;
  return primary_end_of(outcome).skip;
}

TEST(PrimaryEndTest, WholeAnswersDecideByTheirStatus) {
  EXPECT_EQ(reason(200), SkipReason::kNone);
  EXPECT_EQ(reason(303), SkipReason::kNone);
  EXPECT_EQ(reason(399), SkipReason::kNone);
  EXPECT_EQ(reason(400), SkipReason::kPrimaryRefused);
  EXPECT_EQ(reason(499), SkipReason::kPrimaryRefused);
  EXPECT_EQ(reason(500), SkipReason::kPrimaryFailed);
  EXPECT_EQ(reason(201, Delivery::kClientLeft), SkipReason::kNone);
  EXPECT_EQ(reason(404, Delivery::kClientLeft), SkipReason::kPrimaryRefused);
}

TEST(PrimaryEndTest, NoWholeAnswerIsUnknown) {
  EXPECT_EQ(reason(200, Delivery::kTruncated), SkipReason::kPrimaryUnknown);
  EXPECT_EQ(reason(OutcomeKind::kBanyan, Forwarded::kWhole), SkipReason::kPrimaryUnknown);
  EXPECT_EQ(reason(OutcomeKind::kAborted, Forwarded::kWhole), SkipReason::kPrimaryUnknown);
  EXPECT_EQ(reason(OutcomeKind::kUnknown, Forwarded::kNothing), SkipReason::kPrimaryUnknown);
}

TEST(PrimaryEndTest, WhatWasNotForwardedIsNotCopied) {
  EXPECT_EQ(reason(OutcomeKind::kBanyan, Forwarded::kNothing), SkipReason::kNotForwarded);
  EXPECT_EQ(reason(OutcomeKind::kBanyan, Forwarded::kPart), SkipReason::kNotForwarded);
  EXPECT_EQ(reason(OutcomeKind::kAborted, Forwarded::kPart), SkipReason::kClientAborted);
}

TEST(PacerTest, NoLimitUnlessCatchingUp) {
  Pacer pacer(0, 2.0);
  pacer.refill(kSecond, false, true);
  EXPECT_FALSE(pacer.is_limited());
  pacer.refill(2 * kSecond, true, true);
  EXPECT_FALSE(pacer.is_limited()) << "no live traffic: only in_flight limits";
}

TEST(PacerTest, CatchingUpIsBoundedByTheLiveRate) {
  Pacer pacer(0, 2.0);
  // 100 arrivals a second for three seconds.
  std::int64_t now = 0;
  for (int i = 0; i < 300; ++i) pacer.on_arrival(now += kSecond / 100);
  int sent = 0;
  for (int step = 0; step < 1000; ++step) {
    pacer.refill(now += kSecond / 1000, true, true);
    ASSERT_TRUE(pacer.is_limited());
    for (; pacer.may_send(); ++sent) pacer.on_sent();
  }
  EXPECT_NEAR(sent, 200, 10);
  EXPECT_EQ(pacer.arrival_rate(now + 10 * kSecond, true), 0) << "silence at the end of the log";
  EXPECT_GT(pacer.arrival_rate(now + 10 * kSecond, false), 0) << "behind it silence means nothing";
}

TEST(PacerTest, CatchingUpHasAFloorUnderHardlyAnyTraffic) {
  Pacer pacer(0, 2.0);
  std::int64_t now = 0;
  for (int i = 0; i < 4; ++i) pacer.on_arrival(now += kSecond);
  int sent = 0;
  for (int step = 0; step < 1000; ++step) {
    pacer.refill(now += kSecond / 1000, true, true);
    for (; pacer.may_send(); ++sent) pacer.on_sent();
  }
  EXPECT_NEAR(sent, 20, 2);
}

TEST(PacerTest, FixedRateHoldsAlsoWhenNotCatchingUp) {
  Pacer pacer(50, 2.0);
  std::int64_t now = kSecond;
  int sent = 0;
  for (int step = 0; step < 1000; ++step) {
    pacer.refill(now += kSecond / 1000, false, true);
    for (; pacer.may_send(); ++sent) pacer.on_sent();
  }
  EXPECT_NEAR(sent, 50, 3);
}

TEST(IdempotencyKeyTest, IsAUuidThatDependsOnTheExchangeAlone) {
  const std::string key = idempotency_key_of(support::exchange_id(1));
  EXPECT_EQ(key.size(), 36U);
  EXPECT_EQ(key[14], '8');
  EXPECT_NE(std::string("89ab").find(key[19]), std::string::npos);
  EXPECT_EQ(key, idempotency_key_of(support::exchange_id(1)));
  EXPECT_NE(key, idempotency_key_of(support::exchange_id(2)));
}

constexpr std::int64_t kNow = 1'700'000'000'000'000'000;

FilterFacts facts(std::string_view method = "POST", std::string_view target = "/api/a/b?x=1") {
  return {support::exchange_id(1), "orders", method, target, kNow - 60 * kSecond, method != "GET"};
}

bool takes(std::string_view text, const FilterFacts& known, std::uint16_t status = 200) {
  auto filter = RunFilter::parse(text, kNow);
  EXPECT_TRUE(filter.ok()) << text;
  return filter.ok() && filter->takes_request(known) && filter->takes_status(status);
}

TEST(RunFilterTest, EveryWordMustHold) {
  EXPECT_TRUE(takes("", facts()));
  EXPECT_TRUE(takes("route:ord* method:POST,PUT path:/api/* status:5xx,200", facts()));
  EXPECT_FALSE(takes("route:ord* method:GET", facts()));
  EXPECT_FALSE(takes("path:/other/*", facts()));
  EXPECT_TRUE(takes("path:/api/a/b", facts())) << "the query does not count";
  EXPECT_FALSE(takes("status:5xx", facts(), 404));
  EXPECT_TRUE(takes("status:none", facts(), 0));
  EXPECT_TRUE(takes("kind:write", facts()));
  EXPECT_FALSE(takes("kind:write", facts("GET")));
  EXPECT_TRUE(takes("since:-2m until:-30s", facts()));
  EXPECT_FALSE(takes("since:-30s", facts()));
  EXPECT_TRUE(takes("id:" + support::exchange_id(1).to_string(), facts()));
  EXPECT_FALSE(takes("id:" + support::exchange_id(2).to_string(), facts()));
}

TEST(RunFilterTest, MinusTurnsAWordRound) {
  EXPECT_FALSE(takes("-route:orders", facts()));
  EXPECT_TRUE(takes("-method:GET -status:404", facts()));
  EXPECT_FALSE(takes("-status:2xx", facts()));
}

TEST(RunFilterTest, WrongWordsAreNamed) {
  for (const std::string_view text : {"rout:x", "status:6xx", "status:20", "since:yesterday",
                                      "id:12", "kind:both", "route:", "nonsense", "-"}) {
    auto filter = RunFilter::parse(text, kNow);
    ASSERT_FALSE(filter.ok()) << text;
    EXPECT_EQ(filter.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(filter.error().message.find(std::string(text)), std::string::npos);
  }
  EXPECT_NE(RunFilter::parse("rout:x", kNow).error().message.find("route"), std::string::npos);
}

TEST(RunFilterTest, BoundsItsLength) {
  std::string words;
  for (std::size_t i = 0; i < RunFilter::kTermsMax; ++i) words += "kind:read ";
  EXPECT_TRUE(RunFilter::parse(words, kNow).ok());
  EXPECT_FALSE(RunFilter::parse(words + "kind:read", kNow).ok());
  EXPECT_FALSE(RunFilter::parse(std::string(RunFilter::kTextBytesMax + 1, ' '), kNow).ok());
}

StoredRun stored_run() {
  StoredRun run;
  run.status.id = 7;
  run.status.spec.kind = RunKind::kReconcile;
  run.status.spec.only = RunOnly::kDifferent;
  run.status.spec.filter = "path:/a%20*";
  run.status.spec.from_wall_ns = -5;
  run.status.spec.speed = 2.5;
  run.status.spec.concurrency = 3;
  run.status.state = RunState::kFailed;
  run.status.message = "a\nstate done\n";
  run.status.sent = 11;
  run.status.remaining = 2;
  run.status.remaining_list = {{"e1", "r", "PO\tST", "/x?\x01", "why\nnot"}};
  run.until.set("main", Offset{99});
  return run;
}

TEST(RunStateTest, ReadsWhatItWrote) {
  const StoredRun run = stored_run();
  auto read = parse_stored_run(to_text(run));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(to_text(*read), to_text(run));
  EXPECT_EQ(read->status.message, run.status.message);
  EXPECT_EQ(read->status.state, RunState::kFailed);
  ASSERT_EQ(read->status.remaining_list.size(), 1U);
  EXPECT_EQ(read->status.remaining_list[0].method, "PO\tST");
}

TEST(RunStateTest, RefusesDamage) {
  const std::string text = to_text(stored_run());
  EXPECT_FALSE(parse_stored_run("").ok());
  EXPECT_FALSE(parse_stored_run("banyan-run 2\nid 1\n").ok());
  EXPECT_FALSE(parse_stored_run(text + "surprise 1\n").ok());
  EXPECT_FALSE(parse_stored_run(text + "sent minus\n").ok());
  EXPECT_FALSE(parse_stored_run(text + "concurrency 0\n").ok());
  EXPECT_FALSE(parse_stored_run("banyan-run 1\n").ok()) << "no id";
}

}  // namespace
}  // namespace banyan::replay
