// SPDX-License-Identifier: Apache-2.0
#include "comparator/noise_sides.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>

#include "tests/comparator/case_table.h"

namespace banyan::comparator {
namespace {

const double kLimit = std::log(1000);

TEST(ShapeTest, NamesWhatAValueLooksLike) {
  const std::pair<const char*, const char*> kCases[] = {
      {"\"3f2504e0-4f89-41d3-9a0c-0305e82c3301\"", "uuid 4"},
      {"\"3f2504e04f8941d39a0c0305e82c3301\"", "hex 32"},
      {"\"3f2504e04f8941d3\"", "hex 16"},
      {"\"3f25\"", "word of 4-7 (a0)"},
      {"17", "integer of 1-3 digits"},
      {"\"17\"", "integer of 1-3 digits"},
      {"0", "integer of 1-3 digits"},
      {"1700000000", "integer of 10-12 digits"},
      {"1700000000000", "integer of 13-15 digits"},
      {"-1700000000000000000000000", "negative integer of 19 digits and more"},
      {"0.5", "decimal of 1-3 digits, 1 places"},
      {"1234.50", "decimal of 4-6 digits, 2 places"},
      {"1.23456789", "decimal of 1-3 digits, 4 places and more"},
      {"1e9", "number with exponent of 10-12 digits"},
      {"\"2026-11-29T10:00:00Z\"", "time 0"},
      {"\"https://a.example/x\"", "url"},
      {"\"ada@example.com\"", "email"},
      {"\"\"", "empty"},
      {"\"node\"", "word of 4-7 (a)"},
      {"\"aGVsbG8gd29ybGQ=\"", "word of 16-31 (aA0.)"},
      {"\"Tom & Jerry\"", "text of 8-15"},
      {"\"long…", "long text (a)"},
      {"bare", "word of 4-7 (a)"},
      {"\"", "empty"},
      {"", "empty"},
      {"{\"a\":1}", "object"},
      {"[1]", "array"},
      {"[1,2,3]", "array, ascending"},
      {"[\"b\",\"a\"]", "array, descending"}};
  for (const auto& [shown, shape] : kCases) EXPECT_EQ(shape_of(shown), shape) << shown;
}

TEST(ShapeTest, TakesAnyBytes) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 2000; ++i) {
    std::string text(random() % 40, ' ');
    for (char& c : text) c = static_cast<char>(random());
    EXPECT_FALSE(shape_of(text).empty());
  }
}

TEST(MirrorTest, KnowsTheWordForTheWayBack) {
  for (const Value& given : read_cases("transitions.json")) {
    const std::string there(given.string_or("transition", ""));
    const std::string back(given.string_or("back", ""));
    EXPECT_EQ(mirrored_transition(there), there == back ? "" : back);
    EXPECT_EQ(mirrored_transition(back), there == back ? "" : there);
  }
  EXPECT_EQ(mirrored_transition("200→404"), "404→200");
  EXPECT_EQ(mirrored_transition("absent→null"), "null→absent");
}

TEST(SidesTest, WhatFallsOnTheCandidateAloneIsEvidenceOnceLegacyWasAskedAgain) {
  EXPECT_EQ(log_of_sides({50, 0, 0}, 100, 0), 0);
  EXPECT_GE(log_of_sides({12, 0, 0}, 100, 100), kLimit);
  EXPECT_LT(log_of_sides({11, 0, 0}, 100, 100), kLimit);
  EXPECT_LT(log_of_sides({50, 40, 0}, 100, 100), kLimit) << "legacy shows it as well";
  // Where legacy is asked rarely, more is wanted; half of what would have shown it is too few.
  EXPECT_LT(log_of_sides({20, 0, 0}, 100, 10), kLimit);
  EXPECT_GE(log_of_sides({100, 0, 0}, 100, 10), kLimit);
}

// What changes with time alone: the candidate is asked after legacy, and the witness after both.
TEST(SidesTest, WhatLegacyShowsWhenAskedLaterIsTime) {
  EXPECT_LT(log_of_sides({1000, 0, 10}, 1000, 10), 0);
  EXPECT_LT(log_of_sides({1000, 0, 1}, 10'000, 20), kLimit);
}

TEST(ShapeTallyTest, CountsWhatOneSideShowsAndTheOtherDoesNot) {
  ShapeTally tally;
  ShapeSides sides;
  sides.add("\"3f2504e04f8941d3\"", "\"3f25\"");
  sides.add("\"a\"", "\"3f2504e04f8941d3\"");
  sides.drop_common();
  tally.add(sides);
  tally.add_again("hex 16");
  ASSERT_EQ(tally.shapes().size(), 3U);
  EXPECT_EQ(tally.shapes().at("word of 4-7 (a0)").candidate, 1U);
  EXPECT_EQ(tally.shapes().at("word of 1-3 (a)").legacy, 1U);
  EXPECT_EQ(tally.shapes().at("hex 16").again, 1U);
  EXPECT_EQ(tally.shapes().at("hex 16").candidate, 0U);
}

TEST(ShapeTallyTest, HoldsABoundedNumberOfShapes) {
  ShapeTally tally;
  for (std::size_t i = 0; i < ShapeTally::kShapesMax + 5; ++i) {
    tally.add("shape " + std::to_string(i), {1, 0, 0});
  }
  EXPECT_EQ(tally.shapes().size(), ShapeTally::kShapesMax + 1);
  EXPECT_EQ(tally.shapes().at(std::string(ShapeTally::kOthers)).candidate, 5U);
  // They say nothing together.
  EXPECT_EQ(judge_shapes({{std::string(ShapeTally::kOthers), {500, 0, 0}}}, 500, 500).shape, "");
}

TEST(ShapeEvidenceTest, ATokenThatBecameShorterIsSeenAndRandomShapesAreNot) {
  std::mt19937_64 random(5);
  const auto word = [&](std::size_t size) {
    std::string out = "\"z";
    while (out.size() <= size) out.push_back("abcdef0123456789XYZ"[random() % 19]);
    return out + "\"";
  };
  ShapeTally shorter;
  int false_alarms = 0;
  for (int run = 0; run < 50; ++run) {
    ShapeTally same;
    for (int i = 0; i < 500; ++i) {
      ShapeSides sides;
      sides.add(word(1 + random() % 40), word(1 + random() % 40));
      sides.drop_common();
      same.add(sides);
      if (run > 0 || i >= 20) continue;
      ShapeSides cut;
      cut.add(word(32), word(12));
      cut.drop_common();
      shorter.add(cut);
    }
    false_alarms += judge_shapes(same.shapes(), 500, 500).log_evidence >= kLimit ? 1 : 0;
  }
  EXPECT_EQ(false_alarms, 0);
  const ShapeEvidence found = judge_shapes(shorter.shapes(), 20, 40);
  EXPECT_GE(found.log_evidence, kLimit);
  EXPECT_EQ(found.shape, "word of 8-15 (aA0)");
}

}  // namespace
}  // namespace banyan::comparator
