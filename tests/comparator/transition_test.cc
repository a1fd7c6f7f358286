// SPDX-License-Identifier: Apache-2.0
//
// The table tests/cases/transitions.json, both ways round; what generated values have in common;
// and where the engine knows the word itself.
#include "comparator/transition.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/comparator/case_table.h"

namespace banyan::comparator {
namespace {

Leaf leaf_of(const Value& value) {
  switch (value.type) {
    case Value::Type::kBool: return {LeafType::kBoolean, value.boolean ? "true" : "false"};
    case Value::Type::kString: return {LeafType::kString, value.text};
    case Value::Type::kObject: return {LeafType::kNumber, value.find("number")->text};
    default: return {};
  }
}

TEST(TransitionTest, NamesEveryCaseOfTheTableBothWays) {
  const auto cases = read_cases("transitions.json");
  ASSERT_GT(cases.size(), 80U);
  for (const Value& given : cases) {
    SCOPED_TRACE(given.string_or("name", ""));
    const Leaf legacy = leaf_of(*given.find("legacy"));
    const Leaf candidate = leaf_of(*given.find("candidate"));
    EXPECT_EQ(transition_of(legacy, candidate), given.string_or("transition", "?"));
    EXPECT_EQ(transition_of(candidate, legacy), given.string_or("back", "?"));
    EXPECT_EQ(transition_of(legacy, legacy), "");
  }
}

// Values that are near to each other in every way the words know.
std::string edited(std::mt19937& random) {
  static const std::vector<std::string> kSeeds = {"10.10",
                                                  "1700000000",
                                                  "2026-11-29T10:00:00Z",
                                                  "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
                                                  "a & b",
                                                  "caf\xC3\xA9",
                                                  "https://a.example/x",
                                                  "Sun, 06 Nov 1994 08:49:37 GMT",
                                                  "active",
                                                  "",
                                                  "-0.5",
                                                  "aGVsbG8gd29ybGQ="};
  std::string out = kSeeds[random() % kSeeds.size()];
  for (std::size_t i = random() % 3; i > 0; --i) {
    const std::size_t at = out.empty() ? 0 : random() % out.size();
    switch (random() % 5) {
      case 0: out.insert(at, 1, "0123456789.eE+- %&;=\xC3Z"[random() % 21]); break;
      case 1: out = out.substr(0, at); break;
      case 2: out += "00"; break;
      case 3: out = " " + out; break;
      default:
        if (!out.empty()) out[at] = static_cast<char>(out[at] ^ 0x20);
    }
  }
  return out;
}

TEST(TransitionTest, WordsAreFewHoldNoValueAndComeBothWaysOrNeither) {
  const char* given = std::getenv("BANYAN_TEST_SEED");
  const unsigned seed =
      given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : 20261129;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::set<std::string> words;
  for (int i = 0; i < 100'000; ++i) {
    const std::string a = edited(random);
    const std::string b = edited(random);
    const std::string there = transition_of_text(a, b);
    ASSERT_EQ(there.empty(), transition_of_text(b, a).empty()) << a << "\n" << b << "\n" << there;
    ASSERT_EQ(transition_of_text(a, a), "");
    words.insert(there);
  }
  // A place behind the point more is a word more, up to nine on each side.
  EXPECT_LT(words.size(), 50U + 100U);
  for (const std::string& word : words) EXPECT_LE(word.size(), 40U) << word;
}

TEST(TransitionTest, LongTextsAreLookedAtInOnePass) {
  const std::string text(kTransitionBytesMax, 'x');
  EXPECT_EQ(transition_of_text("&" + text, "&amp;" + text), "");
  EXPECT_EQ(transition_of_text("&" + text.substr(5), "&amp;" + text.substr(5)), "html-escaped");
  EXPECT_EQ(transition_of_text(text + "yy", text), "truncated");
  EXPECT_EQ(transition_of_text(text + "y", text + "Y"), "case");
}

std::vector<std::string> words_of(std::string_view type, std::string_view legacy,
                                  std::string_view candidate) {
  const auto rules = CompiledRules::compile(ComparatorOptions{});
  std::vector<std::string> out;
  for (const auto& found :
       compare_answers(**rules, "r", "GET", answer_of(type, legacy), answer_of(type, candidate))
           .differences) {
    out.push_back(std::string(to_string(found.kind)) + " " + found.path + " " + found.transition);
  }
  return out;
}

using Words = std::vector<std::string>;

TEST(TransitionTest, RowsAreToldAsRows) {
  const std::string_view json = "application/json";
  EXPECT_EQ(words_of(json, "[1,2,3,4,5]", "[1,3,5]"),
            (Words{"missing body:$[] rows missing", "missing body:$[] rows missing"}));
  EXPECT_EQ(words_of(json, "[1,3]", "[0,1,2,3]"),
            (Words{"extra body:$[] rows extra", "extra body:$[] rows extra"}));
  EXPECT_EQ(words_of(json, "[1,2,3]", "[2,3,4]"),
            (Words{"missing body:$[] paging boundary", "extra body:$[] paging boundary"}));
  EXPECT_EQ(words_of(json, "[2,3,4]", "[1,2,3]"),
            (Words{"missing body:$[] paging boundary", "extra body:$[] paging boundary"}));
  EXPECT_EQ(words_of(json, R"([{"id":1,"v":1},{"id":2},{"id":3}])",
                     R"([{"id":1,"v":2},{"id":9},{"id":3,"w":1}])")
                .at(2),
            "missing body:$[] rows replaced");
  EXPECT_EQ(words_of(json, "[1,2]", "[2,1]"), (Words{"order body:$ reordered"}));
  EXPECT_EQ(words_of("application/xml", "<r><a>1</a><a>2</a></r>", "<r><a>1</a></r>"),
            (Words{"missing body:/r/a rows missing"}));
  EXPECT_EQ(words_of("application/xml", "<r><b/></r>", "<r/>"),
            (Words{"missing body:/r/b empty→absent"}));
}

TEST(TransitionTest, WhatIsGoneAndSaidNothingIsToldSo) {
  const std::string_view json = "application/json";
  EXPECT_EQ(words_of(json, R"({"a":null,"b":"","c":[],"d":1})", "{}"),
            (Words{"missing body:$.a null→absent", "missing body:$.b empty→absent",
                   "missing body:$.c empty→absent", "missing body:$.d "}));
  EXPECT_EQ(words_of(json, "{}", R"({"a":null,"c":{}})"),
            (Words{"extra body:$.a absent→null", "extra body:$.c absent→empty"}));
  EXPECT_EQ(words_of(json, R"({"a":null,"b":null})", R"({"a":[],"b":[1]})"),
            (Words{"type body:$.a null→[]", "type body:$.b null→array"}));
}

TEST(TransitionTest, HeadersTextAndXmlHaveWordsToo) {
  EXPECT_EQ(words_of("text/plain", "a\r\nb", "a\nb"), (Words{"value body line endings"}));
  EXPECT_EQ(words_of("application/xml", "<r a='1.50'>x</r>", "<r a='1.5'> x</r>"),
            (Words{"value body:/r/@a scale 2→1", "value body:/r padded"}));
  const auto rules = CompiledRules::compile(ComparatorOptions{});
  LiftedAnswer a = answer_of("", "x");
  LiftedAnswer b = answer_of("", "x");
  a.fields = {{"Location", "http://old.example/1"}, {"Set-Cookie", "s=1; Path=/"}};
  b.fields = {{"Location", "http://new.example/1"}, {"Set-Cookie", "s=1; Path=/A"}};
  const Comparison got = compare_answers(**rules, "r", "GET", a, b);
  ASSERT_EQ(got.differences.size(), 2U) << describe(got);
  EXPECT_EQ(got.differences[0].transition, "url host");
  EXPECT_EQ(got.differences[1].transition, "");
}

}  // namespace
}  // namespace banyan::comparator
