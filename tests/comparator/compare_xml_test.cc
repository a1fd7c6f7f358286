// SPDX-License-Identifier: Apache-2.0
//
// The table tests/cases/compare_xml.json, and the bounds of XML.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "comparator/compare.h"
#include "comparator/markup_diff.h"
#include "comparator/xml_tree.h"
#include "tests/comparator/case_table.h"

namespace banyan::comparator {
namespace {

Comparison compare_xml(std::string_view a, std::string_view b,
                       const ComparatorOptions& options = {},
                       std::string_view type = "application/soap+xml; charset=utf-8") {
  const auto rules = CompiledRules::compile(options);
  EXPECT_TRUE(rules.ok()) << rules.error().message;
  return compare_answers(**rules, "orders", "POST", answer_of(type, a), answer_of(type, b));
}

TEST(CompareXmlTest, JudgesEveryCaseOfTheTable) {
  const auto cases = read_cases("compare_xml.json");
  ASSERT_GT(cases.size(), 80U);
  for (const Value& given : cases) {
    SCOPED_TRACE(given.string_or("name", ""));
    const std::string a(given.string_or("a", ""));
    const std::string b(given.string_or("b", ""));
    const ComparatorOptions options = read_options(given.find("rules"));
    expect_differences(given, compare_xml(a, b, options));
    EXPECT_EQ(compare_xml(a, a, options).verdict, Verdict::kEqual);
    EXPECT_EQ(compare_xml(b, b, options).verdict, Verdict::kEqual);
    const Comparison there = compare_xml(a, b, options);
    const Comparison back = compare_xml(b, a, options);
    EXPECT_EQ(there.verdict, back.verdict) << describe(back);
    EXPECT_EQ(there.differences.size(), back.differences.size()) << describe(back);
  }
}

TEST(CompareXmlTest, IsToldByItsTypeOrItsDeclaration) {
  const std::string a = "<a x='1' y='2'/>";
  const std::string b = "<a y='2' x='1'/>";
  EXPECT_EQ(compare_xml(a, b, {}, "text/xml").verdict, Verdict::kEqual);
  EXPECT_EQ(compare_xml(a, b, {}, "image/svg+xml").verdict, Verdict::kEqual);
  EXPECT_EQ(compare_xml(a, b, {}, "text/plain").verdict, Verdict::kDifferent);
  const std::string declaration = "<?xml version='1.0'?>";
  EXPECT_EQ(compare_xml(declaration + a, declaration + b, {}, "").verdict, Verdict::kEqual);
}

std::string nested(std::size_t depth, std::string_view leaf) {
  std::string out;
  for (std::size_t i = 1; i < depth; ++i) out += "<a>";
  out += leaf;
  for (std::size_t i = 1; i < depth; ++i) out += "</a>";
  return out;
}

TEST(CompareXmlTest, DepthHasABound) {
  const Comparison at =
      compare_xml(nested(kMarkupDepthMax, "<b>1</b>"), nested(kMarkupDepthMax, "<b>2</b>"));
  ASSERT_EQ(at.differences.size(), 1U);
  EXPECT_EQ(at.differences[0].transition, "off by one");
  const Comparison past =
      compare_xml(nested(kMarkupDepthMax + 1, "<b>1</b>"), nested(kMarkupDepthMax + 1, "<b>2</b>"));
  ASSERT_EQ(past.differences.size(), 1U);
  EXPECT_EQ(past.differences[0].transition, "not localised");
  EXPECT_EQ(past.verdict, Verdict::kDifferent);
  // Far past it: nothing recurses as deep as a body nests.
  const Comparison far = compare_xml(nested(400'000, "<b>1</b>"), nested(400'000, "<b>2</b>"));
  EXPECT_EQ(far.verdict, Verdict::kDifferent);
}

std::string many(std::size_t count, std::string_view element) {
  std::string out = "<a>";
  for (std::size_t i = 0; i < count; ++i) out += element;
  return out + "</a>";
}

TEST(CompareXmlTest, PartsHaveABound) {
  const auto compiled = CompiledRules::compile({});
  ASSERT_TRUE(compiled.ok());
  const RuleSet rules(**compiled, "orders");
  // The root counts as well.
  EXPECT_TRUE(XmlTree::parse(many(kMarkupNodesMax - 1, "<b/>"), rules).ok());
  const std::string past = many(kMarkupNodesMax, "<b/>");
  EXPECT_EQ(XmlTree::parse(past, rules).error().code, ErrorCode::kExhausted);
  const Comparison got = compare_xml(past, "<a/>");
  ASSERT_EQ(got.differences.size(), 1U);
  EXPECT_EQ(got.differences[0].transition, "not localised");
}

TEST(CompareXmlTest, ChildrenThatDifferHaveABound) {
  const auto numbered = [](std::size_t count, std::string_view sign) {
    std::string out = "<a>";
    for (std::size_t i = 0; i < count; ++i) {
      out.append("<i>").append(sign).append(std::to_string(i)).append("</i>");
    }
    return out + "</a>";
  };
  ComparatorOptions options;
  const Comparison at =
      compare_xml(numbered(kMarkupChildrenMax, "x"), numbered(kMarkupChildrenMax, "y"));
  EXPECT_EQ(at.differences.size(), options.differences_max + 1);
  const Comparison past =
      compare_xml(numbered(kMarkupChildrenMax + 1, "x"), numbered(kMarkupChildrenMax + 1, "y"));
  ASSERT_EQ(past.differences.size(), 1U);
  EXPECT_EQ(past.differences[0].transition, "not localised");
}

TEST(CompareXmlTest, WhatIsShownIsBounded) {
  ComparatorOptions options;
  options.shown_bytes_max = 40;
  const std::string large =
      "<b x='" + std::string(1000, 'v') + "'>" + std::string(1000, 't') + "</b>";
  const Comparison got = compare_xml("<a>" + large + "</a>", "<a/>", options);
  ASSERT_EQ(got.differences.size(), 1U);
  EXPECT_LE(got.differences[0].legacy.size(), 40U);
}

TEST(CompareXmlTest, RulePathsSayWhatIsWrongWithThem) {
  for (const char* path : {"body:/a/b/@c", "body://b", "body:/a/**", "body:/*/b", "body://@t"}) {
    EXPECT_TRUE(check_rule_path(path).ok()) << path;
  }
  const auto message = [](const char* path) { return check_rule_path(path).error().message; };
  EXPECT_NE(message("body:/soap:Envelope").find("local"), std::string::npos);
  EXPECT_NE(message("body:/a[1]").find("names"), std::string::npos);
  EXPECT_NE(message("body:/a/").find("missing"), std::string::npos);
  EXPECT_NE(message("body:/a///b").find("missing"), std::string::npos);
  EXPECT_FALSE(check_rule_path("body:/").ok());
}

}  // namespace
}  // namespace banyan::comparator
