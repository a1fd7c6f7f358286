// SPDX-License-Identifier: Apache-2.0
#include "core/base/vector16.h"

#include <gtest/gtest.h>

#include <string>

#include "core/base/text.h"

namespace banyan {
namespace {

std::string letters(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text.push_back(static_cast<char>('a' + i % 26));
  return text;
}

TEST(Vector16Test, CopiesTextsOfEverySizeAndNothingElse) {
  for (std::size_t size = 0; size <= 70; ++size) {
    const std::string from = letters(size);
    std::string to(size + 2, '.');
    copy_short(to.data() + 1, from.data(), size);
    EXPECT_EQ(to, "." + from + ".") << size;
  }
}

// One wrong letter at each place of texts of each size, in texts that end where their memory does.
TEST(Vector16Test, FoldedEqualityLooksAtEveryByte) {
  for (std::size_t size = 0; size <= 70; ++size) {
    const std::string text = letters(size);
    std::string upper = text;
    for (char& c : upper) c = static_cast<char>(c - 32);
    EXPECT_TRUE(equal_ignoring_case(text, upper)) << size;
    EXPECT_FALSE(equal_ignoring_case(text, text + "a")) << size;
    for (std::size_t at = 0; at < size; ++at) {
      for (const char wrong : {'!', '@', '[', '{', '`', '\0', '\x7f', '\xe1'}) {
        std::string other = upper;
        other[at] = wrong;
        EXPECT_FALSE(equal_ignoring_case(text, other)) << size << " at " << at;
      }
    }
  }
}

TEST(Vector16Test, OnlyLettersAreFolded) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const auto lower = [](int c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; };
      const std::string left(9, static_cast<char>(a));
      const std::string right(9, static_cast<char>(b));
      ASSERT_EQ(equal_ignoring_case(left, right), lower(a) == lower(b)) << a << " " << b;
    }
  }
}

TEST(Vector16Test, HexDigitsAreThoseOfTheNumber) {
  EXPECT_EQ(hex_of_u64(0), "0000000000000000");
  EXPECT_EQ(hex_of_u64(0x0123456789abcdefULL), "0123456789abcdef");
  EXPECT_EQ(hex_of_u64(0xfedcba9876543210ULL), "fedcba9876543210");
}

}  // namespace
}  // namespace banyan
