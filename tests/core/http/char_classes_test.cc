// SPDX-License-Identifier: Apache-2.0
#include "core/http/char_classes.h"

#include <gtest/gtest.h>

#include <string>

namespace banyan::http {
namespace {

// RFC 9110 section 5.5: HTAB, SP, VCHAR and obs-text.
bool may_stand_in_value(unsigned byte) { return byte == '\t' || (byte >= 0x20 && byte != 0x7f); }

// Values are looked at by the word and then by the byte, so every place counts.
TEST(CharClasses, FieldValueSeesEveryByteAtEveryPlace) {
  for (std::size_t size = 1; size <= 19; ++size) {
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
