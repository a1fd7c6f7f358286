// SPDX-License-Identifier: Apache-2.0
#include "comparator/saved_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comparator/compare.h"
#include "comparator/rule_options.h"
#include "core/base/hash.h"
#include "core/base/text.h"
#include "tests/support/memory_file_system.h"

namespace banyan::comparator {
namespace {

SavedRule rule_of(std::string path) {
  SavedRule rule;
  rule.rule.routes = {"orders*"};
  rule.rule.ignore = {std::move(path)};
  rule.rule.unordered = {{"body:$.items", "sku"}, {"body:$.tags", ""}};
  rule.rule.tolerance = {{"body:$.total", 0.005, 0.25}};
  rule.rule.reason = "the clock\n\"differs\"";
  rule.rule.owner = "orders";
  rule.rule.expires_wall_ns = 1'900'000'000'000'000'000;
  rule.by = "ada";
  rule.saved_wall_ns = 1'800'000'000'000'000'000;
  rule.forced = {"it covers structure"};
  name_rule(rule, {});
  return rule;
}

std::string sealed(std::string content) {
  return content + "checksum " + hex_of_u64(xxh3_64(content)) + "\n";
}

TEST(SavedRulesTest, SurviveTheFile) {
  support::MemoryFileSystem files;
  EXPECT_TRUE(read_saved_rules(files, "d")->empty());
  const std::vector<SavedRule> rules = {rule_of("body:$.a"), rule_of("header:X-A")};
  ASSERT_TRUE(write_saved_rules(files, "d", rules).ok());
  const auto read = read_saved_rules(files, "d");
  ASSERT_TRUE(read.ok()) << read.error().message;
  ASSERT_EQ(read->size(), 2U);
  EXPECT_EQ(encode_saved_rules(*read), encode_saved_rules(rules));
  const SavedRule& first = read->front();
  EXPECT_EQ(first.rule.ignore, rules[0].rule.ignore);
  EXPECT_EQ(first.rule.unordered[0].by, "sku");
  EXPECT_EQ(first.rule.tolerance[0].relative, 0.25);
  EXPECT_EQ(first.rule.reason, rules[0].rule.reason);
  EXPECT_EQ(first.rule.expires_wall_ns, rules[0].rule.expires_wall_ns);
  EXPECT_EQ(first.forced, rules[0].forced);
  EXPECT_NE(first.rule.id, read->back().rule.id);
}

TEST(SavedRulesTest, EveryFlippedByteIsDamage) {
  const std::string text = encode_saved_rules({rule_of("body:$.a")});
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string bad = text;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_FALSE(decode_saved_rules(bad).ok()) << i;
    EXPECT_FALSE(decode_saved_rules(text.substr(0, i)).ok()) << i;
  }
}

TEST(SavedRulesTest, SaysWhatIsWrongAndWhere) {
  const auto error = [](const std::string& text) {
    const auto read = decode_saved_rules(text);
    return read.ok() ? std::string() : read.error().message;
  };
  EXPECT_THAT(error(sealed("banyan-rules 2\n")), testing::HasSubstr("version 2"));
  EXPECT_THAT(error(sealed("banyan-rules 1\nno\n")), testing::HasSubstr("line 2"));
  EXPECT_THAT(error(sealed("banyan-rules 1\n{\"rule\":{\"id\":\"r-1\",\"ignor\":[]}}\n")),
              testing::HasSubstr("unknown member \"ignor\""));
  const std::string bad_path =
      "{\"rule\":{\"id\":\"r-1\",\"ignore\":[\"body:x\"]},\"saved\":\"2026-01-01T00:00:00Z\"}\n";
  EXPECT_THAT(error(sealed("banyan-rules 1\n" + bad_path)), testing::HasSubstr("body:x"));
  std::string many = "banyan-rules 1\n";
  for (std::size_t i = 0; i <= kSavedRulesMax; ++i) many += "{}\n";
  EXPECT_THAT(error(sealed(many)), testing::HasSubstr("too many"));
  const std::string one = encode_saved_rules({rule_of("body:$.a")});
  const std::string line = one.substr(15, one.find("checksum") - 15);
  EXPECT_THAT(error(sealed("banyan-rules 1\n" + line + line)), testing::HasSubstr("twice"));
  support::MemoryFileSystem files;
  ASSERT_TRUE(files.make_directories("d/state").ok());
  ASSERT_TRUE(files.write_file_atomically("d/state/rules", "rubbish").ok());
  EXPECT_THAT(read_saved_rules(files, "d").error().message, testing::HasSubstr("move it away"));
}

TEST(SavedRulesTest, DifferencesNameTheRuleThatCoversThem) {
  const SavedRule saved = rule_of("body:$.a");
  const auto rules = *CompiledRules::compile(with_saved({}, {saved}));
  LiftedAnswer legacy;
  legacy.status = 200;
  legacy.body = R"({"a":1})";
  legacy.has_body = true;
  LiftedAnswer candidate = legacy;
  candidate.body = R"({"a":2})";
  const Comparison got = compare_answers(*rules, "orders-eu", "GET", legacy, candidate);
  ASSERT_EQ(got.differences.size(), 1U);
  EXPECT_EQ(got.differences[0].rule, "ignore body:$.a [" + saved.rule.id + "]");
  EXPECT_EQ(texts_of(saved.rule).front(), got.differences[0].rule);
}

TEST(RuleOptionsTest, ReadsWhatPeopleType) {
  const auto tolerance = tolerance_of("body:$.total:absolute=0.5,relative=0.01");
  ASSERT_TRUE(tolerance.ok());
  EXPECT_EQ(tolerance->path, "body:$.total");
  EXPECT_EQ(tolerance->absolute, 0.5);
  EXPECT_EQ(tolerance->relative, 0.01);
  for (const char* bad : {"body:$.total", "body:$.total:absolut=1", "body:$.t:absolute=x", ""}) {
    EXPECT_FALSE(tolerance_of(bad).ok()) << bad;
  }
  EXPECT_EQ(unordered_of("body:$.i by a.b").by, "a.b");
  EXPECT_EQ(parse_expiry("7d", 5), 7 * 86'400'000'000'000 + 5);
  EXPECT_TRUE(parse_expiry("2027-01-31", 0));
  EXPECT_FALSE(parse_expiry("soon", 0));
}

}  // namespace
}  // namespace banyan::comparator
