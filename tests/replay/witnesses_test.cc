// SPDX-License-Identifier: Apache-2.0
//
// What is asked again, whom, and what it is bounded by.
#include <gtest/gtest.h>

#include <algorithm>

#include <set>
#include <string>
#include <vector>

#include "core/model/witness.h"
#include "replay/witness_budget.h"
#include "tests/replay/replay_fixture.h"

namespace banyan::replay {
namespace {

class WitnessesTest : public ReplayFixture {
 protected:
  WitnessesTest() {
    options_.noise.control = 0;
    options_.noise.legacy_floor = 1000;
  }
  void start() {
    start_legacy();
    start_candidate();
    start_mirror();
  }
  // A request without a copy of its own, and the VERDICT of one.
  void exchange(std::uint64_t id, Verdict verdict = Verdict::kDifferent, bool is_write = false,
                std::string_view path = "body:$.a") {
    model::RequestRecord request = is_write ? make_write(id) : make_read(id);
    request.mirror = MirrorDecision::kOff;
    append(request, verdict, path);
  }
  void append(const model::RequestRecord& request, Verdict verdict,
              std::string_view path = "body:$.a") {
    const Offset offset = log_.append(request);
    auto record = support::verdict(request.exchange, verdict);
    record.endpoint = request.is_write ? "POST /write" : "GET /read";
    record.request_stream = "main";
    record.request_offset = offset;
    record.race = race_;
    if (verdict == Verdict::kDifferent) {
      model::Difference one;
      one.path = std::string(path);
      record.differences.push_back(one);
    }
    log_.append(record);
  }
  model::Race race_;
  std::uint64_t passed_over(const std::string& reason) {
    const auto stats = mirror_->stats().witnesses.passed_over;
    const auto found = stats.find(reason);
    return found == stats.end() ? 0 : found->second;
  }
};

TEST_F(WitnessesTest, BothSystemsAreAskedTwiceForWhatDiffered) {
  start();
  exchange(1);
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 4; }));
  std::set<std::uint64_t> runs;
  for (const auto& shadow : shadows()) {
    EXPECT_TRUE(shadow.run.is_witness());
    EXPECT_EQ(shadow.run.reason(), WitnessReason::kConfirmation);
    EXPECT_EQ(shadow.run.of(), 2U);
    const bool is_legacy = shadow.answer.system == System::kLegacy;
    EXPECT_EQ(shadow.run.whom(), is_legacy ? WitnessOf::kLegacy : WitnessOf::kCandidate);
    EXPECT_EQ(shadow.run.side(), is_legacy ? WitnessSide::kSame : WitnessSide::kOther);
    runs.insert(shadow.run.value);
  }
  EXPECT_EQ(runs.size(), 4U);
  EXPECT_EQ(legacy_->count(), 2U);
  EXPECT_EQ(candidate_->count(), 2U);
  EXPECT_EQ(legacy_->seen().front().field("Banyan-Shadow"), "1");
  EXPECT_EQ(mirror_->stats().mirrored, 0U);
}

TEST_F(WitnessesTest, WhatOverlappedAWriteIsAskedAgainWhenThatHasSettled) {
  start();
  race_ = {support::exchange_id(77), 0};
  exchange(1);
  race_ = {};
  ASSERT_TRUE(wait_for([&] { return mirror_->stats().witnesses.waiting == 1; }));
  exchange(2, Verdict::kDifferent, false, "body:$.b");
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 4; }));
  for (const auto& shadow : shadows()) EXPECT_EQ(shadow.exchange, support::exchange_id(2));
  clock_.advance_ns(1'000'000'000);
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 8; }));
}

TEST_F(WitnessesTest, EqualOnesWritesAndEarlierGenerationsAreLeftAlone) {
  start();
  exchange(1, Verdict::kEqual);
  exchange(2, Verdict::kTolerated);
  exchange(3, Verdict::kDifferent, true);
  model::RequestRecord treated_as_write = make_read(4);
  treated_as_write.mirror = MirrorDecision::kOff;
  treated_as_write.is_write = true;
  const Offset offset = log_.append(treated_as_write);
  auto verdict = support::verdict(treated_as_write.exchange, Verdict::kDifferent);
  verdict.endpoint = "GET /read";
  verdict.request_stream = "main";
  verdict.request_offset = offset;
  log_.append(verdict);
  ASSERT_TRUE(wait_for([&] { return passed_over("not_safe") == 1; }));
  exchange(5);
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 4; }));
  for (const auto& seen : legacy_->seen()) EXPECT_EQ(seen.method, "GET");
}

TEST_F(WitnessesTest, ControlsAskLegacyOnceWithoutRegardToTheVerdict) {
  options_.noise.control = 1;
  options_.noise.confirm = 0;
  start();
  exchange(1, Verdict::kEqual);
  exchange(2, Verdict::kDifferent);
  exchange(3, Verdict::kIncomparable);
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 2; }));
  for (const auto& shadow : shadows()) {
    EXPECT_EQ(shadow.run, RunId::control(WitnessOf::kLegacy));
  }
  EXPECT_EQ(candidate_->count(), 0U);
}

TEST_F(WitnessesTest, WhereLegacyIsNoisyMoreControlsAreAsked) {
  constexpr double kShare = 0.01;
  options_.noise.control = kShare;
  options_.noise.confirm = 0;
  std::vector<std::uint64_t> further;
  for (std::uint64_t id = 1; further.size() < 2; ++id) {
    if (model::NoisyEndpoints::is_further_control(make_read(id).exchange, kShare)) {
      further.push_back(id);
    }
  }
  start();
  exchange(further[0], Verdict::kEqual);
  auto noise = support::verdict(support::exchange_id(999'999), Verdict::kDifferent);
  noise.run = RunId::control(WitnessOf::kLegacy);
  noise.endpoint = "GET /read";
  log_.append(noise);
  exchange(further[1], Verdict::kEqual);
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 1; }));
  EXPECT_EQ(shadows().front().exchange, make_read(further[1]).exchange);
  EXPECT_EQ(mirror_->stats().witnesses.controls, 1U);
}

TEST_F(WitnessesTest, AControlNeedsThatLegacyAnsweredTheClient) {
  options_.noise.control = 1;
  options_.noise.confirm = 0;
  start();
  model::RequestRecord request = make_read(1);
  request.mirror = MirrorDecision::kOff;
  request.primary = System::kCandidate;
  append(request, Verdict::kEqual);
  ASSERT_TRUE(wait_for([&] { return passed_over("not_safe") == 1; }));
  EXPECT_EQ(legacy_->count(), 0U);
}

TEST_F(WitnessesTest, WhatIsLongAgoOrNotWholeIsPassedOver) {
  start();
  model::RequestRecord old = make_read(1);
  old.mirror = MirrorDecision::kOff;
  old.started.wall_ns -= 31'000'000'000;
  append(old, Verdict::kDifferent);
  ASSERT_TRUE(wait_for([&] { return passed_over("stale") == 1; }));
  model::RequestRecord cut = make_read(2);
  cut.mirror = MirrorDecision::kOff;
  cut.body.kind = model::Body::Kind::kNotRecorded;
  append(cut, Verdict::kDifferent);
  ASSERT_TRUE(wait_for([&] { return passed_over("not_whole") == 1; }));
  EXPECT_EQ(legacy_->count(), 0U);
}

TEST_F(WitnessesTest, ARouteThatIsOffIsLeftAlone) {
  policy_.is_on = false;
  start();
  exchange(1);
  ASSERT_TRUE(wait_for([&] { return passed_over("route_off") == 1; }));
  EXPECT_EQ(candidate_->count(), 0U);
}

TEST_F(WitnessesTest, TheTwinIsAskedAtOnceForEverySafeExchangeAndLegacyForNone) {
  options_.noise.control = 1;
  start_legacy();
  start_candidate();
  ScriptedSystem twin([](const Seen&) { return Reply{}; });
  SystemsOptions with_twin = systems();
  with_twin.twin.emplace();
  with_twin.twin->endpoints = at_port(twin.port());
  auto mirror =
      Mirror::open(clock_, log_, log_.open_sink(), *redactor_, policy_, with_twin, options_);
  ASSERT_TRUE(mirror.ok());
  mirror_ = std::move(*mirror);
  mirror_->start();
  for (std::uint64_t i = 1; i <= 5; ++i) append(make_read(i), Verdict::kEqual);
  log_.append(make_write(6));
  model::RequestRecord of_candidate = make_read(7);
  of_candidate.primary = System::kCandidate;
  log_.append(of_candidate);
  ASSERT_TRUE(wait_for([&] { return twin.count() == 5 && candidate_->count() == 5; }));
  ASSERT_TRUE(wait_for([&] { return shadows().size() == 11; }));
  std::size_t of_twin = 0;
  for (const auto& shadow : shadows()) of_twin += shadow.run == RunId::control(WitnessOf::kTwin);
  EXPECT_EQ(of_twin, 5U);
  EXPECT_EQ(mirror_->stats().witnesses.asked_twin, 5U);
  EXPECT_EQ(mirror_->stats().witnesses.asked_legacy, 0U);
}

TEST_F(WitnessesTest, WithoutABudgetNothingIsAsked) {
  options_.noise.legacy_budget = 0;
  options_.noise.legacy_floor = 0;
  start();
  exchange(1);
  ASSERT_TRUE(wait_for([&] { return mirror_->stats().witnesses.waiting == 1; }));
  clock_.advance_ns(11'000'000'000);
  ASSERT_TRUE(wait_for([&] { return passed_over("budget") == 1; }));
  EXPECT_EQ(legacy_->count(), 0U);
}

TEST_F(WitnessesTest, TheSameDifferenceIsConfirmedEverMoreRarely) {
  options_.noise.legacy_floor = 1000;
  start();
  for (std::uint64_t i = 1; i <= 200; ++i) exchange(i);
  // Time passes slowly, and only while something waits for the bucket to fill: else all would grow
  // stale between two turns of the loop.
  const auto settled = [&] {
    const auto stats = mirror_->stats().witnesses;
    if (stats.waiting > 0) clock_.advance_ns(1'000'000);
    std::uint64_t passed = 0;
    for (const auto& [reason, count] : stats.passed_over) passed += count;
    return stats.waiting == 0 ? stats.confirmations + passed : 0;
  };
  ASSERT_TRUE(wait_for([&] { return settled() >= 200; }));
  EXPECT_GE(mirror_->stats().witnesses.confirmations, FairShare::kFree);
  EXPECT_GT(passed_over("enough"), 100U);
  exchange(1000, Verdict::kDifferent, false, "body:$.rare");
  ASSERT_TRUE(wait_for([&] {
    settled();
    const auto all = shadows();
    return std::any_of(all.begin(), all.end(), [](const auto& shadow) {
      return shadow.exchange == support::exchange_id(1000);
    });
  }));
}

TEST_F(WitnessesTest, ASystemThatCannotBeReachedEndsTheConfirmation) {
  start_legacy();
  start_mirror(1);  // nobody listens there
  exchange(1);
  ASSERT_TRUE(wait_for([&] { return passed_over("not_sent") == 1; }));
}

TEST(WitnessBudgetTest, EarnsAShareOfTrafficAndAFloorAndSavesLittle) {
  WitnessBudget budget;
  budget.configure(0.02, 2);
  budget.on_time(0);
  EXPECT_TRUE(budget.may_take(20));
  budget.take(20);
  EXPECT_FALSE(budget.may_take(1));
  budget.on_time(1'000'000'000);
  EXPECT_TRUE(budget.may_take(2));
  EXPECT_FALSE(budget.may_take_control());
  budget.take(2);
  for (int i = 0; i < 500; ++i) budget.on_exchange(1'000'000'000);
  EXPECT_TRUE(budget.may_take(9));
  EXPECT_FALSE(budget.may_take(11));
  budget.on_time(3'600'000'000'000);
  EXPECT_TRUE(budget.may_take(20));
  EXPECT_FALSE(budget.may_take(21));
  EXPECT_TRUE(budget.may_take_control());
}

TEST(SlowWatchTest, KnowsWhenLegacyIsSlowerThanUsual) {
  SlowWatch watch;
  std::int64_t now = 0;
  const auto second = [&](std::int64_t duration_ns) {
    for (int i = 0; i < 600; ++i) watch.add(duration_ns);
    now += 1'000'000'000;
    watch.on_time(now);
    return watch.is_slow();
  };
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(second(50'000'000));
  EXPECT_FALSE(second(60'000'000));
  EXPECT_TRUE(second(80'000'000));
  EXPECT_FALSE(second(50'000'000));
  // Small times jump; and what lasts becomes usual.
  SlowWatch other;
  watch = other;
  EXPECT_FALSE(second(1'000'000));
  EXPECT_FALSE(second(3'000'000));
  bool is_slow = true;
  for (int i = 0; i < 1000; ++i) is_slow = second(80'000'000);
  EXPECT_FALSE(is_slow);
}

TEST(SlowWatchTest, SaysNothingOnFewAnswers) {
  SlowWatch watch;
  for (int i = 0; i < 99; ++i) watch.add(1'000'000'000);
  watch.on_time(2'000'000'000);
  EXPECT_FALSE(watch.is_slow());
}

TEST(FairShareTest, ForgetsAllWhenItHoldsTooManySets) {
  FairShare fair;
  for (std::uint64_t set = 0; set < FairShare::kSetsMax; ++set) {
    for (std::uint32_t i = 0; i < FairShare::kFree; ++i) fair.note(set);
  }
  EXPECT_FALSE(fair.is_due(0, 1));
  fair.note(FairShare::kSetsMax);
  EXPECT_TRUE(fair.is_due(0, 1));
}

}  // namespace
}  // namespace banyan::replay
