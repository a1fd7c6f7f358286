// SPDX-License-Identifier: Apache-2.0
#include "core/json/value.h"

#include <gtest/gtest.h>

#include <string>

namespace banyan::json {
namespace {

std::string round_trip(std::string_view text) {
  auto value = parse(text);
  if (!value) return "error: " + value.error().message;
  std::string out;
  write(*value, out);
  return out;
}

TEST(JsonParseTest, KeepsNumberSpellingOrderAndDuplicates) {
  EXPECT_EQ(round_trip(" [ 1, 1.0 , 1e0,-0, 12345678901234567890123, 1E+400, 0.10 ] "),
            "[1,1.0,1e0,-0,12345678901234567890123,1E+400,0.10]");
  EXPECT_EQ(round_trip(R"({"b":1,"a":{"x":[]},"b":2})"), R"({"b":1,"a":{"x":[]},"b":2})");
}

TEST(JsonParseTest, DecodesEscapes) {
  auto value = parse(R"("\"\\\/\b\f\n\r\t\u00e9\u20AC\ud83d\ude00\u0000")");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->text, std::string("\"\\/\b\f\n\r\té€😀") + '\0');
}

TEST(JsonParseTest, TakesScalarsAtTheTop) {
  for (const char* text : {"1", "\"\"", "true", "false", "null", "-0.5e-7", "{}", "[]", "[[]]"}) {
    EXPECT_EQ(round_trip(text), text);
  }
}

TEST(JsonParseTest, RefusesWhatRfc8259DoesNotAllow) {
  const std::string_view bad[] = {
      "",
      " ",
      "{",
      "}",
      "[",
      "]",
      "[1",
      "[1,",
      "[1,]",
      "[,1]",
      "[1 2]",
      "{\"a\"}",
      "{\"a\":}",
      "{\"a\":1,}",
      "{a:1}",
      "{'a':1}",
      "{\"a\" 1}",
      "{1:2}",
      "01",
      "-",
      "-a",
      "+1",
      "1.",
      ".5",
      "1e",
      "1e+",
      "0x1",
      "1_0",
      "NaN",
      "Infinity",
      "-Infinity",
      "tru",
      "truex",
      "nul",
      "falsey",
      "True",
      "\"",
      "\"abc",
      "\"\\\"",
      "\"\\x\"",
      "\"\\u12\"",
      "\"\\u12g4\"",
      "\"\\ud800\"",
      "\"\\udc00\"",
      "\"\\ud800\\u0041\"",
      "\"a\nb\"",
      "\"a\tb\"",
      "\"\x80\"",
      "\"\xED\xA0\x80\"",
      "\"\xC0\xAF\"",
      "\"\xF5\x80\x80\x80\"",
      "1 1",
      "{} {}",
      "[] x",
      "\"a\"b",
      "1\"a\"",
      "[1\"a\"]",
      "[\"a\"1]",
      "[true false]",
      "[1]]",
      "{\"a\":1}}",
      "\xEF\xBB\xBF{}",
      "// c\n1",
      "/**/1",
      "[1}",
      "{\"a\":1]",
      "{,}",
      ":",
      ",",
      "{\"a\"::1}",
      "{\"a\":1:2}",
      "[1:2]",
      "1,",
      "\\u0031",
      "\x01",
  };
  for (const auto text : bad) {
    auto value = parse(text);
    EXPECT_FALSE(value.ok()) << text;
    if (!value) {
      EXPECT_NE(value.error().message.find("byte"), std::string::npos) << text;
    }
  }
  EXPECT_FALSE(parse(std::string_view("1\0", 2)).ok());
  EXPECT_FALSE(parse(std::string_view("[\0]", 3)).ok());
}

TEST(JsonParseTest, TellsWhereItStopped) {
  EXPECT_EQ(parse("{\"a\": 1, \"b\" 2}").error().message, "invalid JSON at byte 13: expected ':'");
  EXPECT_EQ(parse("[1] 2").error().message, "invalid JSON at byte 4: something follows the value");
  EXPECT_EQ(parse("[\"ab\x80\"]").error().message, "invalid JSON at byte 4: not UTF-8");
  EXPECT_EQ(parse("[\"a\nb\"]").error().message,
            "invalid JSON at byte 3: control character in a string");
  EXPECT_EQ(parse("[\"abc").error().message, "invalid JSON at byte 1: the string does not end");
}

// Every text that is cut somewhere is refused, at every byte.
TEST(JsonParseTest, RefusesEveryPrefix) {
  const std::string text = R"({"a":[1,-2.5e3,{"b":"x\u00e9\\"}],"c":null,"d":true,"e":"é"})";
  ASSERT_TRUE(parse(text).ok());
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(parse(std::string_view(text).substr(0, size)).ok()) << size;
  }
}

TEST(JsonParseTest, HoldsItsLimits) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(parse(nested(256)).ok());
  EXPECT_EQ(parse(nested(257)).error().code, ErrorCode::kExhausted);
  EXPECT_EQ(parse(std::string(100'000, '[')).error().code, ErrorCode::kExhausted);
  ParseLimits limits;
  limits.nodes_max = 3;
  EXPECT_TRUE(parse("[1,2]", limits).ok());
  EXPECT_EQ(parse("[1,2,3]", limits).error().code, ErrorCode::kExhausted);
}

TEST(JsonParseTest, ReadsLargeTextsAfterSmallOnes) {
  ASSERT_TRUE(parse("[]").ok());
  std::string text = "[0";
  for (int i = 1; i < 400'000; ++i) text += "," + std::to_string(i);
  text += "]";
  auto value = parse(text);
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->items.size(), 400'000U);
  EXPECT_EQ(value->items.back().text, "399999");
}

TEST(JsonValueTest, FindsTheLastMemberOfAName) {
  auto value = parse(R"({"s":"x","n":2.5,"b":true,"n":3})");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->find("n")->text, "3");
  EXPECT_EQ(value->find("z"), nullptr);
  EXPECT_EQ(value->string_or("s", "d"), "x");
  EXPECT_EQ(value->string_or("n", "d"), "d");
  EXPECT_DOUBLE_EQ(value->number_or("n", 0), 3);
  EXPECT_DOUBLE_EQ(value->number_or("s", 7), 7);
  EXPECT_TRUE(value->bool_or("b", false));
  EXPECT_TRUE(value->bool_or("s", true));
}

}  // namespace
}  // namespace banyan::json
