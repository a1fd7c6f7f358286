// SPDX-License-Identifier: Apache-2.0
#include "core/json/json_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace banyan::json {
namespace {

TEST(JsonWriterTest, PutsCommasBetweenMembersAndItems) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("a", 1).key("b").begin_array().number(1).string("x").begin_object();
  json.end_object().begin_array().end_array().end_array().member("c", true).key("d").null();
  json.end_object();
  EXPECT_EQ(out, R"({"a":1,"b":[1,"x",{},[]],"c":true,"d":null})");
}

TEST(JsonWriterTest, EscapesWhatJsonForbids) {
  std::string out;
  JsonWriter(out).string(std::string("\"\\\b\f\n\r\t\x01\x1F/\x7F", 11) + std::string(1, '\0'));
  EXPECT_EQ(out, "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f/\x7F\\u0000\"");
}

TEST(JsonWriterTest, KeepsUtf8AndReplacesWhatIsNot) {
  std::string out;
  JsonWriter(out).string("é€😀");
  EXPECT_EQ(out, "\"é€😀\"");
  out.clear();
  // A lone continuation, a cut sequence, an encoded surrogate, an overlong form.
  JsonWriter(out).string(
      "a\x80"
      "b\xE2\x82"
      "c\xED\xA0\x80"
      "d\xC0\xAF");
  EXPECT_EQ(out, "\"a\uFFFDb\uFFFD\uFFFDc\uFFFD\uFFFD\uFFFDd\uFFFD\uFFFD\"");
}

TEST(JsonWriterTest, WritesNumbersInTheShortestFormThatReadsBack) {
  std::string out;
  JsonWriter json(out);
  json.begin_array().number(0.1).number(1e300).number(std::nan("")).number(INFINITY);
  json.number(std::numeric_limits<std::int64_t>::min());
  json.number(std::numeric_limits<std::uint64_t>::max()).raw("1.0").end_array();
  EXPECT_EQ(out, "[0.1,1e+300,null,null,-9223372036854775808,18446744073709551615,1.0]");
}

}  // namespace
}  // namespace banyan::json
