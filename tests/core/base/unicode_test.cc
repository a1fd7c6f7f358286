// SPDX-License-Identifier: Apache-2.0
#include "core/base/unicode.h"

#include <gtest/gtest.h>

#include <string>

namespace banyan {
namespace {

std::string nfc(std::string_view text) {
  std::string out;
  append_nfc(out, text);
  return out;
}

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST(UnicodeTest, AsciiIsToldAtEveryPlace) {
  for (std::size_t size = 0; size < 40; ++size) {
    std::string text(size, 'a');
    EXPECT_TRUE(is_ascii(text));
    for (std::size_t at = 0; at < size; ++at) {
      text[at] = '\x80';
      EXPECT_FALSE(is_ascii(text)) << size << " " << at;
      text[at] = '\x7F';
    }
  }
}

TEST(UnicodeTest, ComposesAndOrdersMarks) {
  EXPECT_EQ(nfc("cafe\u0301"), "caf\u00e9");
  EXPECT_EQ(nfc("caf\u00e9"), "caf\u00e9");
  EXPECT_EQ(nfc("a\u0302\u0323"), nfc("a\u0323\u0302"));
  EXPECT_EQ(nfc("\u1100\u1161\u11a8"), "\uac01");
  EXPECT_EQ(nfc("\ufb01"), "\ufb01");  // no compatibility forms
}

TEST(UnicodeTest, WhatIsSurelyInFormStaysAsItIs) {
  for (const std::string_view text :
       {"", "plain", "Stra\u00dfe", "\u041f\u0440\u0438\u0432\u0435\u0442", "\u4e2d\u6587",
        "\u3042\u30ac", "\uac01", "\U0001F600", "\u20ac 5", "\u201cx\u201d"}) {
    EXPECT_TRUE(is_surely_nfc(text)) << text;
    EXPECT_EQ(nfc(text), text);
  }
  for (const std::string_view text : {"e\u0301", "\u212b", "\u304b\u3099", "\xFF"}) {
    EXPECT_FALSE(is_surely_nfc(text)) << text;
  }
}

TEST(UnicodeTest, TellsWhetherTextsAreTheSame) {
  EXPECT_TRUE(is_same_text("cafe\u0301", "caf\u00e9"));
  EXPECT_TRUE(is_same_text("\xFF", "\xFF"));
  EXPECT_FALSE(is_same_text("cafe", "caf\u00e9"));
  EXPECT_FALSE(is_same_text("\xFF", "\xFE"));
}

TEST(UnicodeTest, BytesThatAreNotUtf8StayAsTheyAre) {
  for (const std::string_view text : {"\xFF", "e\xCC", "\xED\xA0\x80", "e\u0301\xC0"}) {
    EXPECT_EQ(nfc(text), text);
  }
}

// Ordering a run of n marks takes n * n steps.
TEST(UnicodeTest, LongRunsOfMarksAndLongTextsStayAsTheyAre) {
  const std::string most = "a" + repeated("\u0301\u0323", kCombiningMarksMax / 2);
  EXPECT_NE(nfc(most), most);
  EXPECT_EQ(nfc(most + "\u0323"), most + "\u0323");
  const std::string hostile = "a" + repeated("\u0301\u0323", 200'000);
  EXPECT_EQ(nfc(hostile), hostile);

  const std::string longest = repeated("e\u0301 ", kNormalizedBytesMax / 4);
  EXPECT_EQ(nfc(longest).size(), longest.size() / 4 * 3);
  EXPECT_EQ(nfc(longest + "x"), longest + "x");
}

}  // namespace
}  // namespace banyan
