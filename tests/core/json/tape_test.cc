// SPDX-License-Identifier: Apache-2.0
#include "core/json/tape.h"

#include <gtest/gtest.h>

#include <string>

namespace banyan::json {
namespace {

using Type = Value::Type;

std::string written(const Value& value) {
  std::string out;
  write(value, out);
  return out;
}

TEST(TapeTest, ValuesStandInARow) {
  Tape tape;
  ASSERT_TRUE(tape.parse(R"({"a": [1, 2.50], "b": "x"})").ok());
  ASSERT_EQ(tape.nodes().size(), 5U);
  EXPECT_EQ(tape[0].type, Type::kObject);
  EXPECT_EQ(tape[0].end, 5U);
  EXPECT_EQ(tape[0].children, 2U);
  EXPECT_EQ(tape[1].name, "a");
  EXPECT_EQ(tape[1].end, 4U);
  EXPECT_EQ(tape[1].children, 2U);
  EXPECT_EQ(tape[1].text, "[1, 2.50]") << "as it is spelled";
  EXPECT_EQ(tape[3].text, "2.50");
  EXPECT_EQ(tape[3].end, 4U);
  EXPECT_EQ(tape[4].text, "x");
  EXPECT_TRUE(tape.is_ascii());
}

TEST(TapeTest, StringsWithEscapesAreDecodedAndStay) {
  std::string text = "[";
  for (int i = 0; i < 1000; ++i) text += R"("\u00e9\n\\",)";
  text += R"("plain"])";
  Tape tape;
  ASSERT_TRUE(tape.parse(text).ok());
  for (std::uint32_t i = 1; i <= 1000; ++i) ASSERT_EQ(tape[i].text, "\u00e9\n\\") << i;
  EXPECT_EQ(tape[1001].text, "plain");
  EXPECT_FALSE(tape.is_ascii()) << "by what the escapes say";
}

TEST(TapeTest, IsTheTreeInARow) {
  const std::string text = R"({"a":[1,{"b":null,"b":true},"x"],"":{},"c":[]})";
  Tape tape;
  ASSERT_TRUE(tape.parse(text).ok());
  const Value tree = tape.value();
  EXPECT_EQ(written(tree), text);
  EXPECT_EQ(written(tape.value(1)), R"([1,{"b":null,"b":true},"x"])");
  Tape again;
  again.assign(tree);
  ASSERT_EQ(again.nodes().size(), tape.nodes().size());
  for (std::uint32_t i = 0; i < tape.nodes().size(); ++i) {
    EXPECT_EQ(again[i].type, tape[i].type);
    EXPECT_EQ(again[i].end, tape[i].end);
    EXPECT_EQ(again[i].children, tape[i].children);
    EXPECT_EQ(again[i].name, tape[i].name);
    const bool is_container = tape[i].children > 0 || tape[i].text == "{}" || tape[i].text == "[]";
    if (!is_container) {
      EXPECT_EQ(again[i].text, tape[i].text);
    }
  }
}

TEST(TapeTest, AnErrorLeavesNothing) {
  Tape tape;
  ASSERT_TRUE(tape.parse("[1,2]").ok());
  EXPECT_FALSE(tape.parse("[1,2").ok());
  EXPECT_TRUE(tape.nodes().empty());
  ParseLimits limits;
  limits.nodes_max = 3;
  EXPECT_TRUE(tape.parse("[1,2]", limits).ok());
  EXPECT_EQ(tape.parse("[1,2,3]", limits).error().code, ErrorCode::kExhausted);
}

TEST(TapeTest, NamesOfOneMeaningBecomeOne) {
  Tape tape;
  ASSERT_TRUE(tape.parse("{\"caf\u00e9\":1,\"cafe\u0301\":2,\"x\":3}").ok());
  tape.normalize_names();
  EXPECT_EQ(tape[1].name, "caf\u00e9");
  EXPECT_EQ(tape[2].name, "caf\u00e9");
  EXPECT_EQ(tape[3].name, "x");
}

}  // namespace
}  // namespace banyan::json
