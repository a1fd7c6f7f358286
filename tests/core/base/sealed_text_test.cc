// SPDX-License-Identifier: Apache-2.0
#include "core/base/sealed_text.h"

#include <gtest/gtest.h>

#include <string>

namespace banyan {
namespace {

constexpr TextFormat kFormat{"the list", "banyan-list ", "1", 100};

TEST(SealedTextTest, GivesBackTheLinesThatWereSealed) {
  const std::string text = seal_text(kFormat, "a\nb\n");
  const auto lines = open_text(kFormat, text);
  ASSERT_TRUE(lines.ok()) << lines.error().message;
  EXPECT_EQ(*lines, (std::vector<std::string_view>{"banyan-list 1", "a", "b"}));
  EXPECT_EQ(open_text(kFormat, seal_text(kFormat, ""))->size(), 1U);
}

TEST(SealedTextTest, EveryFlippedBitAndEveryCutIsDamage) {
  const std::string text = seal_text(kFormat, "a\nb\n");
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string other = text;
    other[i] = static_cast<char>(other[i] ^ 1);
    EXPECT_EQ(open_text(kFormat, other).error().code, ErrorCode::kDamaged) << i;
    EXPECT_EQ(open_text(kFormat, text.substr(0, i)).error().code, ErrorCode::kDamaged) << i;
  }
}

TEST(SealedTextTest, AnotherVersionIsNamedWhereTheFileIsWhole) {
  TextFormat next = kFormat;
  next.version = "2";
  const auto lines = open_text(kFormat, seal_text(next, "a\n"));
  EXPECT_EQ(lines.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(lines.error().message, "the list has version 2, this Banyan reads version 1");
}

TEST(SealedTextTest, HasABoundAndWholeLines) {
  const std::size_t other = seal_text(kFormat, "").size();
  EXPECT_TRUE(open_text(kFormat, seal_text(kFormat, std::string(99 - other, 'a') + "\n")).ok());
  EXPECT_EQ(
      open_text(kFormat, seal_text(kFormat, std::string(100 - other, 'a') + "\n")).error().message,
      "the list is damaged: it is too large");
  EXPECT_EQ(open_text(kFormat, seal_text(kFormat, "a")).error().message,
            "the list is damaged: a line is cut");
}

}  // namespace
}  // namespace banyan
