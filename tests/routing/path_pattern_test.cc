// SPDX-License-Identifier: Apache-2.0
#include "routing/path_pattern.h"

#include <gtest/gtest.h>

#include <string>

namespace banyan::routing {
namespace {

std::string normal(std::string_view target) {
  NormalPath path;
  path.assign(target);
  return path.to_string();
}

bool matches(std::string_view pattern, std::string_view target) {
  const auto compiled = PathPattern::compile(pattern);
  EXPECT_TRUE(compiled.ok()) << pattern;
  if (!compiled.ok()) return false;
  NormalPath path;
  path.assign(target);
  return compiled->matches(path);
}

TEST(NormalPathTest, HasOneFormForAllSpellingsOfAPath) {
  struct Case {
    const char* target;
    const char* normal;
  };
  const Case cases[] = {
      {"/", "/"},
      {"", "/"},
      {"*", "/"},
      {"/a/b", "/a/b"},
      {"/a/b/", "/a/b"},
      {"//a///b", "/a/b"},
      {"/a/./b/.", "/a/b"},
      {"/a/../b", "/b"},
      {"/../../a", "/a"},
      {"/a/b/..", "/a"},
      {"/%61/%62", "/a/b"},
      {"/a/%2e%2E/b", "/b"},
      {"/a%2fb", "/a%2Fb"},
      {"/a%2Fb", "/a%2Fb"},
      {"/%7euser", "/~user"},
      {"/a%", "/a%"},
      {"/a%4", "/a%4"},
      {"/a%zz", "/a%zz"},
      {"/a%%41", "/a%A"},
      {"/A/b", "/A/b"},
      {"/a?x=/../b", "/a"},
      {"/a;v=1/b", "/a;v=1/b"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(normal(c.target), c.normal) << c.target;
    EXPECT_EQ(normal(normal(c.target)), normal(c.target)) << c.target;
  }
}

TEST(PathPatternTest, MatchesBySegments) {
  EXPECT_TRUE(matches("", "/anything/at/all"));
  EXPECT_TRUE(matches("/**", "/"));
  EXPECT_TRUE(matches("/**", "/a/b"));
  EXPECT_TRUE(matches("/", "/"));
  EXPECT_FALSE(matches("/", "/a"));
  EXPECT_TRUE(matches("/orders/**", "/orders"));
  EXPECT_TRUE(matches("/orders/**", "/orders/"));
  EXPECT_TRUE(matches("/orders/**", "/orders/1/items"));
  EXPECT_FALSE(matches("/orders/**", "/orders2"));
  EXPECT_FALSE(matches("/orders/**", "/x/orders/1"));
  EXPECT_TRUE(matches("/stock/*", "/stock/17"));
  EXPECT_FALSE(matches("/stock/*", "/stock"));
  EXPECT_FALSE(matches("/stock/*", "/stock/17/more"));
  EXPECT_TRUE(matches("/a/**/z", "/a/z"));
  EXPECT_TRUE(matches("/a/**/z", "/a/b/z/c/z"));
  EXPECT_FALSE(matches("/a/**/z", "/a/b/z/c"));
  EXPECT_TRUE(matches("/**/x/**/y", "/1/x/2/3/y"));
  EXPECT_TRUE(matches("/reports/*.csv", "/reports/may.csv"));
  EXPECT_FALSE(matches("/reports/*.csv", "/reports/may.csv.gz"));
  EXPECT_TRUE(matches("/v*/x", "/v2/x"));
}

TEST(PathPatternTest, DisguisedPathsTakeTheSameRoute) {
  for (const char* target : {"/admin/x", "//admin/x", "/public/../admin/x", "/%61dmin/x",
                             "/public/%2e%2e/admin/x", "/./admin//x", "/admin/x?y"}) {
    EXPECT_TRUE(matches("/admin/**", target)) << target;
    EXPECT_FALSE(matches("/public/**", target)) << target;
  }
  EXPECT_FALSE(matches("/admin/**", "/public%2F..%2Fadmin"));
  EXPECT_TRUE(matches("/%61dmin", "/admin"));
}

TEST(PathPatternTest, RefusesPatternsThatCannotBeMeant) {
  const std::string too_long = "/" + std::string(PathPattern::kPatternBytesMax, 'a');
  std::string too_deep;
  for (std::size_t i = 0; i <= PathPattern::kDeepWildcardsMax; ++i) too_deep += "/**/a";
  for (const std::string& pattern :
       {std::string("orders"), std::string("/a?b=1"), std::string("/a#b"), std::string("/a b"),
        std::string("/\xc3\xa4"), std::string("/a**"), std::string("/../a"), std::string("/./a"),
        std::string("/%2e%2e/a"), too_long, too_deep}) {
    const auto compiled = PathPattern::compile(pattern);
    ASSERT_FALSE(compiled.ok()) << pattern;
    EXPECT_EQ(compiled.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(compiled.error().origin, ErrorOrigin::kConfig);
  }
  EXPECT_TRUE(PathPattern::compile("/" + std::string(PathPattern::kPatternBytesMax - 1, 'a')).ok());
  too_deep.erase(0, 5);
  EXPECT_TRUE(PathPattern::compile(too_deep).ok());
}

TEST(PathPatternTest, TellsWhetherItMatchesEverything) {
  EXPECT_TRUE(PathPattern().matches_everything());
  EXPECT_TRUE(PathPattern::compile("/**")->matches_everything());
  EXPECT_TRUE(PathPattern::compile("/**/**")->matches_everything());
  EXPECT_FALSE(PathPattern::compile("/")->matches_everything());
  EXPECT_FALSE(PathPattern::compile("/*")->matches_everything());
}

// A hostile target against the worst pattern allowed: work stays bounded by pattern times path.
TEST(PathPatternTest, WorstCaseIsBounded) {
  std::string pattern, target;
  for (std::size_t i = 0; i < PathPattern::kDeepWildcardsMax; ++i) pattern += "/**/a/a";
  pattern += "/b";
  for (int i = 0; i < 4096; ++i) target += "/a";
  EXPECT_FALSE(matches(pattern, target));
}

}  // namespace
}  // namespace banyan::routing
