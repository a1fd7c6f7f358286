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

const BodyCases kXml("application/soap+xml; charset=utf-8");

TEST(CompareXmlTest, JudgesEveryCaseOfTheTable) { kXml.check("compare_xml.json", 80); }

TEST(CompareXmlTest, IsToldByItsTypeOrItsDeclaration) {
  const std::string a = "<a x='1' y='2'/>";
  const std::string b = "<a y='2' x='1'/>";
  EXPECT_EQ(BodyCases::compare_as("text/xml", a, b).verdict, Verdict::kEqual);
  EXPECT_EQ(BodyCases::compare_as("image/svg+xml", a, b).verdict, Verdict::kEqual);
  EXPECT_EQ(BodyCases::compare_as("text/plain", a, b).verdict, Verdict::kDifferent);
  const std::string declaration = "<?xml version='1.0'?>";
  EXPECT_EQ(BodyCases::compare_as("", declaration + a, declaration + b).verdict, Verdict::kEqual);
}

std::string nested(std::size_t depth, std::string_view leaf) {
  return repeated(depth - 1, "<a>").append(leaf) + repeated(depth - 1, "</a>");
}

TEST(CompareXmlTest, DepthHasABound) {
  const Comparison at =
      kXml.compare(nested(kMarkupDepthMax, "<b>1</b>"), nested(kMarkupDepthMax, "<b>2</b>"));
  ASSERT_EQ(at.differences.size(), 1U);
  EXPECT_EQ(at.differences[0].transition, "off by one");
  expect_not_localised(kXml.compare(nested(kMarkupDepthMax + 1, "<b>1</b>"),
                                    nested(kMarkupDepthMax + 1, "<b>2</b>")));
  // Far past it: nothing recurses as deep as a body nests.
  const Comparison far = kXml.compare(nested(400'000, "<b>1</b>"), nested(400'000, "<b>2</b>"));
  EXPECT_EQ(far.verdict, Verdict::kDifferent);
}

std::string many(std::size_t count, std::string_view element) {
  return "<a>" + repeated(count, element) + "</a>";
}

TEST(CompareXmlTest, PartsHaveABound) {
  const auto compiled = CompiledRules::compile({});
  ASSERT_TRUE(compiled.ok());
  const RuleSet rules(**compiled, "orders");
  // The root counts as well.
  EXPECT_TRUE(XmlTree::parse(many(kMarkupNodesMax - 1, "<b/>"), rules).ok());
  const std::string past = many(kMarkupNodesMax, "<b/>");
  EXPECT_EQ(XmlTree::parse(past, rules).error().code, ErrorCode::kExhausted);
  expect_not_localised(kXml.compare(past, "<a/>"));
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
      kXml.compare(numbered(kMarkupChildrenMax, "x"), numbered(kMarkupChildrenMax, "y"));
  EXPECT_EQ(at.differences.size(), options.differences_max + 1);
  expect_not_localised(
      kXml.compare(numbered(kMarkupChildrenMax + 1, "x"), numbered(kMarkupChildrenMax + 1, "y")));
}

TEST(CompareXmlTest, WhatIsShownIsBounded) {
  ComparatorOptions options;
  options.shown_bytes_max = 40;
  const std::string large =
      "<b x='" + std::string(1000, 'v') + "'>" + std::string(1000, 't') + "</b>";
  const Comparison got = kXml.compare("<a>" + large + "</a>", "<a/>", options);
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
