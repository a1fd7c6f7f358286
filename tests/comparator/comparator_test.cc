// SPDX-License-Identifier: Apache-2.0
#include "comparator/comparator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/model/subject_seal.h"
#include "tests/support/memory_log.h"
#include "tests/support/records.h"

namespace banyan::comparator {
namespace {

using support::exchange_id;

// As the log gives it where the subject's key is gone.
template <typename Record>
std::string erased(Record record) {
  const std::string key(16, 's');
  record.of.key = key;
  std::string open, sealed;
  model::encode(record, open);
  EXPECT_TRUE(model::seal_record(open, "", sealed).ok());
  return sealed;
}

class ComparatorTest : public testing::Test {
 protected:
  ComparatorTest() {
    auto rules = CompiledRules::compile(ComparatorOptions{});
    EXPECT_TRUE(rules.ok());
    rules_ = std::move(rules).value();
  }
  std::unique_ptr<Comparator> start(const ComparatorLimits& limits = {}) {
    auto comparator = Comparator::open(clock_, log_, log_.open_sink(), rules_, limits);
    EXPECT_TRUE(comparator.ok());
    (*comparator)->start();
    return std::move(comparator).value();
  }
  std::vector<model::VerdictRecord> verdicts() { return log_.all<model::VerdictRecord>(storage_); }
  // Polls: the comparator's thread works in steps of milliseconds.
  bool reaches(std::size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < deadline) {
      if (verdicts().size() >= count) return verdicts().size() == count;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
  void exchange(std::uint64_t counter, std::string_view copy = "{\"a\":1}") {
    log_.append(support::request(exchange_id(counter)));
    log_.append(support::response(exchange_id(counter)));
    log_.append(support::shadow(exchange_id(counter), "orders", copy));
  }

  ManualClock clock_;
  support::MemoryLog log_{clock_};
  std::shared_ptr<const CompiledRules> rules_;
  std::vector<std::string> storage_;
};

TEST_F(ComparatorTest, JoinsInEitherOrderAndTellsWhichSideIsLegacy) {
  const auto comparator = start();
  exchange(1);
  log_.append(support::request(exchange_id(2)));
  log_.append(support::shadow(exchange_id(2), "orders", "{\"a\":2}"));
  log_.append(support::response(exchange_id(2)));
  // After cutover legacy is the shadow.
  log_.append(support::request(exchange_id(3)));
  log_.append(support::response(exchange_id(3), "orders", Delivery::kWhole, System::kCandidate,
                                "{\"a\":5}", 201));
  log_.append(support::shadow(exchange_id(3), "orders", "{\"a\":6}", 201, System::kLegacy));
  ASSERT_TRUE(reaches(3));
  const auto all = verdicts();
  EXPECT_EQ(all[0].verdict, Verdict::kEqual);
  EXPECT_EQ(all[0].endpoint, "GET /orders/{}");
  EXPECT_EQ(all[0].legacy_duration_ns, 20'000'000);
  EXPECT_EQ(all[0].candidate_duration_ns, 15'000'000);
  EXPECT_EQ(all[0].generation, 1U);
  EXPECT_FALSE(all[0].has_previous);
  EXPECT_EQ(all[1].verdict, Verdict::kDifferent);
  ASSERT_EQ(all[1].differences.size(), 1U);
  EXPECT_EQ(all[1].differences[0].legacy, "1");
  EXPECT_EQ(all[1].differences[0].candidate, "2");
  ASSERT_EQ(all[2].differences.size(), 1U);
  EXPECT_EQ(all[2].differences[0].legacy, "6");
  EXPECT_EQ(all[2].differences[0].candidate, "5");
  EXPECT_EQ(all[2].legacy_status, 201);
}

// A write that is not copied, and one that is.
TEST_F(ComparatorTest, AReadThatOverlapsAWriteSaysSo) {
  const auto comparator = start();
  const auto write = [&](std::uint64_t counter, MirrorDecision mirror, std::string_view target) {
    auto record = support::request(exchange_id(counter), "orders", mirror);
    record.method = "PUT";
    record.is_write = true;
    record.target = target;
    record.started.wall_ns += 1'000'000;
    log_.append(record);
  };
  write(1, MirrorDecision::kOff, "/orders/17");
  write(2, MirrorDecision::kSelected, "/stock/3");
  exchange(3, "{}");
  log_.append(support::response(exchange_id(1)));
  log_.append(support::response(exchange_id(2)));
  log_.append(support::shadow(exchange_id(2)));
  // Half a minute later.
  auto request = support::request(exchange_id(4));
  auto response = support::response(exchange_id(4));
  auto shadow = support::shadow(exchange_id(4));
  for (Instant* at : {&request.started, &response.started, &response.answer.ended, &shadow.sent,
                      &shadow.answer.ended}) {
    at->wall_ns += 30'000'000'000;
  }
  log_.append(request);
  log_.append(response);
  log_.append(shadow);
  ASSERT_TRUE(reaches(3));
  const auto all = verdicts();
  EXPECT_EQ(all[0].exchange, exchange_id(3));
  EXPECT_EQ(all[0].race.write, exchange_id(1));
  EXPECT_EQ(all[0].race.after_ns, -19'000'000);
  EXPECT_FALSE(all[1].race.is_there()) << "a write";
  EXPECT_FALSE(all[2].race.is_there()) << "long after";
  comparator->stop();
  EXPECT_EQ(comparator->stats().raced, 1U);
}

// In the other system's place, so that "missing" means that the witness lacks something.
TEST_F(ComparatorTest, AWitnessIsComparedWithTheRecordedAnswerInItsPlace) {
  ComparatorLimits limits;
  limits.control_share = 1;
  const auto comparator = start(limits);
  exchange(1);
  exchange(2, "{}");
  ASSERT_TRUE(reaches(2));
  const auto witness = [&](std::uint64_t counter, RunId run, System system) {
    model::ShadowRecord shadow = support::shadow(exchange_id(counter), "orders", "{}", 200, system);
    shadow.run = run;
    log_.append(shadow);
  };
  witness(1, RunId::control(WitnessOf::kLegacy), System::kLegacy);
  for (unsigned i = 0; i < 2; ++i) {
    witness(2, RunId::confirmation(WitnessOf::kLegacy, WitnessSide::kSame, i, 2), System::kLegacy);
    witness(2, RunId::confirmation(WitnessOf::kCandidate, WitnessSide::kOther, i, 2),
            System::kCandidate);
  }
  ASSERT_TRUE(reaches(7));
  for (const auto& verdict : verdicts()) {
    if (verdict.run.is_live()) continue;
    EXPECT_EQ(verdict.verdict, Verdict::kDifferent);
    ASSERT_EQ(verdict.differences.size(), 1U);
    EXPECT_EQ(verdict.differences[0].kind, DifferenceKind::kMissing);
    EXPECT_EQ(verdict.request_stream, "main");
  }
  // Not of the account of live comparisons.
  EXPECT_EQ(comparator->stats().compared, 2U);
}

// Where all else is equal nothing is decoded; where it is not, the body still is.
TEST_F(ComparatorTest, ABodyThatStandsInTheResponseIsEqual) {
  const auto comparator = start();
  for (const std::uint64_t counter : {1U, 2U}) {
    log_.append(support::request(exchange_id(counter)));
    log_.append(support::response(exchange_id(counter)));
    model::ShadowRecord shadow = support::shadow(exchange_id(counter));
    shadow.answer.body.kind = model::Body::Kind::kAsPrimary;
    shadow.answer.body.bytes = {};
    if (counter == 2) shadow.answer.fields.push_back({"X-Other", "1"});
    log_.append(shadow);
  }
  ASSERT_TRUE(reaches(2));
  const auto all = verdicts();
  EXPECT_EQ(all[0].verdict, Verdict::kEqual);
  EXPECT_EQ(all[1].verdict, Verdict::kDifferent);
  ASSERT_EQ(all[1].differences.size(), 1U);
  EXPECT_THAT(all[1].differences[0].path, testing::HasSubstr("X-Other"));
}

// In time or late, the operation names the endpoint.
TEST_F(ComparatorTest, AnOperationIsPartOfTheEndpoint) {
  const std::string body = R"({"query":"query GetUser { user }"})";
  const auto append = [&](std::uint64_t counter) {
    model::RequestRecord request = support::request(exchange_id(counter));
    request.method = "POST";
    request.target = "/graphql";
    request.fields = {{"Content-Type", "application/json"}};
    request.body = support::inline_body(body);
    log_.append(request);
    log_.append(support::response(exchange_id(counter)));
  };
  append(1);
  ComparatorLimits limits;
  limits.joins_max = 1;
  const auto comparator = start(limits);
  log_.append(support::shadow(exchange_id(1)));
  append(2);
  append(3);  // pushes out the one before
  log_.append(support::shadow(exchange_id(3)));
  log_.append(support::shadow(exchange_id(2)));
  exchange(4);
  ASSERT_TRUE(reaches(4));
  for (const auto& verdict : verdicts()) {
    EXPECT_EQ(verdict.endpoint, verdict.exchange == exchange_id(4) ? "GET /orders/{}"
                                                                   : "POST /graphql query GetUser");
  }
}

// A gRPC call tells in its trailers how it went.
TEST_F(ComparatorTest, TrailersOfTheRecordsCount) {
  const auto comparator = start();
  log_.append(support::request(exchange_id(1)));
  model::ResponseRecord response = support::response(exchange_id(1));
  response.answer.trailers = {{"grpc-status", "0"}};
  log_.append(response);
  model::ShadowRecord shadow = support::shadow(exchange_id(1));
  shadow.answer.trailers = {{"grpc-status", "14"}};
  log_.append(shadow);
  ASSERT_TRUE(reaches(1));
  const auto verdict = verdicts()[0];
  EXPECT_EQ(verdict.verdict, Verdict::kDifferent);
  ASSERT_EQ(verdict.differences.size(), 1U);
  EXPECT_EQ(verdict.differences[0].path, "trailer:Grpc-Status");
}

TEST_F(ComparatorTest, WithoutAUsableAnswerItIsIncomparable) {
  const auto comparator = start();
  log_.append(support::request(exchange_id(1)));
  log_.append(support::shadow(exchange_id(1)));
  log_.append(support::outcome(exchange_id(1), OutcomeKind::kUnknown));
  log_.append(support::request(exchange_id(2)));
  model::GapRecord gap;
  gap.parts.push_back({exchange_id(2), 1U << static_cast<unsigned>(model::Side::kPrimary)});
  log_.append(gap);
  log_.append(support::shadow(exchange_id(2)));
  log_.append(support::shadow(exchange_id(77)));  // its REQUEST was lost
  ASSERT_TRUE(reaches(3));
  const auto all = verdicts();
  EXPECT_EQ(all[0].verdict, Verdict::kIncomparable);
  EXPECT_EQ(all[0].reason, "no_usable_answer");
  EXPECT_EQ(all[1].reason, "gap");
  EXPECT_EQ(all[2].reason, "gap");
  EXPECT_EQ(comparator->stats().incomparable, 3U);
}

TEST_F(ComparatorTest, ACopyWithoutAnswerIsDifferentAtStatus) {
  const auto comparator = start();
  log_.append(support::request(exchange_id(1)));
  log_.append(support::response(exchange_id(1)));
  log_.append(support::shadow(exchange_id(1), "orders", "", 0));
  ASSERT_TRUE(reaches(1));
  const auto all = verdicts();
  EXPECT_EQ(all[0].verdict, Verdict::kDifferent);
  ASSERT_EQ(all[0].differences.size(), 1U);
  EXPECT_EQ(all[0].differences[0].kind, DifferenceKind::kNoAnswer);
  EXPECT_EQ(all[0].candidate_duration_ns, -1);
}

TEST_F(ComparatorTest, ACopyWithoutADroppedSecretIsNoFindingWhereItsAnswerDiffers) {
  const auto comparator = start();
  for (const std::uint64_t number : {1U, 2U}) {
    log_.append(support::request(exchange_id(number)));
    log_.append(support::response(exchange_id(number)));
    auto copy =
        support::shadow(exchange_id(number), "orders", number == 1 ? "{\"b\":2}" : "{\"a\":1}");
    copy.cause = "dropped_secret";
    log_.append(copy);
  }
  ASSERT_TRUE(reaches(2));
  const auto all = verdicts();
  EXPECT_EQ(all[0].verdict, Verdict::kIncomparable);
  EXPECT_EQ(all[0].reason, "dropped_secret");
  EXPECT_TRUE(all[0].differences.empty());
  EXPECT_EQ(all[1].verdict, Verdict::kEqual);
}

TEST_F(ComparatorTest, WhatIsErasedOnEitherSideIsIncomparable) {
  const auto comparator = start();
  log_.append_encoded(erased(support::request(exchange_id(1))));
  log_.append_encoded(erased(support::response(exchange_id(1))));
  log_.append_encoded(erased(support::shadow(exchange_id(1), "orders", "{\"a\":2}")));
  log_.append(support::request(exchange_id(2)));
  log_.append(support::response(exchange_id(2)));
  log_.append_encoded(erased(support::shadow(exchange_id(2), "orders", "{\"a\":2}")));
  ASSERT_TRUE(reaches(2));
  for (const auto& verdict : verdicts()) {
    EXPECT_EQ(verdict.verdict, Verdict::kIncomparable);
    EXPECT_EQ(verdict.reason, "erased");
    EXPECT_TRUE(verdict.of.key.empty());
    EXPECT_TRUE(verdict.differences.empty());
  }
  EXPECT_EQ(verdicts()[0].endpoint, "erased");
}

TEST_F(ComparatorTest, ReadsChunksBackWhereBodiesDiffer) {
  const auto comparator = start();
  log_.append(support::request(exchange_id(1)));
  const auto chunk = [&](model::Side side, std::uint32_t sequence, std::string_view bytes) {
    model::ChunkRecord record;
    record.exchange = exchange_id(1);
    record.side = side;
    record.sequence = sequence;
    record.bytes = bytes;
    log_.append(record);
  };
  const std::string first = "{\"items\":[1,2,";
  chunk(model::Side::kPrimary, 0, first);
  chunk(model::Side::kShadow, 0, first);
  chunk(model::Side::kPrimary, 1, "3]}");
  chunk(model::Side::kShadow, 1, "4]}");
  const auto body = [](std::string_view bytes) {
    model::Body one = support::inline_body(bytes);
    one.kind = model::Body::Kind::kChunks;
    one.bytes = {};
    return one;
  };
  auto response = support::response(exchange_id(1));
  response.answer.body = body(first + "3]}");
  auto shadow = support::shadow(exchange_id(1));
  shadow.answer.body = body(first + "4]}");
  log_.append(response);
  log_.append(shadow);
  ASSERT_TRUE(reaches(1));
  const auto all = verdicts();
  ASSERT_EQ(all[0].differences.size(), 1U);
  EXPECT_EQ(all[0].differences[0].path, "body:$.items[]");
}

TEST_F(ComparatorTest, NewRulesHoldFromTheNextVerdictOn) {
  const auto comparator = start();
  exchange(1, "{\"a\":2}");
  ASSERT_TRUE(reaches(1));
  ComparatorOptions options;
  options.rules.emplace_back().ignore = {"body:$.a"};
  auto tolerant = CompiledRules::compile(options);
  ASSERT_TRUE(tolerant.ok());
  comparator->set_rules(*tolerant);
  exchange(2, "{\"a\":2}");
  ASSERT_TRUE(reaches(2));
  comparator->set_rules(rules_);
  exchange(3, "{\"a\":2}");
  ASSERT_TRUE(reaches(3));
  const auto all = verdicts();
  EXPECT_EQ(all[0].verdict, Verdict::kDifferent);
  EXPECT_EQ(all[1].verdict, Verdict::kTolerated);
  EXPECT_EQ(all[1].rules_version, (*tolerant)->version());
  EXPECT_EQ(all[2].verdict, Verdict::kDifferent);
  EXPECT_EQ(all[2].rules_version, rules_->version());
}

TEST_F(ComparatorTest, RunsAreComparedAgainstHistory) {
  const auto comparator = start();
  for (std::uint64_t i = 1; i <= 50; ++i) exchange(i);
  ASSERT_TRUE(reaches(50));
  for (std::uint64_t i = 1; i <= 50; ++i) {
    auto copy = support::shadow(exchange_id(i), "orders", i == 7 ? "{\"a\":9}" : "{\"a\":1}");
    copy.run = RunId{3};
    log_.append(copy);
  }
  ASSERT_TRUE(reaches(100));
  std::uint64_t different = 0;
  for (const auto& verdict : verdicts()) {
    if (verdict.run != RunId{3}) continue;
    different += verdict.verdict == Verdict::kDifferent ? 1 : 0;
    EXPECT_NE(verdict.verdict, Verdict::kIncomparable);
  }
  EXPECT_EQ(different, 1U);
}

TEST_F(ComparatorTest, WhatTheBoundsPushedOutIsReadAgain) {
  ComparatorLimits limits;
  limits.joins_max = 4;
  const auto comparator = start(limits);
  for (std::uint64_t i = 1; i <= 40; ++i) log_.append(support::request(exchange_id(i)));
  for (std::uint64_t i = 1; i <= 20; ++i) log_.append(support::shadow(exchange_id(i)));
  for (std::uint64_t i = 1; i <= 40; ++i) log_.append(support::response(exchange_id(i)));
  for (std::uint64_t i = 21; i <= 40; ++i) log_.append(support::shadow(exchange_id(i)));
  ASSERT_TRUE(reaches(40));
  for (const auto& verdict : verdicts()) EXPECT_EQ(verdict.verdict, Verdict::kEqual);
  EXPECT_GT(comparator->stats().pushed_out, 0U);
}

TEST_F(ComparatorTest, ALogThatRefusesDelaysVerdictsAndLosesNone) {
  log_.set_refusing(true);
  const auto comparator = start();
  for (std::uint64_t i = 1; i <= 30; ++i) exchange(i);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (comparator->stats().failures == 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_GT(comparator->stats().failures, 0U);
  EXPECT_TRUE(verdicts().empty());
  log_.set_refusing(false);
  EXPECT_TRUE(reaches(30));
}

// Restarts and crashes at random places; in the end each SHADOW has exactly one VERDICT.
TEST_F(ComparatorTest, ExactlyOneVerdictPerShadowOverRestartsAndCrashes) {
  const std::uint64_t seed = std::random_device{}();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  std::uint64_t counter = 0;
  for (int round = 0; round < 15; ++round) {
    log_.hold_durable(false);
    auto comparator = start();
    const std::uint64_t first = counter + 1;
    counter += 1 + random() % 20;
    for (std::uint64_t i = first; i <= counter; ++i) log_.append(support::request(exchange_id(i)));
    for (std::uint64_t i = first; i <= counter; ++i) {
      if (random() % 2 == 0)
        log_.append(support::shadow(exchange_id(i)));
      else
        log_.append(support::request(exchange_id(100'000 + i), "orders", MirrorDecision::kOff));
    }
    log_.hold_durable(true);  // from here on VERDICTs may be lost
    for (std::uint64_t i = first; i <= counter; ++i) log_.append(support::response(exchange_id(i)));
    if (random() % 2 == 0) log_.make_durable();
    clock_.advance_ns(2'000'000'000);
    comparator->stop();
    comparator.reset();
    if (random() % 2 == 0) log_.crash();
  }
  log_.hold_durable(false);
  const auto comparator = start();
  // What a crash left open is closed by OUTCOME, as recovery does.
  std::vector<std::string> storage;
  std::set<ExchangeId> closed;
  for (const auto& response : log_.all<model::ResponseRecord>(storage))
    closed.insert(response.exchange);
  const auto shadows = [&] { return log_.all<model::ShadowRecord>(storage); };
  for (const auto& shadow : shadows()) {
    if (!closed.contains(shadow.exchange)) {
      log_.append(support::outcome(shadow.exchange, OutcomeKind::kUnknown));
    }
  }
  ASSERT_TRUE(reaches(shadows().size()));
  std::set<ExchangeId> seen;
  for (const auto& verdict : verdicts()) EXPECT_TRUE(seen.insert(verdict.exchange).second);
}

TEST_F(ComparatorTest, ComparingAgainWritesTheNextGeneration) {
  {
    const auto comparator = start();
    for (std::uint64_t i = 1; i <= 30; ++i) exchange(i, i % 3 == 0 ? "{\"a\":2}" : "{\"a\":1}");
    ASSERT_TRUE(reaches(30));
  }
  ComparatorOptions options;
  CompareRuleOptions rule;
  rule.ignore = {"body:$.a"};
  options.rules.push_back(rule);
  const auto tolerant = CompiledRules::compile(options);
  ASSERT_TRUE(tolerant.ok());
  RecompareOptions range;
  range.is_dry_run = true;
  const auto sink = log_.open_sink();
  auto dry = recompare(log_, sink.get(), clock_, **tolerant, range, {});
  ASSERT_TRUE(dry.ok());
  EXPECT_EQ(dry->compared, 30U);
  EXPECT_EQ(dry->changed, 10U);
  EXPECT_EQ(verdicts().size(), 30U);
  range.is_dry_run = false;
  auto second = recompare(log_, sink.get(), clock_, **tolerant, range, {});
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->before[2], 10U);
  EXPECT_EQ(second->after[1], 10U);
  ASSERT_EQ(verdicts().size(), 60U);
  auto third = recompare(log_, sink.get(), clock_, *rules_, range, {});
  ASSERT_TRUE(third.ok());
  EXPECT_EQ(third->before[1], 10U);
  EXPECT_EQ(third->after[2], 10U);
  const auto all = verdicts();
  ASSERT_EQ(all.size(), 90U);
  EXPECT_EQ(all.back().generation, 3U);
  EXPECT_TRUE(all.back().has_previous);
  EXPECT_EQ(all.back().previous, Verdict::kTolerated);
  // Outside the range nothing is compared.
  range.from_wall_ns = 1'800'000'000'000'000'000;
  EXPECT_EQ(recompare(log_, sink.get(), clock_, *rules_, range, {})->compared, 0U);
}

}  // namespace
}  // namespace banyan::comparator
