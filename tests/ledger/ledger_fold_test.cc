// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "core/model/record_codec.h"
#include "ledger/ledger.h"
#include "tests/support/records.h"

namespace banyan::ledger {
namespace {

using support::exchange_id;

class LedgerFoldTest : public testing::Test {
 protected:
  template <typename R>
  void put(const R& record) {
    model::SourcedRecord sourced;
    sourced.append_wall_ns = 1'700'000'000'000'000'000;
    fold_.apply(sourced, model::AnyRecord(record));
    EXPECT_TRUE(fold_.snapshot().is_balanced());
  }
  Account account(const std::string& route = "orders") { return fold_.snapshot().routes[route]; }

  LedgerFold fold_;
};

TEST_F(LedgerFoldTest, AnExchangeEntersAnsweredAndMirrorWhenItLeavesOpen) {
  put(support::request(exchange_id(1)));
  EXPECT_EQ(account().admitted, 1U);
  EXPECT_EQ(account().open, 1U);
  EXPECT_EQ(account().mirror.pending, 0U);
  put(support::response(exchange_id(1)));
  EXPECT_EQ(account().open, 0U);
  EXPECT_EQ(account().answered.legacy, 1U);
  EXPECT_EQ(account().mirror.pending, 1U);
  put(support::shadow(exchange_id(1)));
  EXPECT_EQ(account().mirror.pending, 0U);
  EXPECT_EQ(account().mirror.mirrored, 1U);
  EXPECT_EQ(account().compared.pending, 1U);
  put(support::verdict(exchange_id(1), Verdict::kDifferent));
  EXPECT_EQ(account().compared.pending, 0U);
  EXPECT_EQ(account().compared.different, 1U);
}

TEST_F(LedgerFoldTest, ACopyThatEndedEarlierIsCountedWhenTheExchangeCloses) {
  put(support::request(exchange_id(1)));
  put(support::shadow(exchange_id(1)));
  EXPECT_EQ(account().mirror.mirrored, 0U);
  put(support::response(exchange_id(1)));
  EXPECT_EQ(account().mirror.mirrored, 1U);
  EXPECT_EQ(account().compared.pending, 1U);

  put(support::request(exchange_id(2)));
  put(support::skip(exchange_id(2), SkipReason::kStale));
  EXPECT_TRUE(account().mirror.skipped.empty());
  put(support::outcome(exchange_id(2), OutcomeKind::kBanyan));
  EXPECT_EQ(account().mirror.skipped[SkipReason::kStale], 1U);
  EXPECT_EQ(account().answered.banyan, 1U);
}

TEST_F(LedgerFoldTest, DeliveryDecidesWhereAnAnswerIsCounted) {
  put(support::request(exchange_id(1), "a", MirrorDecision::kOff));
  put(support::response(exchange_id(1), "a", Delivery::kTruncated));
  put(support::request(exchange_id(2), "a", MirrorDecision::kOff));
  put(support::response(exchange_id(2), "a", Delivery::kClientLeft));
  put(support::request(exchange_id(3), "a", MirrorDecision::kOff));
  put(support::response(exchange_id(3), "a", Delivery::kWhole, System::kCandidate));
  const Account account_a = account("a");
  EXPECT_EQ(account_a.answered.legacy, 1U);
  EXPECT_EQ(account_a.truncated, 1U);
  EXPECT_EQ(account_a.answered.aborted, 1U);
  EXPECT_EQ(account_a.answered.candidate, 1U);
  EXPECT_EQ(account_a.mirror.off, 3U);
}

TEST_F(LedgerFoldTest, ReasonsOfRequestAndSkipAreSplitIntoSkippedAndDropped) {
  put(support::request(exchange_id(1), "orders", MirrorDecision::kSkipped, SkipReason::kSampled));
  put(support::response(exchange_id(1)));
  put(support::request(exchange_id(2)));
  put(support::response(exchange_id(2)));
  put(support::skip(exchange_id(2), SkipReason::kRetention));
  EXPECT_EQ(account().mirror.skipped[SkipReason::kSampled], 1U);
  EXPECT_EQ(account().mirror.dropped[SkipReason::kRetention], 1U);
}

TEST_F(LedgerFoldTest, OtherRunsNeverMoveIt) {
  put(support::request(exchange_id(1)));
  put(support::response(exchange_id(1)));
  for (const RunId run : {RunId{3}, RunId::control(WitnessOf::kTwin),
                          RunId::confirmation(WitnessOf::kCandidate, WitnessSide::kOther, 0, 2)}) {
    auto copy = support::shadow(exchange_id(1));
    copy.run = run;
    put(copy);
    auto result = support::verdict(exchange_id(1), Verdict::kEqual);
    result.run = run;
    put(result);
  }
  EXPECT_EQ(account().mirror.pending, 1U);
  EXPECT_EQ(account().mirror.mirrored, 0U);
}

TEST_F(LedgerFoldTest, ALaterGenerationReplacesTheVerdictBefore) {
  put(support::request(exchange_id(1)));
  put(support::response(exchange_id(1)));
  put(support::shadow(exchange_id(1)));
  put(support::verdict(exchange_id(1), Verdict::kDifferent));
  auto later = support::verdict(exchange_id(1), Verdict::kTolerated);
  later.generation = 2;
  later.has_previous = true;
  later.previous = Verdict::kDifferent;
  put(later);
  EXPECT_EQ(account().compared.different, 0U);
  EXPECT_EQ(account().compared.tolerated, 1U);
}

TEST_F(LedgerFoldTest, WhatIsLostOrComesTwiceDoesNotUnbalance) {
  put(support::response(exchange_id(9)));
  put(support::outcome(exchange_id(9), OutcomeKind::kAborted));
  put(support::shadow(exchange_id(9)));
  put(support::skip(exchange_id(9), SkipReason::kStale));
  put(support::verdict(exchange_id(9), Verdict::kEqual));
  put(support::request(exchange_id(1)));
  put(support::request(exchange_id(1)));
  put(support::verdict(exchange_id(1), Verdict::kEqual));
  put(support::response(exchange_id(1)));
  put(support::response(exchange_id(1)));
  EXPECT_EQ(fold_.snapshot().ignored_records, 8U);
  EXPECT_EQ(account().admitted, 1U);
  EXPECT_EQ(account().answered.legacy, 1U);
}

TEST_F(LedgerFoldTest, AGapThatLostAnAnswerClosesItsExchangeAsUnknown) {
  put(support::request(exchange_id(1)));
  put(support::request(exchange_id(2), "stock"));
  model::GapRecord gap;
  gap.cause = "queue_full";
  gap.parts.push_back({exchange_id(1), 1U << static_cast<unsigned>(model::Side::kPrimary)});
  gap.parts.push_back({exchange_id(2), 1U << static_cast<unsigned>(model::Side::kShadow)});
  put(gap);
  EXPECT_EQ(account().gaps, 1U);
  EXPECT_EQ(account("stock").gaps, 1U);
  EXPECT_EQ(fold_.snapshot().total.gaps, 1U);
  EXPECT_EQ(account().answered.unknown, 1U);
  EXPECT_EQ(account("stock").open, 1U);
  // Only a CHUNK was lost after all: the RESPONSE corrects the account.
  put(support::response(exchange_id(1)));
  EXPECT_EQ(account().answered.unknown, 0U);
  EXPECT_EQ(account().answered.legacy, 1U);
}

TEST_F(LedgerFoldTest, AGapOrHoleThatNamesNothingKnownCountsUnderUnmatched) {
  put(model::GapRecord{});
  model::SourcedRecord hole;
  hole.kind = model::SourcedRecord::Kind::kHole;
  fold_.apply(hole, model::AnyRecord(model::CheckpointRecord{}));
  EXPECT_EQ(account("unmatched").gaps, 2U);
  EXPECT_EQ(fold_.snapshot().total.gaps, 2U);
}

TEST_F(LedgerFoldTest, NoRouteIsCalledUnmatched) {
  put(support::request(exchange_id(1), "", MirrorDecision::kOff));
  EXPECT_EQ(account("unmatched").admitted, 1U);
}

TEST_F(LedgerFoldTest, PastTheBoundAnExchangeCountsAsUnknownAtOnce) {
  LedgerFold small(2);
  const model::SourcedRecord sourced;
  for (std::uint64_t i = 1; i <= 3; ++i) small.apply(sourced, support::request(exchange_id(i)));
  const LedgerSnapshot snapshot = small.snapshot();
  EXPECT_TRUE(snapshot.is_balanced());
  EXPECT_EQ(snapshot.total.open, 2U);
  EXPECT_EQ(snapshot.total.answered.unknown, 1U);
}

TEST_F(LedgerFoldTest, JsonHasTheContractsShape) {
  put(support::request(exchange_id(1), "a\"b", MirrorDecision::kSkipped, SkipReason::kWrite));
  put(support::response(exchange_id(1), "a\"b"));
  const std::string json = fold_.snapshot().to_json();
  EXPECT_NE(json.find(R"("schema":"banyan/ledger/1","since":"2023-11-14T22:13:20)"),
            std::string::npos);
  EXPECT_NE(json.find(R"("a\"b":{"admitted":1,"open":0,"answered":{"legacy":1,)"),
            std::string::npos);
  EXPECT_NE(json.find(R"("skipped":{"write":1},"dropped":{},"pending":0})"), std::string::npos);
  EXPECT_NE(json.find(R"("gaps":0,"balanced":true})"), std::string::npos);
}

// Every exchange is a small legal sequence; the sequences are interleaved at random, then damaged
// by losing some records. Checked at each prefix: balance, and restore∘serialise is identity.
class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed) {}

  std::vector<model::AnyRecord> make(std::size_t exchanges) {
    static constexpr std::string_view kRoutes[] = {"orders", "stock", ""};
    std::vector<std::deque<model::AnyRecord>> sequences;
    for (std::size_t i = 0; i < exchanges; ++i) {
      sequences.push_back(one(exchange_id(i + 1), kRoutes[pick(3)]));
    }
    std::vector<model::AnyRecord> out;
    while (!sequences.empty()) {
      const std::size_t index = pick(std::min<std::size_t>(sequences.size(), 12));
      out.push_back(sequences[index].front());
      sequences[index].pop_front();
      if (sequences[index].empty()) {
        sequences.erase(sequences.begin() + static_cast<std::ptrdiff_t>(index));
      }
    }
    return out;
  }
  std::size_t pick(std::size_t count) {
    return std::uniform_int_distribution<std::size_t>(0, count - 1)(random_);
  }

 private:
  std::deque<model::AnyRecord> one(ExchangeId id, std::string_view route) {
    std::deque<model::AnyRecord> out;
    const auto mirror = static_cast<MirrorDecision>(pick(3));
    out.push_back(support::request(
        id, route, mirror,
        mirror == MirrorDecision::kSkipped ? SkipReason::kSampled : SkipReason::kNone));
    std::deque<model::AnyRecord> closing;
    if (pick(4) == 0) {
      closing.push_back(support::outcome(id, static_cast<OutcomeKind>(pick(3)), route));
    } else {
      closing.push_back(support::response(id, route, static_cast<Delivery>(pick(3)),
                                          static_cast<System>(pick(2))));
    }
    if (mirror == MirrorDecision::kSelected) {
      const bool is_shadow = pick(3) != 0;
      model::AnyRecord copy =
          support::skip(id, pick(2) == 0 ? SkipReason::kStale : SkipReason::kGap, route);
      if (is_shadow) copy = support::shadow(id, route);
      if (pick(2) == 0)
        closing.push_front(copy);
      else
        closing.push_back(copy);
      if (is_shadow) add_verdicts(closing, id, route);
    }
    out.insert(out.end(), closing.begin(), closing.end());
    return out;
  }
  void add_verdicts(std::deque<model::AnyRecord>& out, ExchangeId id, std::string_view route) {
    const auto first = static_cast<Verdict>(pick(4));
    out.push_back(support::verdict(id, first, route));
    if (pick(3) != 0) return;
    auto later = support::verdict(id, static_cast<Verdict>(pick(4)), route);
    later.generation = 2;
    later.has_previous = true;
    later.previous = first;
    out.push_back(later);
  }
  std::mt19937_64 random_;
};

std::string bytes_of(const LedgerFold& fold) {
  std::string out;
  fold.serialise(out);
  return out;
}

TEST(LedgerFoldPropertyTest, BalancesAtEveryPrefixAndSurvivesARestartAtEach) {
  const std::uint64_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  for (std::uint64_t round = 0; round < 20; ++round) {
    History history(seed + round);
    const auto records = history.make(60);
    auto fold = std::make_unique<LedgerFold>();
    LedgerFold unbroken;
    const model::SourcedRecord sourced;
    for (const auto& record : records) {
      fold->apply(sourced, record);
      unbroken.apply(sourced, record);
      ASSERT_TRUE(fold->snapshot().is_balanced());
      const std::string bytes = bytes_of(*fold);
      auto restored = LedgerFold::restore(bytes);
      ASSERT_TRUE(restored.ok()) << restored.error().message;
      ASSERT_EQ(bytes_of(**restored), bytes);
      fold = std::move(restored).value();
    }
    EXPECT_EQ(bytes_of(*fold), bytes_of(unbroken));
    const LedgerSnapshot end = fold->snapshot();
    EXPECT_EQ(end.total.admitted, 60U);
    EXPECT_EQ(end.total.open, 0U);
    EXPECT_EQ(end.total.mirror.pending, 0U);
    EXPECT_EQ(end.total.compared.pending, 0U);
    EXPECT_EQ(end.ignored_records, 0U);
  }
}

TEST(LedgerFoldPropertyTest, BalancesWhateverIsLostOrRepeated) {
  const std::uint64_t seed = std::random_device{}();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  for (std::uint64_t round = 0; round < 50; ++round) {
    History history(seed + round);
    LedgerFold fold;
    const model::SourcedRecord sourced;
    for (const auto& record : history.make(60)) {
      const std::size_t fate = history.pick(10);
      if (fate == 0) continue;
      fold.apply(sourced, record);
      if (fate == 1) fold.apply(sourced, record);
      if (fate == 2) {
        model::GapRecord gap;
        gap.parts.push_back({exchange_id(history.pick(60)), 7});
        fold.apply(sourced, gap);
      }
      ASSERT_TRUE(fold.snapshot().is_balanced());
    }
    EXPECT_TRUE(LedgerFold::restore(bytes_of(fold)).ok());
  }
}

TEST(LedgerFoldPropertyTest, ADamagedCheckpointIsRefusedOrWholeNeverACrash) {
  History history(4711);
  LedgerFold fold;
  const model::SourcedRecord sourced;
  for (const auto& record : history.make(20)) fold.apply(sourced, record);
  const std::string bytes = bytes_of(fold);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(LedgerFold::restore(std::string_view(bytes).substr(0, size)).ok()) << size;
    std::string flipped = bytes;
    flipped[size] = static_cast<char>(flipped[size] ^ 0x21);
    if (auto restored = LedgerFold::restore(flipped); restored.ok()) {
      EXPECT_TRUE((*restored)->snapshot().is_balanced());
    }
  }
}

}  // namespace
}  // namespace banyan::ledger
