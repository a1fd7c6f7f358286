// SPDX-License-Identifier: Apache-2.0
//
// The table tests/cases/compare.json, the bounds, and what has no place in a table.
#include "comparator/compare.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/base/text.h"
#include "tests/comparator/case_table.h"

namespace banyan::comparator {
namespace {

// Owns what a LiftedAnswer points at.
struct Given {
  std::string body;
  LiftedAnswer answer;
};

void read_answer(const Value& from, Given& out) {
  out.answer.status = static_cast<int>(from.number_or("status", 0));
  out.answer.is_truncated = from.bool_or("truncated", false);
  const Value& headers = *from.find("headers");
  for (const auto& [name, value] : headers.members) out.answer.fields.push_back({name, value.text});
  for (const Value& line : headers.items) {
    out.answer.fields.push_back({line.items[0].text, line.items[1].text});
  }
  if (const Value* trailers = from.find("trailers")) {
    for (const auto& [name, value] : trailers->members) {
      out.answer.trailers.push_back({name, value.text});
    }
  }
  if (const Value* body = from.find("body")) out.body = body->text;
  if (const Value* hex = from.find("body_hex")) out.body = *bytes_of_hex(hex->text);
  out.answer.has_body = from.find("body") != nullptr || from.find("body_hex") != nullptr;
  out.answer.body = out.body;
  out.answer.body_length = out.answer.has_body
                               ? out.body.size()
                               : static_cast<std::uint64_t>(from.number_or("length", 0));
  out.answer.body_digest.low = static_cast<std::uint64_t>(from.number_or("digest", 0));
}

void check_case(const Value& given) {
  SCOPED_TRACE(given.string_or("name", ""));
  Given legacy;
  Given candidate;
  read_answer(*given.find("legacy"), legacy);
  read_answer(*given.find("candidate"), candidate);
  const auto rules = CompiledRules::compile(read_options(given.find("rules")));
  ASSERT_TRUE(rules.ok()) << rules.error().message;
  const Comparison got = compare_answers(**rules, "orders", given.string_or("method", "GET"),
                                         legacy.answer, candidate.answer);
  expect_differences(given, got);
}

TEST(CompareTest, JudgesEveryCaseOfTheTable) {
  const auto cases = read_cases("compare.json");
  ASSERT_GT(cases.size(), 50U);
  for (const Value& given : cases) check_case(given);
}

LiftedAnswer answer(std::string_view body) { return answer_of("application/json", body); }

Comparison compare_under(const ComparatorOptions& options, std::string_view legacy,
                         std::string_view candidate) {
  const auto rules = CompiledRules::compile(options);
  EXPECT_TRUE(rules.ok());
  return compare_answers(**rules, "orders", "GET", answer(legacy), answer(candidate));
}

std::string list_of(int count, int step) {
  std::string out = "[";
  for (int i = 0; i < count; ++i) out += (i > 0 ? "," : "") + std::to_string(i * step + step);
  return out + "]";
}

TEST(CompareBoundsTest, CountsDifferencesPastTheirMaximumAsOne) {
  ComparatorOptions options;
  options.differences_max = 3;
  const Comparison at_edge = compare_under(options, "[[1],[2],[3]]", "[[4],[5],[6]]");
  EXPECT_EQ(at_edge.differences.size(), 3U);
  const Comparison past = compare_under(options, "[[1],[2],[3],[7],[8]]", "[[4],[5],[6],[0],[9]]");
  ASSERT_EQ(past.differences.size(), 4U);
  EXPECT_EQ(past.differences.back().legacy, "2 more differences");
  EXPECT_EQ(past.verdict, Verdict::kDifferent);
}

TEST(CompareBoundsTest, AnUncoveredDifferencePastTheMaximumStillDecides) {
  ComparatorOptions options;
  options.differences_max = 1;
  options.rules.push_back({{}, {"body:$.a", "body:$.b"}, {}, {}});
  EXPECT_EQ(compare_under(options, R"({"a":1,"b":1})", R"({"a":2,"b":2})").verdict,
            Verdict::kTolerated);
  EXPECT_EQ(compare_under(options, R"({"a":1,"b":1,"c":1})", R"({"a":2,"b":2,"c":2})").verdict,
            Verdict::kDifferent);
}

TEST(CompareBoundsTest, CutsWhatIsShownBeforeAUtf8Sequence) {
  ComparatorOptions options;
  options.shown_bytes_max = 10;
  const Comparison got = compare_under(options, R"({"a":"äöüäöüäöü"})", R"({"a":12345678901234})");
  ASSERT_EQ(got.differences.size(), 1U);
  EXPECT_EQ(got.differences[0].legacy, "\"äöü…");
  EXPECT_EQ(got.differences[0].candidate, "1234567…");
}

TEST(CompareBoundsTest, DoesNotSearchArraysPastTheirMaximum) {
  const int most = 10'000;
  const Comparison at_edge = compare_under({}, list_of(most, 1), list_of(most, -1));
  EXPECT_EQ(at_edge.differences.size(), 1001U);
  const Comparison past = compare_under({}, list_of(most + 1, 1), list_of(most + 1, -1));
  ASSERT_EQ(past.differences.size(), 1U);
  EXPECT_EQ(past.differences[0].transition, "not localised");
  EXPECT_EQ(past.verdict, Verdict::kDifferent);
}

TEST(CompareBoundsTest, SaysThatItemsWereNotAligned) {
  // In groups of thirty that are alike, so that all pairs of a group are scored.
  const auto list = [](int count, int shift) {
    std::string out = "[";
    for (int i = 0; i < count; ++i) {
      const int from = (i + shift) % count;
      const std::string group = std::to_string(from / 30);
      out += std::string(i > 0 ? "," : "") + R"({"u":)" + std::to_string(from * 2 + shift % 2);
      for (const char* name : {"a", "b", "c", "d", "e", "f"}) {
        out += std::string(",\"") + name + "\":" + group;
      }
      out += "}";
    }
    return out + "]";
  };
  ComparatorOptions options;
  options.differences_max = 20'000;
  const Comparison at = compare_under(options, list(900, 0), list(900, 301));
  EXPECT_EQ(at.differences[0].kind, DifferenceKind::kOrder);
  EXPECT_EQ(at.differences.size(), 901U);
  const Comparison past = compare_under(options, list(1500, 0), list(1500, 301));
  EXPECT_EQ(past.differences.back().transition, "not aligned");
  EXPECT_EQ(past.differences.back().path, "body:$");
  // Where a rule covers all there is to tell, that is all.
  options.rules.push_back({{}, {"body:$[].*"}, {}, {}});
  EXPECT_EQ(compare_under(options, list(1500, 0), list(1500, 301)).verdict, Verdict::kTolerated);
}

// Wide objects with nothing in common must not cost the square of their width.
TEST(CompareBoundsTest, ComparesWideObjectsInLinearTime) {
  const auto wide = [](char name, int first) {
    std::string out = "{";
    for (int i = 0; i < 50'000; ++i) {
      out += (i > 0 ? ",\"" : "\"") + std::string(1, name) + std::to_string(i) +
             "\":" + std::to_string(first + i);
    }
    return out + "}";
  };
  const Comparison apart = compare_under({}, wide('a', 0), wide('b', 100'000));
  ASSERT_EQ(apart.differences.size(), 1001U);
  EXPECT_EQ(apart.differences.back().legacy, "99000 more differences");
  const Comparison renamed = compare_under({}, wide('a', 0), wide('b', 0));
  EXPECT_EQ(renamed.differences.back().legacy, "49000 more differences");
}

TEST(CompareBoundsTest, NeverCallsEqualWhatItCouldNotSearch) {
  ComparatorOptions options;
  options.body_bytes_max = 4;
  EXPECT_EQ(compare_under(options, "[1]", "[ 1]").verdict, Verdict::kEqual);
  const Comparison past = compare_under(options, "[10]", "[ 10]");
  ASSERT_EQ(past.differences.size(), 1U) << describe(past);
  EXPECT_EQ(past.differences[0].transition, "not localised");
  std::string deep(300, '[');
  deep += std::string(300, ']');
  const Comparison too_deep = compare_under({}, deep, " " + deep);
  ASSERT_EQ(too_deep.differences.size(), 1U);
  EXPECT_EQ(too_deep.differences[0].path, "body");
}

TEST(CompiledRulesTest, NamesTheOffendingPath) {
  for (const char* path : {"", "header:", "header:a b", "body:", "body:a", "body:$.", "body:$.a[3]",
                           "body:/a:b", "Status", "$.a", "bodyx", "body:**x"}) {
    const Status status = check_rule_path(path);
    ASSERT_FALSE(status.ok()) << path;
    EXPECT_NE(status.error().message.find(std::string("\"") + path + "\""), std::string::npos);
  }
  for (const char* path : {"status", "header:X-A", "header:*", "body", "body:**", "body:$",
                           "body:$..name", "body:$.a[].b", "body:$['odd name']"}) {
    EXPECT_TRUE(check_rule_path(path).ok()) << path;
  }
  ComparatorOptions options;
  options.rules.push_back({{}, {}, {{"header:X", ""}}, {}});
  EXPECT_FALSE(CompiledRules::compile(options).ok());
  options.rules[0] = {{}, {}, {{"body:$.a", "x..y"}}, {}};
  EXPECT_FALSE(CompiledRules::compile(options).ok());
  options.rules[0] = {{}, {}, {}, {{"body:$.a", -1, 0}}};
  EXPECT_FALSE(CompiledRules::compile(options).ok());
}

TEST(CompiledRulesTest, VersionFollowsTheMeaning) {
  ComparatorOptions options;
  const auto version = [&] { return (*CompiledRules::compile(options))->version(); };
  const auto bare = version();
  EXPECT_EQ(bare, version());
  options.rules.push_back({{"a*"}, {"body:$.x"}, {}, {}});
  const auto ignored = version();
  EXPECT_NE(bare, ignored);
  options.rules[0] = {{"a*", "body:$.x"}, {}, {}, {}};
  EXPECT_NE(version(), ignored);
}

}  // namespace
}  // namespace banyan::comparator
