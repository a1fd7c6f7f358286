// SPDX-License-Identifier: Apache-2.0
//
// Answers of witnesses, folded into counts by path.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "comparator/findings.h"
#include "comparator/noise_fold.h"
#include "core/base/text.h"
#include "tests/comparator/findings_fixture.h"
#include "tests/support/records.h"

namespace banyan::comparator {
namespace {

using support::exchange_id;

constexpr std::string_view kEndpoint = "GET /orders/{}";

class FindingsNoiseTest : public FindingsFixture {
 protected:
  std::vector<Finding> list() {
    catch_up();
    return FindingsFixture::list();
  }
  Finding only() {
    const auto all = list();
    EXPECT_EQ(all.size(), 1U);
    return all.empty() ? Finding() : all.front();
  }
  static model::Difference at(const std::string& path,
                              DifferenceKind kind = DifferenceKind::kValue) {
    model::Difference one;
    one.path = one.at = path;
    one.kind = kind;
    one.legacy = "1";
    one.candidate = "2";
    return one;
  }
  void verdict(std::uint64_t exchange, RunId run, std::vector<model::Difference> differences,
               std::string_view endpoint = kEndpoint) {
    auto record = support::verdict(exchange_id(exchange),
                                   differences.empty() ? Verdict::kEqual : Verdict::kDifferent);
    record.run = run;
    record.endpoint = endpoint;
    record.differences = std::move(differences);
    record.race = race_;
    record.legacy_duration_ns = record.candidate_duration_ns = 1'000'000;
    log_.append(record);
  }
  // It overlapped a write.
  void live_with_race(std::uint64_t exchange, std::vector<model::Difference> differences) {
    race_ = {exchange_id(100'000 + exchange), -2'000'000};
    verdict(exchange, RunId(), std::move(differences));
    race_ = {};
  }
  void live(std::uint64_t exchange, std::vector<model::Difference> differences) {
    verdict(exchange, RunId(), std::move(differences));
  }
  // Both asked again twice; what of it differs from the recorded answer.
  void confirm(std::uint64_t exchange, const std::vector<model::Difference>& legacy,
               const std::vector<model::Difference>& candidate) {
    for (unsigned i = 0; i < 2; ++i) {
      verdict(exchange, RunId::confirmation(WitnessOf::kLegacy, WitnessSide::kSame, i, 2), legacy);
      verdict(exchange, RunId::confirmation(WitnessOf::kCandidate, WitnessSide::kOther, i, 2),
              candidate);
    }
  }
  void control(std::uint64_t exchange, const std::vector<model::Difference>& differences) {
    verdict(exchange, RunId::control(WitnessOf::kLegacy), differences);
  }
  static model::Difference price(std::string_view candidate) {
    model::Difference one = at("body:$.price");
    one.candidate = std::string(candidate);
    return one;
  }

  model::Race race_;
};

const model::Difference kPrice = [] {
  model::Difference one;
  one.path = one.at = "body:$.price";
  one.kind = DifferenceKind::kValue;
  return one;
}();

TEST_F(FindingsNoiseTest, AFindingWithoutWitnessesIsSuspect) {
  live(1, {kPrice});
  EXPECT_EQ(only().judged.standing, Standing::kSuspect);
}

TEST_F(FindingsNoiseTest, WhatHoldsTwiceIsARegression) {
  live(1, {kPrice});
  live(2, {kPrice});
  confirm(1, {}, {kPrice});
  EXPECT_EQ(only().judged.standing, Standing::kUndecided);
  confirm(2, {}, {kPrice});
  const Finding finding = only();
  EXPECT_EQ(finding.judged.standing, Standing::kRegression);
  EXPECT_EQ(finding.noise.held, 2U);
  reopen();
  EXPECT_EQ(only().noise.held, 2U);
}

TEST_F(FindingsNoiseTest, LegacysOwnChangesAndWhatClearedAreToldApart) {
  for (std::uint64_t i = 1; i <= 3; ++i) live(i, {kPrice});
  confirm(1, {kPrice}, {kPrice});
  confirm(2, {}, {});
  confirm(3, {kPrice}, {});
  const Finding finding = only();
  EXPECT_EQ(finding.noise.held, 0U);
  EXPECT_EQ(finding.noise.cleared, 1U);
  EXPECT_EQ(finding.noise.legacy_changed, 2U);
  EXPECT_EQ(finding.judged.standing, Standing::kFlaky);
}

TEST_F(FindingsNoiseTest, OnlyWhatTheExchangeShowedIsJudged) {
  live(1, {kPrice});
  confirm(1, {at("body:$.other")}, {kPrice, at("body:$.more")});
  EXPECT_EQ(list().size(), 1U);
  EXPECT_EQ(only().noise.held, 1U);
}

TEST_F(FindingsNoiseTest, WitnessesMakeNoFindingsAndCountNowhereElse) {
  live(1, {});
  control(1, {kPrice});
  confirm(1, {kPrice}, {kPrice});
  EXPECT_TRUE(list().empty());
  const auto latency = store_->latency();
  ASSERT_TRUE(latency.ok());
  ASSERT_EQ(latency->size(), 1U);
  EXPECT_EQ(latency->front().pairs, 1U);
  const auto counts = store_->readiness_counts();
  ASSERT_TRUE(counts.ok());
  ASSERT_EQ(counts->size(), 1U);
  EXPECT_EQ(counts->front().cells.front().pairs(), 1U);
  EXPECT_EQ(store_->explain("")->exchanges, 0U);
}

TEST_F(FindingsNoiseTest, AnAnswerThatNeverCameSpoilsTheConfirmation) {
  live(1, {kPrice});
  confirm(1, {}, {at("status", DifferenceKind::kNoAnswer)});
  EXPECT_EQ(only().noise.confirmations(), 0U);
  EXPECT_EQ(store_->witness_counts().unpaired, 1U);
}

TEST_F(FindingsNoiseTest, BelowAPartThatIsAnotherNothingIsKnown) {
  live(1, {at("body:$.items[].price")});
  confirm(1, {}, {at("body:$.items", DifferenceKind::kMissing)});
  live(2, {at("body:$.items[].price")});
  confirm(2, {}, {at("status", DifferenceKind::kStatus)});
  EXPECT_EQ(only().noise.confirmations(), 0U);
}

TEST_F(FindingsNoiseTest, ControlsArePairedInEitherOrder) {
  control(1, {kPrice});
  live(1, {kPrice});
  live(2, {kPrice});
  control(2, {});
  live(3, {});
  control(3, {kPrice});
  control(4, {});
  live(4, {});
  const Finding finding = only();
  EXPECT_EQ(finding.noise.pairs, 4U);
  EXPECT_EQ(finding.noise.both, 1U);
  EXPECT_EQ(finding.noise.candidate_only, 1U);
  EXPECT_EQ(finding.noise.legacy_only, 1U);
}

TEST_F(FindingsNoiseTest, WhatIsAllNoiseIsNoMismatchUnlessABugIsSeenInIt) {
  // Legacy and candidate differ in one of 200, each on its own.
  for (std::uint64_t i = 1; i <= 4000; ++i) {
    live(i, i % 200 == 0 ? std::vector{kPrice} : std::vector<model::Difference>());
    control(i, i % 200 == 1 ? std::vector{kPrice} : std::vector<model::Difference>());
  }
  const Finding finding = only();
  EXPECT_EQ(finding.judged.standing, Standing::kNoise);
  const auto judged = [&] {
    const auto counts = store_->readiness_counts();
    EXPECT_TRUE(counts.ok());
    ReadinessOptions options;
    options.time_min_ns = 0;
    return assess_readiness(options, {}, *counts, list()).front().state;
  };
  EXPECT_EQ(judged().mismatches, 0U);
  EXPECT_NE(judged().readiness, Readiness::kDifferent);
  ASSERT_TRUE(store_->set_state(finding.id, FindingState::kBug, "me", "seen", 0).ok());
  EXPECT_EQ(judged().mismatches, 20U);
  EXPECT_EQ(judged().readiness, Readiness::kDifferent);
}

TEST_F(FindingsNoiseTest, FieldsAreCountedForTheWholeRouteWithoutCase) {
  live(1, {at("header:X-Thing")});
  control(1, {at("header:x-thing")});
  verdict(2, RunId(), {}, "GET /other");
  verdict(2, RunId::control(WitnessOf::kLegacy), {at("header:x-thing")}, "GET /other");
  const Finding finding = only();
  EXPECT_EQ(finding.endpoint, "*");
  EXPECT_EQ(finding.noise.pairs, 2U);
  EXPECT_EQ(finding.noise.both, 1U);
  EXPECT_EQ(finding.noise.legacy_only, 1U);
}

TEST_F(FindingsNoiseTest, CountsFollowTheEndpointToItsTemplate) {
  constexpr std::uint64_t kUsers = 600;
  for (std::uint64_t i = 1; i <= kUsers; ++i) {
    std::string endpoint = "GET /users/u";
    for (std::uint64_t rest = 100 + i; rest > 0; rest /= 26) {
      endpoint.push_back(static_cast<char>('a' + rest % 26));
    }
    const auto differences = i <= 20 ? std::vector{kPrice} : std::vector<model::Difference>();
    verdict(i, RunId(), differences, endpoint);
    verdict(i, RunId::control(WitnessOf::kLegacy), {}, endpoint);
  }
  const auto all = list();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all.front().endpoint, "GET /users/{}");
  EXPECT_EQ(all.front().noise.pairs, kUsers);
  EXPECT_EQ(all.front().noise.candidate_only, 20U);
  EXPECT_EQ(all.front().judged.standing, Standing::kRegression);
}

TEST_F(FindingsNoiseTest, ErasureLeavesNoPathThatNobodyShows) {
  live(1, {kPrice});
  confirm(1, {}, {kPrice});
  EXPECT_EQ(only().noise.held, 1U);
  ASSERT_TRUE(store_->erase({exchange_id(1)}, {}).ok());
  EXPECT_TRUE(list().empty());
  live(2, {kPrice});
  EXPECT_EQ(only().noise.held, 0U);
}

TEST_F(FindingsNoiseTest, WhatOverlapsAWriteAndAgreesWhenAskedAgainIsARace) {
  for (std::uint64_t i = 1; i <= 1000; ++i) live(i, {});
  for (std::uint64_t i = 1001; i <= 1004; ++i) live_with_race(i, {price("2")});
  confirm(1001, {}, {});                      // the candidate had not yet done the write
  confirm(1002, {price("2")}, {price("2")});  // legacy had not
  EXPECT_EQ(only().judged.standing, Standing::kUndecided);
  confirm(1003, {price("3")}, {price("3")});  // another write came
  confirm(1004, {}, {});
  Finding finding = only();
  EXPECT_EQ(finding.judged.standing, Standing::kRace);
  EXPECT_EQ(finding.noise.raced, 4U);
  EXPECT_EQ(finding.noise.confirmations(), 0U);
  EXPECT_EQ(finding.noise.watched, 1004U);
  EXPECT_EQ(finding.noise.overlapped, 4U);
  EXPECT_EQ(finding.noise.race.exchange, exchange_id(1004));
  EXPECT_EQ(finding.noise.race.write, exchange_id(101'004));
  EXPECT_TRUE(counts_as_noise(finding));
  reopen();
  EXPECT_EQ(only().judged.standing, Standing::kRace);
  // One that is still there when asked again.
  live_with_race(1005, {price("2")});
  confirm(1005, {}, {price("2")});
  EXPECT_EQ(only().judged.standing, Standing::kUndecided);
  ASSERT_TRUE(store_->erase({exchange_id(1004)}, {}).ok());
  EXPECT_TRUE(only().noise.race.exchange.is_null());
}

TEST_F(FindingsNoiseTest, WhereTheLastAnswersDisagreeItIsNoRace) {
  for (std::uint64_t i = 1; i <= 5; ++i) live_with_race(i, {price("2")});
  confirm(1, {price("3")}, {price("4")});  // two other values
  confirm(2, {price("3")}, {});
  confirm(3, {price("long…")}, {price("long…")});  // shown in part: nobody knows
  confirm(4, {}, {price("2")});
  const Finding finding = only();
  EXPECT_EQ(finding.noise.raced, 0U);
  EXPECT_EQ(finding.noise.legacy_changed, 3U);
  EXPECT_EQ(finding.noise.held, 1U);
}

TEST_F(FindingsNoiseTest, AnExchangeThatOverlappedAWriteIsNoControlPair) {
  live_with_race(1, {kPrice});
  control(1, {});
  control(2, {kPrice});
  live_with_race(2, {});
  live(3, {kPrice});
  control(3, {});
  EXPECT_EQ(only().noise.pairs, 1U);
  EXPECT_EQ(only().noise.candidate_only, 1U);
}

// A token that is another one each time, of `digits` hex digits.
std::string token(std::uint64_t number, std::size_t digits) {
  std::string out = hex_of_u64(number * 0x9E3779B97F4A7C15U);
  while (out.size() < digits) out += out;
  return "\"" + out.substr(0, digits) + "\"";
}

model::Difference tokens(std::uint64_t number, std::size_t legacy, std::size_t candidate) {
  model::Difference one;
  one.path = one.at = "body:$.token";
  one.kind = DifferenceKind::kValue;
  one.legacy = token(2 * number, legacy);
  one.candidate = token(2 * number + 1, candidate);
  return one;
}

TEST_F(FindingsNoiseTest, AFieldThatIsAnotherEachTimeStillHasItsShape) {
  for (std::uint64_t i = 1; i <= 25; ++i) {
    live(i, {tokens(i, 32, 32)});
    control(i, {tokens(i, 32, 32)});
  }
  EXPECT_EQ(only().judged.standing, Standing::kBlind);
  // The candidate's tokens become shorter.
  for (std::uint64_t i = 26; i <= 33; ++i) live(i, {tokens(i, 32, 16)});
  Finding finding = only();
  EXPECT_EQ(finding.judged.standing, Standing::kUndecided);
  EXPECT_EQ(finding.judged.needs, Needs::kExchanges);
  EXPECT_GT(finding.judged.needed, 0U);
  for (std::uint64_t i = 34; i <= 60; ++i) live(i, {tokens(i, 32, 16)});
  finding = only();
  EXPECT_EQ(finding.judged.standing, Standing::kRegression);
  EXPECT_EQ(finding.noise.shape, "hex 16");
  EXPECT_EQ(finding.noise.sides.candidate, 35U);
  EXPECT_EQ(finding.noise.sides.legacy, 0U);
  EXPECT_NE(noise_sentence(finding.noise, finding.judged).find("the shape 'hex 16' in 35 live"),
            std::string::npos);
  reopen();
  EXPECT_EQ(only().judged.standing, Standing::kRegression);
  ASSERT_TRUE(store_->erase({}, {std::string(kEndpoint)}).ok());
  live(100, {tokens(100, 32, 16)});
  EXPECT_EQ(only().noise.sides.candidate, 0U);
}

// A list that both give in another order now and then; the candidate's is never sorted any more.
TEST_F(FindingsNoiseTest, AnOrderThatIsNoisyStillHasItsShape) {
  const auto lists = [](const char* legacy, const char* candidate) {
    model::Difference one = at("body:$.tags", DifferenceKind::kOrder);
    one.transition = "reordered";
    one.legacy = legacy;
    one.candidate = candidate;
    return one;
  };
  constexpr const char* kSorted = "[1,2,3]";
  constexpr const char* kOther = "[2,1,3]";
  // Legacy's own, then the candidate's, then that of legacy asked again.
  for (std::uint64_t i = 1; i <= 100; ++i) {
    const std::vector<model::Difference> kNone;
    live(i, i % 4 == 0   ? std::vector{lists(kOther, kSorted)}
            : i % 4 == 1 ? std::vector{lists(kSorted, kOther)}
                         : kNone);
    control(i, i % 4 == 0   ? std::vector{lists(kOther, kSorted)}
               : i % 4 == 2 ? std::vector{lists(kSorted, kOther)}
                            : kNone);
  }
  EXPECT_NE(only().judged.standing, Standing::kRegression);
  for (std::uint64_t i = 101; i <= 140; ++i) live(i, {lists(kSorted, "[3,2,1]")});
  const Finding finding = only();
  EXPECT_EQ(finding.judged.standing, Standing::kRegression);
  EXPECT_EQ(finding.noise.shape, "array, descending");
  EXPECT_EQ(finding.noise.sides.candidate, 40U);
}

TEST_F(FindingsNoiseTest, ShapesThatLegacyShowsAsWellSayNothing) {
  for (std::uint64_t i = 1; i <= 200; ++i) {
    const std::size_t size = i % 2 == 0 ? 16 : 32;
    live(i, {tokens(i, size, 48 - size)});
    control(i, {tokens(i, size, 48 - size)});
  }
  const Finding finding = only();
  EXPECT_EQ(finding.judged.standing, Standing::kBlind);
  EXPECT_LE(finding.noise.log_sides, 0);
}

// What legacy says later, its witness says as well.
TEST_F(FindingsNoiseTest, AShapeThatComesWithTimeIsLegacysToo) {
  for (std::uint64_t i = 1; i <= 200; ++i) {
    live(i, {tokens(i, 32, 16)});
    if (i % 5 == 0) control(i, {tokens(i, 32, 16)});
  }
  EXPECT_NE(only().judged.standing, Standing::kRegression);
}

TEST_F(FindingsNoiseTest, ATransitionWithoutItsMirrorImageIsTheCandidates) {
  model::Difference cut = kPrice;
  cut.transition = "truncated";
  model::Difference grown = kPrice;
  grown.transition = "extended";
  for (std::uint64_t i = 1; i <= 400; ++i) {
    live(i, i % 4 == 0   ? std::vector{cut}
            : i % 4 == 1 ? std::vector{grown}
                         : std::vector<model::Difference>());
    control(i, {});
  }
  for (const Finding& finding : list()) EXPECT_LT(finding.noise.log_sides, 0);
  for (std::uint64_t i = 401; i <= 800; ++i) {
    live(i, i % 2 == 0 ? std::vector{cut} : std::vector<model::Difference>());
  }
  for (const Finding& finding : list()) {
    if (finding.transition != "truncated") continue;
    EXPECT_GT(finding.noise.log_sides, std::log(1000));
  }
}

// Of 200 control pairs one in which only the candidate differs leaves it flaky, two would not make
// it so, and with three it is no longer.
TEST_F(FindingsNoiseTest, AStandingIsKeptWhileTheEvidenceIsNearItsThreshold) {
  std::uint64_t next = 0;
  const auto confirm_one = [&](const std::vector<model::Difference>& legacy) {
    live(++next, {kPrice});
    confirm(next, legacy, {});
  };
  const auto pair = [&](const std::vector<model::Difference>& candidate) {
    live(++next, candidate);
    control(next, {});
  };
  for (int i = 0; i < 3; ++i) confirm_one({});
  confirm_one({kPrice});
  for (int i = 0; i < 199; ++i) pair({});
  pair({kPrice});
  EXPECT_EQ(only().judged.standing, Standing::kFlaky);
  pair({kPrice});
  EXPECT_EQ(only().judged.standing, Standing::kFlaky);
  NoiseCounts alone = only().noise;
  alone.before = Standing::kSuspect;
  EXPECT_EQ(judge_noise(alone).standing, Standing::kUndecided);
  reopen();
  EXPECT_EQ(only().judged.standing, Standing::kFlaky);
  EXPECT_EQ(only().judged.standing, Standing::kFlaky) << "reading changes nothing";
  pair({kPrice});
  EXPECT_EQ(only().judged.standing, Standing::kUndecided);
  // Back below the one it left by is not enough.
  for (int i = 0; i < 70; ++i) pair({});
  EXPECT_EQ(only().judged.standing, Standing::kUndecided);
  for (int i = 0; i < 70; ++i) pair({});
  EXPECT_EQ(only().judged.standing, Standing::kFlaky);
}

// A table that is full counts on for what it holds and says what it left out.
TEST_F(FindingsNoiseTest, PlacesPastTheirBoundAreLeftOutAndCounted) {
  const model::Difference other = at("body:/other");
  FindingsBounds bounds;
  bounds.places = 2;  // With its transition and with all: one path.
  reopen(bounds);
  live(1, {kPrice});
  control(1, {kPrice});
  catch_up();
  EXPECT_EQ(store_->left_out().places, 0U);
  live(2, {kPrice, other});
  control(2, {kPrice, other});
  catch_up();
  EXPECT_EQ(store_->left_out().places, 2U);
  for (const Finding& finding : list()) {
    EXPECT_EQ(finding.noise.both, finding.path == other.path ? 0U : 2U) << finding.path;
  }
}

TEST_F(FindingsNoiseTest, ShapesPastTheirBoundAreLeftOutAndCounted) {
  model::Difference price = kPrice;
  price.candidate = "2.25";
  model::Difference other = at("body:/other");
  other.candidate = "2.25";
  FindingsBounds bounds;
  bounds.shapes = 2;  // Of one value: that of each side.
  reopen(bounds);
  live(1, {price});
  catch_up();
  EXPECT_EQ(store_->left_out().shapes, 0U);
  live(2, {price, other});
  catch_up();
  EXPECT_EQ(store_->left_out().shapes, 2U);
}

TEST_F(FindingsNoiseTest, RacesPastTheirBoundAreLeftOutAndCounted) {
  const model::Difference other = at("body:/other");
  FindingsBounds bounds;
  bounds.races = 2;
  reopen(bounds);
  live_with_race(1, {kPrice});
  confirm(1, {}, {});
  catch_up();
  EXPECT_EQ(store_->left_out().races, 0U);
  live_with_race(2, {kPrice, other});
  confirm(2, {}, {});
  catch_up();
  EXPECT_EQ(store_->left_out().races, 2U);
  for (const Finding& finding : list()) {
    EXPECT_EQ(finding.noise.raced, finding.path == other.path ? 0U : 2U) << finding.path;
  }
}

TEST_F(FindingsNoiseTest, WithoutRoomForItAStandingFollowsTheEvidence) {
  std::uint64_t next = 0;
  for (const std::int64_t room : {2, 1}) {
    SCOPED_TRACE(room);
    FindingsBounds bounds;
    bounds.standings = room;
    std::filesystem::remove(file());
    reopen(bounds);
    for (int i = 0; i < 4; ++i) {
      live(++next, {kPrice});
      confirm(next, i < 3 ? std::vector<model::Difference>{} : std::vector{kPrice}, {});
    }
    for (int i = 0; i < 200; ++i) {
      live(++next, i < 199 ? std::vector<model::Difference>{} : std::vector{kPrice});
      control(next, {});
    }
    EXPECT_EQ(only().judged.standing, Standing::kFlaky);
    EXPECT_EQ(store_->left_out().standings > 0, room == 1);
  }
}

TEST_F(FindingsNoiseTest, EndpointsPastTheBoundsOfReadinessAndSamplesAreCounted) {
  FindingsBounds bounds;
  bounds.readiness = bounds.samples = 1;
  reopen(bounds);
  const auto sampled = [&](std::uint64_t exchange, std::string_view endpoint) {
    auto record = support::verdict(exchange_id(exchange), Verdict::kEqual);
    record.endpoint = endpoint;
    record.request_stream = "main";
    log_.append(record);
  };
  sampled(1, "GET /one");
  catch_up();
  EXPECT_EQ(store_->left_out().readiness, 0U);
  EXPECT_EQ(store_->left_out().samples, 0U);
  sampled(2, "GET /two");
  catch_up();
  EXPECT_EQ(store_->left_out().readiness, 1U);
  EXPECT_EQ(store_->left_out().samples, 1U);
}

// One cause at two endpoints.
TEST_F(FindingsNoiseTest, AnIssueStandsAsTheStrongestOfItsFindings) {
  model::Difference price = kPrice;
  price.transition = "×100";
  verdict(1, RunId(), {price}, "GET /orders/{}");
  verdict(2, RunId(), {price}, "GET /carts/{}");
  const auto issue = [&] {
    catch_up();
    const auto all = store_->issues({});
    EXPECT_TRUE(all.ok());
    EXPECT_EQ(all->size(), 1U);
    return all->empty() ? Issue() : all->front();
  };
  EXPECT_EQ(issue().standing, Standing::kSuspect);
  verdict(3, RunId(), {price}, "GET /carts/{}");
  for (const std::uint64_t id : {2, 3}) {
    for (unsigned i = 0; i < 2; ++i) {
      verdict(id, RunId::confirmation(WitnessOf::kLegacy, WitnessSide::kSame, i, 2), {},
              "GET /carts/{}");
      verdict(id, RunId::confirmation(WitnessOf::kCandidate, WitnessSide::kOther, i, 2), {price},
              "GET /carts/{}");
    }
  }
  EXPECT_EQ(issue().standing, Standing::kRegression);
  EXPECT_EQ(store_->get_issue(issue().id)->standing, Standing::kRegression);
  // What is accepted asks for nothing any more.
  for (const Finding& finding : list()) {
    if (finding.endpoint != "GET /carts/{}") continue;
    ASSERT_TRUE(store_->set_state(finding.id, FindingState::kAccepted, "me", "known", 0).ok());
  }
  EXPECT_EQ(issue().standing, Standing::kSuspect);
}

TEST(NoiseFoldTest, RemembersABoundedNumberOfRaces) {
  NoiseFold fold;
  const auto raced = [&](std::uint64_t id) {
    std::optional<NoiseFold::Complete> out;
    for (const auto side : {WitnessSide::kSame, WitnessSide::kOther}) {
      auto record = support::verdict(exchange_id(id), Verdict::kEqual);
      record.run = RunId::confirmation(WitnessOf::kLegacy, side, 0, 1);
      out = fold.add(record, kEndpoint);
    }
    return out && out->race.is_there();
  };
  for (std::uint64_t i = 1; i <= NoiseFold::kRacesMax + 1; ++i) {
    fold.note_live(exchange_id(i), true, {exchange_id(100'000), 0});
  }
  EXPECT_FALSE(raced(1));
  EXPECT_TRUE(raced(2));
  EXPECT_TRUE(raced(NoiseFold::kRacesMax + 1));
}

TEST(NoiseFoldTest, KeepsABoundedNumberOfExchangesWaiting) {
  NoiseFold fold;
  for (std::uint64_t i = 0; i < NoiseFold::kWaitingMax + 10; ++i) {
    auto record = support::verdict(exchange_id(i + 1), Verdict::kEqual);
    record.run = RunId::control(WitnessOf::kLegacy);
    EXPECT_FALSE(fold.add(record, kEndpoint));
  }
  EXPECT_EQ(fold.unpaired(), 10U);
  EXPECT_FALSE(fold.note_live(exchange_id(1), true));
  EXPECT_TRUE(fold.note_live(exchange_id(11), true));
}

TEST(NoiseFoldTest, TheSameAnswerTwiceCountsOnce) {
  NoiseFold fold;
  auto record = support::verdict(exchange_id(1), Verdict::kEqual);
  for (int i = 0; i < 3; ++i) {
    record.run = RunId::confirmation(WitnessOf::kLegacy, WitnessSide::kSame, 0, 1);
    EXPECT_FALSE(fold.add(record, kEndpoint));
  }
  record.run = RunId::confirmation(WitnessOf::kCandidate, WitnessSide::kOther, 0, 1);
  EXPECT_TRUE(fold.add(record, kEndpoint));
}

}  // namespace
}  // namespace banyan::comparator
