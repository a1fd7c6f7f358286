// SPDX-License-Identifier: Apache-2.0
#include "admin/log_search.h"

#include <string>

#include <gtest/gtest.h>
#include "admin/json_shapes.h"
#include "core/base/text.h"
#include "core/json/value.h"
#include "tests/support/memory_log.h"
#include "tests/support/records.h"

namespace banyan::admin {
namespace {

constexpr std::int64_t kPatience = 20'000'000'000;
constexpr std::int64_t kHour = 3600LL * 1'000'000'000;

json::Value parsed(const Result<std::string>& text) {
  EXPECT_TRUE(text.ok()) << (text.ok() ? "" : text.error().message);
  if (!text.ok()) return {};
  auto value = json::parse(*text);
  EXPECT_TRUE(value.ok()) << *text;
  return value.ok() ? *std::move(value) : json::Value();
}

class LogSearchTest : public ::testing::Test {
 protected:
  model::VerdictRecord verdict(ExchangeId exchange, Verdict value, std::uint32_t generation) {
    model::VerdictRecord record;
    record.exchange = exchange;
    record.route = "orders";
    record.verdict = value;
    record.generation = generation;
    if (value == Verdict::kDifferent) {
      model::Difference difference;
      difference.path = "body:$.items[].price";
      difference.at = "body:$.items[3].price";
      difference.legacy = "1";
      difference.candidate = "2";
      record.differences.push_back(difference);
    }
    return record;
  }
  model::ShadowRecord shadow(ExchangeId exchange, std::uint64_t run = 0) {
    model::ShadowRecord record;
    record.exchange = exchange;
    record.run = RunId{run};
    record.route = "orders";
    record.sent = Instant{1'700'000'000'000'000'000, 1'015'000'000};
    record.answer = support::answer(System::kCandidate, 404, "no");
    return record;
  }
  json::Value exchange(ExchangeId id, std::optional<model::Cursor::Place> hint = std::nullopt) {
    return parsed(exchange_json(log_, id, hint, false, kPatience));
  }

  ManualClock clock_{1'700'000'000'000'000'000};
  support::MemoryLog log_{clock_};
};

TEST_F(LogSearchTest, ExchangeIsPutTogetherFromItsRecords) {
  const ExchangeId id = support::exchange_id(7);
  log_.append(support::request(support::exchange_id(6)));
  const Offset at = log_.append(support::request(id));
  log_.append(shadow(id));  // may come first
  log_.append(support::response(id));
  log_.append(shadow(id, 4));  // of a replay run: not ours
  log_.append(verdict(id, Verdict::kDifferent, 1));
  for (const auto& hint :
       {std::optional<model::Cursor::Place>(), std::optional<model::Cursor::Place>({"main", at})}) {
    const json::Value told = exchange(id, hint);
    EXPECT_EQ(told.string_or("id", ""), id.to_string());
    EXPECT_EQ(told.string_or("route", ""), "orders");
    EXPECT_EQ(told.string_or("primary", ""), "legacy");
    EXPECT_EQ(told.find("mirror")->string_or("state", ""), "mirrored");
    const json::Value* responses = told.find("responses");
    EXPECT_EQ(responses->find("legacy")->number_or("status", 0), 200);
    EXPECT_EQ(responses->find("candidate")->number_or("status", 0), 404);
    EXPECT_NEAR(responses->find("candidate")->number_or("duration", 0), 0.005, 1e-9);
    EXPECT_EQ(told.string_or("verdict", ""), "different");
    EXPECT_EQ(told.find("differences")->items.at(0).string_or("at", ""), "body:$.items[3].price");
  }
}

TEST_F(LogSearchTest, NewestVerdictCounts) {
  const ExchangeId id = support::exchange_id(7);
  const Offset at = log_.append(support::request(id));
  log_.append(support::response(id));
  log_.append(shadow(id));
  log_.append(verdict(id, Verdict::kDifferent, 1));
  for (int i = 0; i < 1000; ++i) log_.append(support::request(support::exchange_id(100 + i)));
  log_.append(verdict(id, Verdict::kTolerated, 2));
  EXPECT_EQ(exchange(id).string_or("verdict", ""), "tolerated");
  EXPECT_EQ(exchange(id, model::Cursor::Place{"main", at}).string_or("verdict", ""), "tolerated");
}

TEST_F(LogSearchTest, OldExchangesAreFoundBackwardsAndWrongHintsDoNotHide) {
  const ExchangeId id = support::exchange_id(7);
  log_.append(support::request(id));
  log_.append(support::response(id));
  for (int hour = 0; hour < 50; ++hour) {
    clock_.advance_ns(kHour);
    log_.append(support::request(support::exchange_id(static_cast<std::uint64_t>(100 + hour))));
  }
  EXPECT_EQ(exchange(id).string_or("verdict", ""), "pending");
  EXPECT_EQ(exchange(id, model::Cursor::Place{"main", Offset{20}}).string_or("method", ""), "GET");
}

TEST_F(LogSearchTest, StatesOfTheMirrorAreTold) {
  const ExchangeId off = support::exchange_id(1), sampled = support::exchange_id(2),
                   dropped = support::exchange_id(3);
  log_.append(support::request(off, "orders", MirrorDecision::kOff));
  log_.append(support::request(sampled, "orders", MirrorDecision::kSkipped, SkipReason::kSampled));
  log_.append(support::request(dropped));
  model::SkipRecord skip;
  skip.exchange = dropped;
  skip.route = "orders";
  skip.reason = SkipReason::kRetention;
  log_.append(skip);
  EXPECT_EQ(exchange(off).find("mirror")->string_or("state", ""), "off");
  EXPECT_EQ(exchange(off).string_or("verdict", ""), "none");
  EXPECT_EQ(exchange(sampled).find("mirror")->string_or("reason", ""), "sampled");
  EXPECT_EQ(exchange(dropped).find("mirror")->string_or("state", ""), "dropped");
}

TEST_F(LogSearchTest, UnknownExchangeIsNotFound) {
  log_.append(support::request(support::exchange_id(1)));
  const auto told = exchange_json(log_, support::exchange_id(9), std::nullopt, false, kPatience);
  ASSERT_FALSE(told.ok());
  EXPECT_EQ(told.error().code, ErrorCode::kNotFound);
}

TEST_F(LogSearchTest, PagesFollowEachOtherAndEndOnce) {
  for (std::uint64_t i = 0; i < 25; ++i) log_.append(support::request(support::exchange_id(i)));
  LogQuery query;
  query.limit = 10;
  std::size_t seen = 0;
  bool at_end = false;
  for (int page = 0; page < 5 && !at_end; ++page) {
    const json::Value told = parsed(log_page_json(log_, clock_, query, kPatience));
    for (const json::Value& record : told.find("records")->items) {
      EXPECT_EQ(record.number_or("offset", -1), static_cast<double>(seen++));
      EXPECT_EQ(record.string_or("type", ""), "REQUEST");
      EXPECT_EQ(record.string_or("target", ""), "/orders/17");
    }
    query.from = told.string_or("next", "");
    at_end = told.bool_or("at_end", false);
  }
  EXPECT_TRUE(at_end);
  EXPECT_EQ(seen, 25u);
}

TEST_F(LogSearchTest, FilterHolesAndPlacesAreHonoured) {
  const ExchangeId id = support::exchange_id(1);
  log_.append(support::request(id));
  log_.append(support::response(id));
  log_.append_hole(3, "damaged");
  log_.append(shadow(id));
  LogQuery query;
  query.filter = "status:404 system:candidate";
  json::Value told = parsed(log_page_json(log_, clock_, query, kPatience));
  ASSERT_EQ(told.find("records")->items.size(), 2u);  // a hole may hide anything, so it shows
  EXPECT_EQ(told.find("records")->items[0].string_or("type", ""), "HOLE");
  EXPECT_EQ(told.find("records")->items[1].string_or("type", ""), "SHADOW");
  query = LogQuery();
  query.from = "1";
  query.limit = 1;
  told = parsed(log_page_json(log_, clock_, query, kPatience));
  EXPECT_EQ(told.find("records")->items.at(0).string_or("type", ""), "RESPONSE");
  query.from = "yesterday'); DROP";
  EXPECT_FALSE(log_page_json(log_, clock_, query, kPatience).ok());
}

TEST_F(LogSearchTest, HistoryIsNewestFirstAndBounded) {
  for (int i = 0; i < 30; ++i) {
    model::RouteRecord change;
    change.route = i % 2 == 0 ? "orders" : "stock";
    change.action = "set";
    change.by = "ann";
    change.routing_epoch = static_cast<std::uint64_t>(i);
    change.after.candidate_share = 2500;
    log_.append(change);
    clock_.advance_ns(kHour);
  }
  json::Value told = parsed(route_history_json(log_, clock_, "", 4, kPatience));
  ASSERT_EQ(told.find("history")->items.size(), 4u);
  EXPECT_EQ(told.find("history")->items[0].number_or("routing_epoch", -1), 29);
  EXPECT_EQ(told.find("history")->items[3].number_or("routing_epoch", -1), 26);
  EXPECT_EQ(told.find("history")->items[0].find("after")->number_or("candidate_percent", -1), 25);
  told = parsed(route_history_json(log_, clock_, "orders", 100, kPatience));
  EXPECT_EQ(told.find("history")->items.size(), 15u);
  EXPECT_TRUE(told.bool_or("complete", false));
}

TEST(RecordJsonTest, BinaryBodiesAreBase64AndSealedPartsStayInside) {
  model::RequestRecord request = support::request(support::exchange_id(1));
  request.sealed = "SEALED-CANARY";
  request.body = support::inline_body("\xff\x00<script>");
  request.fields = {{"X-Odd", "a\"b\n</script>"}};
  model::SourcedRecord sourced;
  sourced.stream = "main";
  sourced.type = model::RecordType::kRequest;
  sourced.exchange = request.exchange;
  const model::AnyRecord record = request;
  const std::string text = record_to_json(sourced, &record);
  EXPECT_EQ(text.find("CANARY"), std::string::npos);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const auto value = json::parse(text);
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->find("body"), nullptr);
  EXPECT_EQ(bytes_of_base64(value->string_or("body_base64", "")).value_or(""),
            std::string(request.body.bytes));
  EXPECT_EQ(value->find("headers")->items[0].string_or("value", ""), "a\"b\n</script>");
}

}  // namespace
}  // namespace banyan::admin
