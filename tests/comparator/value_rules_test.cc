// SPDX-License-Identifier: Apache-2.0
//
// Which rule holds and what each operation covers: tests/cases/compare_rules.json, and the law that
// swapped sides mirror.
#include "comparator/value_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/comparator/case_table.h"

namespace banyan::comparator {
namespace {

void check_case(const Value& given, bool is_swapped) {
  SCOPED_TRACE(std::string(given.string_or("name", "")) + (is_swapped ? ", swapped" : ""));
  const auto rules = CompiledRules::compile(read_options(given.find("rules")));
  ASSERT_TRUE(rules.ok()) << rules.error().message;
  const std::string_view type = given.string_or("type", "application/json");
  const LiftedAnswer a = answer_of(type, given.string_or("a", ""));
  const LiftedAnswer b = answer_of(type, given.string_or("b", ""));
  if (!is_swapped) {
    const Comparison got = compare_answers(**rules, "r", "GET", a, b);
    if (given.find("differences") != nullptr || given.string_or("verdict", "") == "equal") {
      expect_differences(given, got);
    } else {
      EXPECT_EQ(to_string(got.verdict), given.string_or("verdict", "")) << describe(got);
    }
    return;
  }
  // What maps legacy's values to the candidate's covers nothing the other way round.
  const bool is_one_way = given.bool_or("one_way", false);
  const Comparison got = compare_answers(**rules, "r", "GET", b, a);
  if (is_one_way) return;
  EXPECT_EQ(to_string(got.verdict), given.string_or("verdict", "")) << describe(got);
  const Value* expected = given.find("differences");
  if (expected == nullptr) return;
  EXPECT_EQ(got.differences.size(), expected->items.size());
}

TEST(CompareRulesTest, JudgesEveryCaseOfTheTable) {
  const auto cases = read_cases("compare_rules.json");
  ASSERT_GT(cases.size(), 80U);
  for (const Value& given : cases) check_case(given, false);
}

TEST(CompareRulesTest, BadRenamesAndKeysSayWhatIsWrong) {
  const auto error_of = [](OperationOptions operation, UnorderedOptions unordered) {
    ComparatorOptions options;
    CompareRuleOptions& rule = options.rules.emplace_back();
    if (!operation.name.empty()) rule.operations.push_back(std::move(operation));
    if (!unordered.path.empty()) rule.unordered.push_back(std::move(unordered));
    const auto rules = CompiledRules::compile(options);
    return rules.ok() ? "" : rules.error().message;
  };
  const auto rename = [&](std::string path, std::vector<std::pair<std::string, std::string>> map) {
    return error_of({"rename", std::move(path), 0, 0, "", std::move(map)}, {});
  };
  EXPECT_EQ(rename("body:$", {{"a", "b"}}), "");
  EXPECT_THAT(rename("body:$", {}), testing::HasSubstr("needs pairs of names"));
  EXPECT_THAT(rename("body:$", {{"a", "a"}}), testing::HasSubstr("not the same"));
  EXPECT_THAT(rename("body:/a", {{"a", "b"}}), testing::HasSubstr("said of JSON"));
  EXPECT_THAT(rename("header:A", {{"a", "b"}}), testing::HasSubstr("said of JSON"));
  const auto by = [&](std::string key) { return error_of({}, {"body:$", std::move(key)}); };
  EXPECT_EQ(by("a,b,c,d,e,f,g,h"), "");
  EXPECT_THAT(by("a,b,c,d,e,f,g,h,i"), testing::HasSubstr("at most 8 members"));
  EXPECT_THAT(by("a,,b"), testing::HasSubstr("empty name"));
}

TEST(CompareRulesTest, SwappedSidesMirror) {
  for (const Value& given : read_cases("compare_rules.json")) check_case(given, true);
}

TEST(CompareRulesTest, WhatTheTableSaysSurvivesJson) {
  for (const Value& given : read_cases("compare_rules.json")) {
    const ComparatorOptions options = read_options(given.find("rules"));
    std::string text;
    json::JsonWriter json(text);
    json.begin_object();
    write_rule(json, options.rules[0]);
    json.end_object();
    const auto again = read_rule(*json::parse(text));
    ASSERT_TRUE(again.ok()) << text << "\n" << again.error().message;
    ComparatorOptions other;
    other.rules.push_back(*again);
    EXPECT_EQ((*CompiledRules::compile(options))->version(),
              (*CompiledRules::compile(other))->version())
        << text;
  }
}

TEST(CompareRulesTest, FieldsTakeTheSameOperations) {
  const auto verdict = [](std::string_view rules, std::string a, std::string b) {
    const auto read = read_rule(*json::parse(rules));
    EXPECT_TRUE(read.ok()) << rules;
    ComparatorOptions options;
    options.rules.push_back(*read);
    const auto compiled = CompiledRules::compile(options);
    EXPECT_TRUE(compiled.ok()) << compiled.error().message;
    LiftedAnswer legacy = answer_of("", "x");
    LiftedAnswer candidate = answer_of("", "x");
    if (!a.empty()) legacy.fields.push_back({"Location", a});
    if (!b.empty()) candidate.fields.push_back({"location", b});
    return compare_answers(**compiled, "r", "GET", legacy, candidate).verdict;
  };
  constexpr std::string_view kUrl = R"({"url":[{"path":"header:Location","hosts":{"old":"new"}}]})";
  EXPECT_EQ(verdict(kUrl, "http://old/a", "http://new/a"), Verdict::kTolerated);
  EXPECT_EQ(verdict(kUrl, "http://old/a", "http://new/b"), Verdict::kDifferent);
  EXPECT_EQ(verdict(kUrl, "http://old/a", ""), Verdict::kDifferent);
  constexpr std::string_view kPresence = R"({"presence":["header:Location"]})";
  EXPECT_EQ(verdict(kPresence, "a", "b"), Verdict::kTolerated);
  EXPECT_EQ(verdict(kPresence, "a", ""), Verdict::kDifferent);
  // Of a field `ignore` covers that it is there as well.
  EXPECT_EQ(verdict(R"({"ignore":["header:Location"]})", "a", ""), Verdict::kTolerated);
  // Where a rule names it, those for all say nothing.
  EXPECT_EQ(verdict(R"({"ignore":["header:*"],"shape":["header:Location"]})", "http://a/b", "b"),
            Verdict::kDifferent);
  EXPECT_EQ(verdict(R"({"ignore":["header:*"],"shape":["header:Other"]})", "http://a/b", "b"),
            Verdict::kTolerated);
}

TEST(CompareRulesTest, SaysWhatAnOperationLacks) {
  const auto error = [](std::string_view rules) {
    const auto read = read_rule(*json::parse(rules));
    if (!read.ok()) return read.error().message;
    ComparatorOptions options;
    options.rules.push_back(*read);
    const auto compiled = CompiledRules::compile(options);
    return compiled.ok() ? std::string() : compiled.error().message;
  };
  EXPECT_THAT(error(R"({"unit":[{"path":"body:$.a"}]})"), testing::HasSubstr("factor"));
  EXPECT_THAT(error(R"({"unit":[{"path":"body:$.a","factor":0}]})"), testing::HasSubstr("factor"));
  EXPECT_THAT(error(R"({"parse_as":[{"path":"body:$.a","as":"xml"}]})"),
              testing::HasSubstr("base64json"));
  EXPECT_THAT(error(R"({"parse_as":[{"path":"header:A","as":"json"}]})"),
              testing::HasSubstr("body:$"));
  EXPECT_THAT(error(R"({"url":[{"path":"body:$.a"}]})"), testing::HasSubstr("pairs"));
  EXPECT_THAT(error(R"({"time":[{"path":"body:$.a","skew":"soon"}]})"),
              testing::HasSubstr("duration"));
  EXPECT_THAT(error(R"({"time":[{"path":"body:$.a","skw":"1s"}]})"), testing::HasSubstr("skw"));
  EXPECT_THAT(error(R"({"shape":["status"]})"), testing::HasSubstr("status"));
  EXPECT_THAT(error(R"({"presence":["body"]})"), testing::HasSubstr("inside"));
  EXPECT_THAT(error(R"({"null_eq_absent":["body:/a/b"]})"), testing::HasSubstr("JSON"));
  EXPECT_THAT(error(R"({"ignore":["body:/a/{}"]})"), testing::HasSubstr("XML"));
}

TEST(RuleOptionsTest, OperationsAreReadAsTyped) {
  EXPECT_EQ(operation_of("shape", "body:$.a")->path, "body:$.a");
  EXPECT_EQ(operation_of("time", "body:$.a:skew=5s")->skew_ns, 5'000'000'000);
  EXPECT_EQ(operation_of("unit", "body:$.a:factor=0.01")->factor, 0.01);
  EXPECT_EQ(operation_of("parse_as", "body:$.a:as=json")->as, "json");
  const auto hosts = operation_of("url", "header:Location:old:80=new:81,b=c");
  ASSERT_TRUE(hosts.ok());
  EXPECT_EQ(hosts->path, "header:Location");
  EXPECT_EQ(hosts->map.front(), (std::pair<std::string, std::string>("old:80", "new:81")));
  EXPECT_EQ(hosts->map.back().second, "c");
  for (const char* bad : {"body:$.a", "body:$.a:skew=soon", "body:$.a:skw=1s", "skew=1s"}) {
    EXPECT_FALSE(operation_of("time", bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace banyan::comparator
