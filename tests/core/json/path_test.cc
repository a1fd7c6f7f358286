// SPDX-License-Identifier: Apache-2.0
#include "core/json/path.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace banyan::json {
namespace {

PathStep member(std::string_view name) { return {name, 0, false}; }
PathStep item(std::size_t index) { return {{}, index, true}; }

bool matches(std::string_view text, const std::vector<PathStep>& steps) {
  auto pattern = PathPattern::parse(text);
  if (!pattern) {
    ADD_FAILURE() << pattern.error().message;
    return false;
  }
  auto state = pattern->start();
  for (const PathStep& step : steps) {
    state = step.is_item ? pattern->enter_item(state) : pattern->enter_member(state, step.name);
  }
  return pattern->accepts(state);
}

TEST(PathPatternTest, MatchesMembersAndItems) {
  EXPECT_TRUE(matches("$", {}));
  EXPECT_FALSE(matches("$", {member("a")}));
  EXPECT_TRUE(matches("$.a.b", {member("a"), member("b")}));
  EXPECT_FALSE(matches("$.a.b", {member("a")}));
  EXPECT_FALSE(matches("$.a.b", {member("a"), member("c")}));
  EXPECT_TRUE(matches("$.items[].price", {member("items"), item(7), member("price")}));
  EXPECT_FALSE(matches("$.items[]", {member("items"), member("x")}));
  EXPECT_TRUE(matches("$[][]", {item(0), item(1)}));
}

TEST(PathPatternTest, MatchesWildcards) {
  EXPECT_TRUE(matches("$.*", {member("a")}));
  EXPECT_TRUE(matches("$.*", {item(0)}));
  EXPECT_FALSE(matches("$.*", {}));
  EXPECT_TRUE(matches("$..id", {member("id")}));
  EXPECT_TRUE(matches("$..id", {member("a"), item(2), member("id"), member("id")}));
  EXPECT_FALSE(matches("$..id", {member("id"), member("x")}));
  EXPECT_TRUE(matches("$.a..b[].c", {member("a"), member("x"), member("b"), item(0), member("c")}));
  EXPECT_TRUE(matches("**", {}));
  EXPECT_TRUE(matches("**", {member("a"), item(0)}));
  EXPECT_TRUE(matches("$.a.**", {member("a")}));
  EXPECT_TRUE(matches("$.a.**", {member("a"), item(3)}));
  EXPECT_FALSE(matches("$.a.**", {member("b")}));
  EXPECT_TRUE(matches("$.**..x", {member("x")}));
}

TEST(PathPatternTest, BracesAreAnyMemberAndNoItem) {
  const PathPattern pattern = *PathPattern::parse("$.map.{}.at");
  const auto state = pattern.enter_member(pattern.enter_member(pattern.start(), "map"), "u-1");
  EXPECT_TRUE(pattern.accepts(pattern.enter_member(state, "at")));
  const auto item = pattern.enter_item(pattern.enter_member(pattern.start(), "map"));
  EXPECT_FALSE(pattern.accepts(pattern.enter_member(item, "at")));
}

TEST(PathPatternTest, RanksWhatSaysMoreHigher) {
  std::uint32_t before = 0;
  for (const char* text :
       {"**", "$", "$.*", "$[].{}", "$..a", "$.a", "$.a[]", "$.a..b", "$.a.b", "$.a[].b.c"}) {
    const std::uint32_t rank = PathPattern::parse(text)->rank();
    EXPECT_GT(rank, before) << text;
    before = rank;
  }
}

TEST(PathPatternTest, QuotesOddNames) {
  EXPECT_TRUE(matches("$['a.b']", {member("a.b")}));
  EXPECT_TRUE(matches("$['']", {member("")}));
  EXPECT_TRUE(matches("$['it\\'s \\\\']", {member("it's \\")}));
  EXPECT_TRUE(matches("$..['x y'].größe", {member("q"), member("x y"), member("größe")}));
}

TEST(PathPatternTest, RefusesWhatItCannotMean) {
  for (const char* text : {"", "a", "$a", "$.", "$..", "$[", "$[3]", "$['a]", "$.a b", "$.a.",
                           "***", "$['a\\", "$.[]", "body:$.a", "$.a]", "$['a'", "$.*a"}) {
    EXPECT_FALSE(PathPattern::parse(text).ok()) << text;
  }
  std::string longest = "$";
  for (std::size_t i = 0; i < PathPattern::kStepsMax; ++i) longest += ".a";
  EXPECT_TRUE(PathPattern::parse(longest).ok());
  EXPECT_FALSE(PathPattern::parse(longest + ".a").ok());
}

TEST(PathPatternTest, ReadsBackWhatItRenders) {
  const std::vector<PathStep> steps = {member("a.b"),   item(12),   member("c'd\\"),
                                       member("@type"), member(""), member("é")};
  EXPECT_EQ(template_path(steps), "$['a.b'][]['c\\'d\\\\'].@type[''].é");
  EXPECT_EQ(concrete_path(steps), "$['a.b'][12]['c\\'d\\\\'].@type[''].é");
  EXPECT_TRUE(matches(template_path(steps), steps));
}

}  // namespace
}  // namespace banyan::json
