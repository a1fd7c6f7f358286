// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <gtest/gtest.h>
#include "admin/body.h"
#include "admin/http_types.h"
#include "admin/log_filter.h"
#include "core/json/value.h"

namespace banyan::admin {
namespace {

TEST(TargetTest, SegmentsAndParametersAreDecoded) {
  const auto target = parse_target("/api/v1/routes/a%20b%2Fc/?h=x%3Ay&h=z+w&flag");
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(target->segments, (std::vector<std::string>{"api", "v1", "routes", "a b/c"}));
  ASSERT_EQ(target->query.size(), 3u);
  EXPECT_EQ(target->query[1].second, "z w");
  EXPECT_EQ(target->parameter("h"), "x:y");
  EXPECT_EQ(target->parameter("flag"), "");
}

TEST(TargetTest, TraversalAndOddBytesAreRefused) {
  for (const char* text :
       {"", "api", "*", "/a//b", "/a/../b", "/a/%2e%2e/b", "/a/./b", "/a/%2E", "/a/%00", "/a/%0a",
        "/a/%zz", "/a/%f", "/a/%ff", "/a?x=%00", "/a?%c3=1"}) {
    EXPECT_FALSE(parse_target(text).ok()) << text;
  }
}

TEST(TargetTest, CountsAreBounded) {
  std::string path, query = "/a?";
  for (std::size_t i = 0; i < kSegmentsMax; ++i) path += "/s";
  EXPECT_TRUE(parse_target(path).ok());
  EXPECT_FALSE(parse_target(path + "/s").ok());
  for (std::size_t i = 0; i < kParametersMax; ++i) query += "a=1&";
  EXPECT_TRUE(parse_target(query).ok());
  EXPECT_FALSE(parse_target(query + "a=1").ok());
}

TEST(ErrorResponseTest, HostileTextIsEscaped) {
  const HttpResponse response = error_response(404, "x", "a\"</script>\n\x01", "h");
  const auto parsed = json::parse(response.body);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->find("error")->string_or("message", ""), "a\"</script>\n\x01");
  EXPECT_EQ(response.body.find('\n'), std::string::npos);
}

json::Value value_of(std::string_view text) {
  auto value = json::parse(text);
  EXPECT_TRUE(value.ok());
  return *std::move(value);
}

TEST(BodyTest, UnknownAndRepeatedMembersAreNamed) {
  EXPECT_TRUE(check_members(value_of("{}"), {"reason"}).ok());
  const Status slip = check_members(value_of("{\"reazon\":1}"), {"reason"});
  ASSERT_FALSE(slip.ok());
  EXPECT_NE(slip.error().message.find("did you mean \"reason\"?"), std::string::npos);
  EXPECT_FALSE(check_members(value_of("{\"a\":1,\"a\":2}"), {"a"}).ok());
}

TEST(BodyTest, SharesTakeTwoDecimalsFromZeroToHundred) {
  EXPECT_EQ(share_member(value_of("{\"p\":12.34}"), "p")->value(), 1234u);
  EXPECT_EQ(share_member(value_of("{\"p\":100}"), "p")->value(), 10000u);
  EXPECT_EQ(share_member(value_of("{\"p\":0.29}"), "p")->value(), 29u);
  EXPECT_FALSE(share_member(value_of("{}"), "p")->has_value());
  for (const char* text : {"{\"p\":100.01}", "{\"p\":-1}", "{\"p\":0.005}", "{\"p\":\"5\"}",
                           "{\"p\":true}", "{\"p\":1e999}"}) {
    EXPECT_FALSE(share_member(value_of(text), "p").ok()) << text;
  }
}

TEST(BodyTest, CauseHasDefaultsAndBounds) {
  EXPECT_EQ(cause_of(value_of("{}"))->by, "api");
  EXPECT_EQ(cause_of(value_of("{\"by\":\"ann\",\"reason\":\"r\"}"))->by, "ann");
  EXPECT_FALSE(cause_of(value_of("{\"reason\":\"" + std::string(1001, 'x') + "\"}")).ok());
  EXPECT_FALSE(cause_of(value_of("{\"reason\":5}")).ok());
}

TEST(LogFilterTest, BadWordsAreRefused) {
  for (const char* text :
       {"x", "color:red", "status:", "status:6xx", "status:1000", "system:new"}) {
    EXPECT_FALSE(LogFilter::parse(text).ok()) << text;
  }
  std::string many;
  for (std::size_t i = 0; i <= LogFilter::kWordsMax; ++i) many += "route:a ";
  EXPECT_FALSE(LogFilter::parse(many).ok());
  EXPECT_TRUE(LogFilter::parse("  type:request   route:o* ")->may_match({}) == false);
}

}  // namespace
}  // namespace banyan::admin
