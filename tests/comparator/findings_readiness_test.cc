// SPDX-License-Identifier: Apache-2.0
//
// The counts that readiness is judged from: each pair once, over restarts, generations, triage,
// erasure and floods of endpoints.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "comparator/findings.h"
#include "comparator/latency_histogram.h"
#include "core/store/database.h"
#include "tests/comparator/findings_fixture.h"
#include "tests/support/records.h"

namespace banyan::comparator {
namespace {

using support::exchange_id;

class FindingsReadinessTest : public FindingsFixture {
 protected:
  std::unique_ptr<FindingsStore> open(const std::string& name) {
    auto store = FindingsStore::open(directory_ + "/" + name, clock_);
    EXPECT_TRUE(store.ok());
    return store.ok() ? std::move(store).value() : nullptr;
  }
  std::vector<EndpointCounts> counts(FindingsStore& store) {
    auto all = store.readiness_counts();
    EXPECT_TRUE(all.ok()) << all.error().message;
    return all.ok() ? *all : std::vector<EndpointCounts>();
  }
  static model::VerdictRecord pair(std::uint64_t counter, Verdict verdict,
                                   std::string_view endpoint = "GET /a") {
    auto record = support::verdict(exchange_id(counter), verdict);
    record.endpoint = endpoint;
    record.legacy_status = record.candidate_status = 200;
    record.at.wall_ns += static_cast<std::int64_t>(counter) * 1'000'000'000;
    if (verdict == Verdict::kDifferent || verdict == Verdict::kTolerated) {
      model::Difference difference;
      difference.path = "body:$.id";
      difference.rule = verdict == Verdict::kTolerated ? "ignore body:$.id" : "";
      record.differences = {difference};
    }
    return record;
  }
  std::string finding_id() {
    auto findings = store_->list({});
    EXPECT_TRUE(findings.ok() && findings->size() == 1);
    return findings->at(0).id;
  }
};

TEST_F(FindingsReadinessTest, EveryPairCountsOnceByEndpointStatusAndShape) {
  log_.append(pair(1, Verdict::kEqual));
  log_.append(pair(2, Verdict::kEqual));
  log_.append(pair(3, Verdict::kTolerated));
  log_.append(pair(4, Verdict::kDifferent));
  log_.append(pair(5, Verdict::kIncomparable));
  auto rare = pair(6, Verdict::kEqual);
  rare.legacy_status = 404;
  log_.append(rare);
  auto shaped = pair(7, Verdict::kEqual);
  shaped.request_shape = 77;
  log_.append(shaped);
  auto both_fail = pair(8, Verdict::kEqual);
  both_fail.legacy_status = 500;
  both_fail.candidate_status = 503;
  log_.append(both_fail);
  auto of_run = pair(9, Verdict::kEqual);
  of_run.run = RunId{4};
  log_.append(of_run);
  log_.append(pair(10, Verdict::kEqual, "GET /b"));
  catch_up(*store_, 3);
  const auto all = counts(*store_);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].endpoint, "GET /a");
  EXPECT_EQ(all[0].last_wall_ns - all[0].first_wall_ns, 7'000'000'000);
  ASSERT_EQ(all[0].cells.size(), 4U);
  const ReadinessCell& usual = all[0].cells[0];
  EXPECT_EQ(usual.status_class, 2);
  EXPECT_EQ(usual.shape, 0U);
  EXPECT_EQ(usual.equal, 2U);
  EXPECT_EQ(usual.tolerated, 1U);
  EXPECT_EQ(usual.different, 1U);
  EXPECT_EQ(usual.incomparable, 1U);
  EXPECT_EQ(usual.exemplar, exchange_id(1).to_string());
  EXPECT_EQ(all[0].cells[1].shape, 77U);
  EXPECT_EQ(all[0].cells[2].status_class, 4);
  // Where both systems fail nothing is learned.
  EXPECT_EQ(all[0].cells[3].status_class, 5);
  EXPECT_EQ(all[0].cells[3].pairs(), 0U);
  EXPECT_EQ(all[0].cells[3].incomparable, 1U);
}

TEST_F(FindingsReadinessTest, FoldingTheLogAgainGivesTheSameCounts) {
  for (std::uint64_t i = 1; i <= 200; ++i) {
    log_.append(pair(i, static_cast<Verdict>(i % 4), i % 3 == 0 ? "GET /a" : "GET /b"));
  }
  for (int i = 0; i < 5; ++i) {
    store_.reset();
    store_ = open("findings.sqlite");
    ASSERT_TRUE(store_->catch_up(log_, 17, FindingsStore::Writing::kLazily).ok());
  }
  catch_up(*store_, 7);
  auto again = open("again.sqlite");
  catch_up(*again);
  const auto one = counts(*store_);
  const auto other = counts(*again);
  ASSERT_EQ(one.size(), 2U);
  ASSERT_EQ(other.size(), 2U);
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].endpoint, other[i].endpoint);
    EXPECT_EQ(one[i].hours, other[i].hours);
    EXPECT_EQ(one[i].first_wall_ns, other[i].first_wall_ns);
    ASSERT_EQ(one[i].cells.size(), 1U);
    EXPECT_EQ(one[i].cells[0].equal, other[i].cells[0].equal);
    EXPECT_EQ(one[i].cells[0].different, other[i].cells[0].different);
    EXPECT_EQ(one[i].cells[0].exemplar, other[i].cells[0].exemplar);
  }
  EXPECT_EQ(one[0].cells[0].pairs() + one[1].cells[0].pairs(), 150U);
}

TEST_F(FindingsReadinessTest, ALaterGenerationMovesItsPair) {
  log_.append(pair(1, Verdict::kDifferent));
  log_.append(pair(2, Verdict::kDifferent));
  catch_up(*store_);
  auto later = pair(1, Verdict::kEqual);
  later.generation = 2;
  later.has_previous = true;
  later.previous = Verdict::kDifferent;
  later.at.wall_ns += 900'000'000'000;
  log_.append(later);
  catch_up(*store_);
  const auto all = counts(*store_);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].cells[0].equal, 1U);
  EXPECT_EQ(all[0].cells[0].different, 1U);
  EXPECT_EQ(all[0].last_wall_ns - all[0].first_wall_ns, 1'000'000'000);
}

TEST_F(FindingsReadinessTest, AcceptingTakesThePairsAlongThatDifferInNothingElse) {
  log_.append(pair(1, Verdict::kDifferent));
  auto both = pair(2, Verdict::kDifferent);
  model::Difference other;
  other.path = "body:$.total";
  both.differences.push_back(other);
  log_.append(both);
  catch_up(*store_);
  EXPECT_EQ(counts(*store_)[0].cells[0].accepted, 0U);
  std::string id;
  const auto findings = store_->list({});
  for (const Finding& finding : *findings) {
    if (finding.path == "body:$.id") id = finding.id;
  }
  ASSERT_TRUE(
      store_->set_state(id, FindingState::kAccepted, "ada", "known", clock_.wall_ns() + 1'000)
          .ok());
  EXPECT_EQ(counts(*store_)[0].cells[0].accepted, 1U);
  EXPECT_EQ(counts(*store_)[0].cells[0].different, 2U);
  clock_.advance_ns(1'000);
  EXPECT_EQ(counts(*store_)[0].cells[0].accepted, 0U);
}

TEST_F(FindingsReadinessTest, AnErasedSubjectsMismatchIsNoMismatchAnyMore) {
  log_.append(pair(1, Verdict::kDifferent));
  log_.append(pair(2, Verdict::kEqual));
  log_.append(pair(3, Verdict::kEqual, "GET /planted"));
  catch_up(*store_);
  ASSERT_TRUE(store_->erase({exchange_id(1)}, {"GET /planted"}).ok());
  const auto all = counts(*store_);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].cells[0].different, 0U);
  EXPECT_EQ(all[0].cells[0].incomparable, 1U);
  EXPECT_EQ(all[0].cells[0].equal, 1U);
  EXPECT_EQ(all[0].cells[0].exemplar, "");
}

TEST_F(FindingsReadinessTest, ShapesOfAnEndpointAreBounded) {
  for (std::uint64_t i = 1; i <= 50; ++i) {
    auto record = pair(i, i == 50 ? Verdict::kDifferent : Verdict::kEqual);
    record.request_shape = static_cast<std::uint32_t>(i);
    log_.append(record);
  }
  catch_up(*store_, 20);
  auto all = counts(*store_);
  ASSERT_EQ(all.size(), 1U);
  ASSERT_EQ(all[0].cells.size(), 33U);
  EXPECT_EQ(all[0].cells.back().shape, kOtherShapes);
  EXPECT_EQ(all[0].cells.back().pairs(), 18U);
  ASSERT_TRUE(store_->set_state(finding_id(), FindingState::kAccepted, "ada", "known", 0).ok());
  all = counts(*store_);
  EXPECT_EQ(all[0].cells.back().accepted, 1U);
}

TEST_F(FindingsReadinessTest, PairsPastTheBoundOfCellsAreCountedTogether) {
  constexpr std::uint64_t kRoutes = 667;
  constexpr std::uint64_t kShapes = 30;  // 20,010 cells, ten too many
  std::vector<std::string> routes;
  for (std::uint64_t i = 0; i < kRoutes; ++i) routes.push_back("r" + std::to_string(1'000 + i));
  const auto append = [&](std::uint64_t i) {
    auto record = pair(i + 1, Verdict::kEqual);
    record.route = routes[i / kShapes];
    record.request_shape = static_cast<std::uint32_t>(i % kShapes + 2);
    log_.append(record);
  };
  for (std::uint64_t i = 0; i < kRoutes * kShapes; ++i) append(i);
  // One that is known goes on counting by itself.
  append(0);
  catch_up(*store_, 5'000);
  const auto all = counts(*store_);
  ASSERT_EQ(all.size(), kRoutes + 1);
  EXPECT_EQ(all[0].cells[0].pairs(), 2U);
  EXPECT_EQ(all[kRoutes - 1].endpoint, kOtherEndpoints);
  ASSERT_EQ(all[kRoutes - 1].cells.size(), 1U);
  EXPECT_EQ(all[kRoutes - 1].cells[0].pairs(), 10U);
  EXPECT_EQ(all[kRoutes].cells.size(), 20U);
}

TEST_F(FindingsReadinessTest, CountsFollowTheirEndpointsTemplate) {
  std::vector<std::string> names;
  for (int i = 0; i < 200; ++i) {
    const std::string user = {static_cast<char>('a' + i / 26), static_cast<char>('a' + i % 26)};
    names.push_back("GET /users/" + user + "/cart");
  }
  for (std::uint64_t i = 0; i < names.size(); ++i) {
    log_.append(pair(i + 1, i % 2 == 0 ? Verdict::kEqual : Verdict::kDifferent, names[i]));
  }
  catch_up(*store_, 3);
  const auto all = counts(*store_);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].endpoint, "GET /users/{}/cart");
  ASSERT_EQ(all[0].cells.size(), 1U);
  EXPECT_EQ(all[0].cells[0].equal, 100U);
  EXPECT_EQ(all[0].cells[0].different, 100U);
  EXPECT_EQ(all[0].last_wall_ns - all[0].first_wall_ns, 199'000'000'000);
  ASSERT_TRUE(store_->set_state(finding_id(), FindingState::kAccepted, "ada", "known", 0).ok());
  EXPECT_EQ(counts(*store_)[0].cells[0].accepted, 100U);
}

TEST_F(FindingsReadinessTest, AFileOfAnOlderVersionHasNoCountsYet) {
  log_.append(pair(1, Verdict::kEqual));
  catch_up(*store_);
  store_.reset();
  const std::string path = directory_ + "/findings.sqlite";
  {
    auto database = store::Database::open(path, store::Database::Mode::kReadWrite);
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE((*database)->execute("DROP TABLE readiness; DROP TABLE differing").ok());
  }
  auto reader = FindingsStore::open_read_only(path, clock_);
  ASSERT_TRUE(reader.ok());
  EXPECT_TRUE(counts(**reader).empty());
  // Who writes makes the tables and counts from there on.
  store_ = open("findings.sqlite");
  log_.append(pair(2, Verdict::kEqual));
  catch_up(*store_);
  EXPECT_EQ(counts(*store_)[0].cells[0].equal, 1U);
}

TEST(LatencyRangeTest, HoldsTheQuantileAndAdmitsWhatItCannotSay) {
  LatencyHistogram few;
  few.add(LatencyHistogram::bucket_of(10'000'000), 30);
  EXPECT_TRUE(few.range_ms(0.5).lower_ms);
  EXPECT_TRUE(few.range_ms(0.5).upper_ms);
  EXPECT_FALSE(few.range_ms(0.95).upper_ms);
  LatencyHistogram many;
  for (int ms = 1; ms <= 1'000; ++ms) many.add(LatencyHistogram::bucket_of(ms * 1'000'000LL), 1);
  const LatencyRange p95 = many.range_ms(0.95);
  EXPECT_NEAR(*p95.lower_ms, 936, 10);
  EXPECT_NEAR(*p95.upper_ms, 965, 10);
  EXPECT_FALSE(LatencyHistogram().range_ms(0.5).lower_ms);
  EXPECT_EQ(LatencyHistogram().at_rank_ms(1), 0);
}

}  // namespace
}  // namespace banyan::comparator
