// SPDX-License-Identifier: Apache-2.0
#include "core/http/char_classes.h"

#include <gtest/gtest.h>

#include <string>

namespace banyan::http {
namespace {

// Around each way in which texts are looked at.
constexpr std::size_t kSizes[] = {1, 2, 3, 4, 7, 8, 15, 16, 17, 33};

// RFC 9110 section 5.5: HTAB, SP, VCHAR and obs-text.
bool may_stand_in_value(unsigned byte) { return byte == '\t' || (byte >= 0x20 && byte != 0x7f); }

// Texts are looked at sixteen bytes at a time, the last of them twice, so every place counts.
TEST(CharClasses, FieldValueSeesEveryByteAtEveryPlace) {
  for (const std::size_t size : kSizes) {
    for (std::size_t place = 0; place < size; ++place) {
      for (unsigned byte = 0; byte < 256; ++byte) {
        for (const char filler : {'v', '\t', '\xff'}) {
          std::string value(size, filler);
          value[place] = static_cast<char>(byte);
          ASSERT_EQ(is_field_value(value), may_stand_in_value(byte))
              << "byte " << byte << " at " << place << " of " << size;
        }
      }
    }
  }
  EXPECT_TRUE(is_field_value(""));
}

TEST(CharClasses, TokensAndTargetsAreThoseOfTheTable) {
  for (const std::size_t size : kSizes) {
    for (std::size_t place = 0; place < size; ++place) {
      for (unsigned byte = 0; byte < 256; ++byte) {
        const char c = static_cast<char>(byte);
        for (const char filler : {'a', 'Z', '-', '_'}) {
          std::string text(size, filler);
          text[place] = c;
          ASSERT_EQ(is_token(text), internal::is_of(c, internal::kToken)) << byte << " " << place;
          ASSERT_EQ(is_target(text), internal::is_of(c, internal::kTarget)) << byte << " " << place;
        }
      }
    }
  }
}

TEST(CharClasses, OneBadByteSpoilsATokenAtEveryPlace) {
  for (std::size_t place = 0; place < 9; ++place) {
    std::string name(9, 'n');
    EXPECT_TRUE(is_token(name));
    for (const char bad : {' ', ':', '\r', '\n', '\0', '\x7f', '(', '"', '\x80'}) {
      name[place] = bad;
      EXPECT_FALSE(is_token(name)) << "at " << place;
    }
  }
  EXPECT_FALSE(is_token(""));
}

}  // namespace
}  // namespace banyan::http
