// SPDX-License-Identifier: Apache-2.0
//
// The table tests/cases/compare_html.json, and the bounds of HTML.
#include <gtest/gtest.h>

#include <string>

#include "comparator/compare.h"
#include "comparator/html_document.h"
#include "comparator/html_tree.h"
#include "tests/comparator/case_table.h"

namespace banyan::comparator {
namespace {

const BodyCases kHtml("text/html; charset=utf-8");

TEST(CompareHtmlTest, JudgesEveryCaseOfTheTable) { kHtml.check("compare_html.json", 80); }

TEST(CompareHtmlTest, IsToldByBothTypesOrByHowBothOpen) {
  const std::string a = "<!doctype html><p id=a title=b>x";
  const std::string b = "<!doctype html><p title=b id=a>x</p>";
  EXPECT_EQ(BodyCases::compare_as("text/html", a, b).verdict, Verdict::kEqual);
  EXPECT_EQ(BodyCases::compare_as("", a, b).verdict, Verdict::kEqual);
  EXPECT_EQ(BodyCases::compare_as("text/plain", a, b).verdict, Verdict::kDifferent);
  const auto rules = CompiledRules::compile({});
  const auto mixed = compare_answers(**rules, "shop", "GET", answer_of("text/html", a),
                                     answer_of("text/plain", b));
  EXPECT_EQ(mixed.differences.back().path, "body");
}

TEST(CompareHtmlTest, DepthHasABound) {
  // Beside html and body.
  const std::string at = repeated(kMarkupDepthMax - 2, "<div>");
  const Comparison found = kHtml.compare(at + "1", at + "2");
  ASSERT_EQ(found.differences.size(), 1U);
  EXPECT_EQ(found.differences[0].transition, "off by one");
  expect_not_localised(kHtml.compare(at + "<div>1", at + "<div>2"));
  const std::string far = repeated(200'000, "<div>");
  expect_not_localised(kHtml.compare(far + "1", far + "2"));
}

TEST(CompareHtmlTest, OpenFormattingHasABound) {
  const auto open = [](std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += "<b id=" + std::to_string(i) + ">";
    return out;
  };
  EXPECT_TRUE(read_html(open(kHtmlFormattingMax)).ok());
  EXPECT_EQ(read_html(open(kHtmlFormattingMax + 1)).error().code, ErrorCode::kExhausted);
  // It goes on in every paragraph, and each time counts.
  expect_not_localised(
      kHtml.compare("<p>" + open(kHtmlFormattingMax) + repeated(10'000, "<p>x"), "<p>x</p>"));
}

TEST(CompareHtmlTest, PartsHaveABound) {
  // html, head and body are three; a tag has 99 attributes.
  std::string tag = "<br";
  for (int i = 100; i < 199; ++i) tag += " a" + std::to_string(i);
  const std::string at = repeated(kMarkupNodesMax / 100 - 1, tag + ">") + repeated(97, "<br>");
  EXPECT_TRUE(read_html(at).ok());
  EXPECT_EQ(read_html(at + "x").error().code, ErrorCode::kExhausted);
}

TEST(CompareHtmlTest, AttributesOfOneNameAreOne) {
  const auto document = read_html("<p" + repeated(10'000, " a=1 b c=2") + ">");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ((*document)[3].attributes.size(), 3U);
}

TEST(CompareHtmlTest, WhatIsNotUtf8IsComparedAsBytes) {
  const Comparison both = kHtml.compare("<p>\xE9</p>", "<p>\xE8</p>");
  ASSERT_EQ(both.differences.size(), 1U);
  EXPECT_EQ(both.differences[0].path, "body");
  const Comparison one = kHtml.compare("<p>\xE9</p>", "<p>x</p>");
  ASSERT_EQ(one.differences.size(), 1U);
  EXPECT_EQ(one.differences[0].kind, DifferenceKind::kUnparseable);
}

// Each of them makes a reader that looks back again and again slow.
TEST(CompareHtmlTest, HostileTextsCostWhatTheyAreLong) {
  constexpr std::size_t kTimes = 10'000;
  for (const std::string_view part :
       {"<!--", "<!-- -- -", "</", "<a", "&", "&#x", "&CounterClockwiseContourIntegra", "<table>",
        "<p></div>", "<script>", "<svg><![CDATA[", "<a href=x>", "</p>", "<li>", "<td>",
        "<x a='"}) {
    SCOPED_TRACE(part);
    const std::string body = repeated(kTimes, part);
    EXPECT_EQ(kHtml.compare(body + "1", body + "2").verdict == Verdict::kIncomparable, false);
  }
}

}  // namespace
}  // namespace banyan::comparator
