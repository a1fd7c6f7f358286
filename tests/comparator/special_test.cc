// SPDX-License-Identifier: Apache-2.0
//
// What is said to be special about the requests that differ, and what is not: chance, secrets,
// values of parameters that have many.
#include "comparator/special.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "comparator/findings.h"
#include "comparator/request_samples.h"
#include "core/store/database.h"
#include "tests/comparator/findings_fixture.h"
#include "tests/support/records.h"

namespace banyan::comparator {
namespace {

using support::exchange_id;

std::vector<std::string> whats(const std::vector<Special>& special) {
  std::vector<std::string> out;
  for (const Special& one : special) out.push_back(one.what);
  return out;
}

RequestFacts with(std::vector<std::string> names, std::string value = "") {
  RequestFacts out;
  out.names = std::move(names);
  if (!value.empty()) out.values = {{"?v=", std::move(value)}};
  return out;
}

std::vector<RequestFacts> times(std::size_t count, const RequestFacts& facts) {
  return std::vector<RequestFacts>(count, facts);
}

std::vector<RequestFacts> both(std::vector<RequestFacts> a, const std::vector<RequestFacts>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(SpecialTest, TellsWhatDifferingRequestsHaveMoreOften) {
  const auto special = special_of(both(times(87, with({"?currency="})), times(13, with({}))),
                                  both(times(2, with({"?currency="})), times(98, with({}))), 0.96);
  ASSERT_EQ(special.size(), 1U);
  EXPECT_EQ(special[0].what, "?currency=");
  EXPECT_DOUBLE_EQ(special[0].differing, 0.87);
  EXPECT_NEAR(special[0].all, 0.96 * 0.02 + 0.04 * 0.87, 1e-9);
  EXPECT_GT(special[0].odds_at_least, kOddsMin);
  // And what they lack.
  EXPECT_EQ(whats(special_of(times(50, with({})), times(50, with({"header accept"})), 1)),
            std::vector<std::string>{"no header accept"});
}

TEST(SpecialTest, FewRequestsAndUsualOnesTellNothing) {
  const auto all = with({"?currency="});
  EXPECT_TRUE(special_of(times(kSpecialRequestsMin - 1, all), times(100, with({})), 1).empty());
  EXPECT_FALSE(special_of(times(kSpecialRequestsMin, all), times(100, with({})), 1).empty());
  EXPECT_TRUE(special_of(times(100, all), times(kSpecialRequestsMin - 1, with({})), 1).empty());
  EXPECT_TRUE(special_of(times(100, all), times(100, all), 1).empty());
  EXPECT_TRUE(special_of({}, {}, 0).empty());
}

// A hundred properties that have nothing to do with it: hardly ever is one told.
TEST(SpecialTest, ChanceIsNotTold) {
  std::mt19937_64 random(20261129);
  int told = 0;
  for (int round = 0; round < 60; ++round) {
    std::vector<RequestFacts> sides[2];
    for (auto& side : sides) {
      for (int i = 0; i < 100; ++i) {
        RequestFacts facts;
        for (int k = 0; k < 50; ++k) {
          if (static_cast<int>(random() % 50) < k) facts.names.push_back("h" + std::to_string(k));
        }
        side.push_back(std::move(facts));
      }
    }
    told += static_cast<int>(special_of(sides[0], sides[1], 0.5).size());
  }
  EXPECT_LE(told, 4);  // of 60 rounds with 100 tests each
}

TEST(SpecialTest, ValuesAreToldOnlyWhereThereAreFew) {
  EXPECT_EQ(whats(special_of(times(50, with({}, "EUR")), times(50, with({}, "USD")), 1)),
            std::vector<std::string>{"?v=EUR"});
  std::vector<RequestFacts> many = times(50, with({}, "EUR"));
  std::vector<RequestFacts> others;
  for (std::size_t i = 0; i < 50; ++i) {
    others.push_back(with({}, "v" + std::to_string(i % kValuesToldMax)));
  }
  EXPECT_TRUE(special_of(many, others, 1).empty());
}

TEST(SpecialTest, OnePropertyIsToldOnce) {
  EXPECT_EQ(special_of(times(50, with({"?a=", "?b=", "header x"})), times(50, with({})), 1).size(),
            1U);
}

TEST(SpecialTest, FactsHoldNamesAndNoSecrets) {
  auto request = support::request(exchange_id(1));
  request.method = "POST";
  request.target =
      "/orders?currency=EUR&token=banyan%3At%3A0011&q=two%20words&s3cret&na%20me=1&long="
      "0123456789012345678901234567890123#frag=1";
  request.fields = {{"Authorization", "banyan:t:0123456789abcdef0123456789abcdef"},
                    {"Accept-Language", "de"},
                    {"Content-Type", "Application/JSON; charset=utf-8"}};
  request.body = support::inline_body("{}");
  request.session = "abcdef";
  const RequestFacts facts = facts_of(request, 2);
  EXPECT_EQ(facts.names, (std::vector<std::string>{
                             "?currency=", "?token=", "?q=", "?long=", "header authorization",
                             "header accept-language", "header content-type"}));
  EXPECT_EQ(facts.marks,
            (std::vector<std::string>{"method POST", "the parameters currency long q token",
                                      "content type application/json", "body under 1 KiB",
                                      "legacy status 2xx", "session abcdef", "hour 22 UTC"}));
  for (const auto& [name, value] : facts.values) {
    EXPECT_EQ(value, name == "?currency=" ? "EUR" : "") << name;
  }
  std::string many = "/x?";
  for (int i = 0; i < 1000; ++i) many += "p" + std::to_string(i) + "=1&";
  request.target = many;
  EXPECT_LE(facts_of(request, 0).names.size(), kFactsMax);
}

class FindingsSpecialTest : public FindingsFixture {
 protected:
  std::int64_t samples() {
    auto database = store::Database::open(file(), store::Database::Mode::kReadOnly);
    EXPECT_TRUE(database.ok());
    auto rows = (*database)->prepare("SELECT count(*) FROM request_samples");
    EXPECT_TRUE(*rows->step());
    return rows->integer(0);
  }
  // A REQUEST and its VERDICT.
  void ask(const std::string& target, bool is_different, std::string_view endpoint = "GET /orders",
           std::int64_t day = 0) {
    auto request = support::request(exchange_id(++last_));
    request.target = target;
    const Offset at = log_.append(request);
    auto verdict =
        support::verdict(request.exchange, is_different ? Verdict::kDifferent : Verdict::kEqual);
    verdict.endpoint = endpoint;
    verdict.legacy_status = verdict.candidate_status = 200;
    verdict.at.wall_ns += day * 86'400'000'000'000 + static_cast<std::int64_t>(last_);
    verdict.request_stream = "main";
    verdict.request_offset = at;
    if (is_different) {
      model::Difference one;
      one.path = one.at = "body:$.price";
      one.legacy = "1";
      one.candidate = "2";
      verdict.differences = {one};
    }
    log_.append(verdict);
  }
  FindingsStore::SpecialReport special() {
    const auto id = store_->list({})->at(0).id;
    auto report = store_->special(id, log_);
    EXPECT_TRUE(report.ok());
    return report.ok() ? *report : FindingsStore::SpecialReport();
  }

  std::uint64_t last_ = 0;
};

TEST_F(FindingsSpecialTest, DifferingRequestsAreSetAgainstOthersOfTheEndpoint) {
  for (int i = 0; i < 400; ++i) {
    const bool has = i % 20 == 0;
    ask(has ? "/orders?currency=CHF" : "/orders?page=1", has && i % 40 == 0);
    ask("/stock?currency=CHF", false, "GET /stock");  // of another endpoint
  }
  catch_up();
  EXPECT_EQ(samples(), 2 * static_cast<std::int64_t>(RequestSamples::kEach));
  const auto report = special();
  EXPECT_EQ(report.differing, 10U);
  EXPECT_GT(report.others, 80U);
  EXPECT_LE(report.others, RequestSamples::kEach);
  ASSERT_FALSE(report.special.empty());
  EXPECT_DOUBLE_EQ(report.special[0].differing, 1);
  EXPECT_LT(report.special[0].all, 0.2);
  EXPECT_NE(report.special[0].what.find("currency="), std::string::npos);
  EXPECT_FALSE(store_->special("zz", log_).ok());
  // Where the log no longer has the REQUESTs nothing is said.
  log_.retire(log_.size());
  EXPECT_EQ(special().differing, 0U);
  EXPECT_TRUE(special().special.empty());
}

TEST_F(FindingsSpecialTest, SamplesAreTheSameHoweverTheFoldIsCut) {
  for (int i = 0; i < 300; ++i) ask("/orders?page=" + std::to_string(i % 3), i % 3 == 0);
  catch_up();
  const auto whole = special();
  ASSERT_FALSE(whole.special.empty());
  for (int i = 0; i < 300; ++i) {
    ask("/orders?page=" + std::to_string(i % 3), i % 3 == 0);
    if (i % 50 == 0) reopen();
    if (i % 10 == 0) catch_up();
  }
  catch_up();
  EXPECT_EQ(samples(), static_cast<std::int64_t>(RequestSamples::kEach));
  EXPECT_EQ(special().special[0].what, whole.special[0].what);
}

TEST_F(FindingsSpecialTest, TwoDaysAreKept) {
  for (std::int64_t day = 0; day < 5; ++day) {
    for (int i = 0; i < 150; ++i) ask("/orders", i == 0, "GET /orders", day);
    catch_up();
  }
  EXPECT_EQ(samples(), 2 * static_cast<std::int64_t>(RequestSamples::kEach));
}

TEST_F(FindingsSpecialTest, AnErasureTakesItsSamplesAlong) {
  for (int i = 0; i < 10; ++i) ask("/orders", true);
  catch_up();
  ASSERT_EQ(samples(), 10);
  ASSERT_TRUE(store_->erase({exchange_id(1), exchange_id(2)}, {}).ok());
  EXPECT_EQ(samples(), 8);
  ASSERT_TRUE(store_->erase({}, {"GET /orders"}).ok());
  EXPECT_EQ(samples(), 0);
}

}  // namespace
}  // namespace banyan::comparator
