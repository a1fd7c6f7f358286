// SPDX-License-Identifier: Apache-2.0
#include "core/codec/lz4.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace banyan::codec {
namespace {

TEST(Lz4Test, ReadsBackWhatItWrote) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "record " + std::to_string(i % 17);
  std::string out = "head";
  const std::size_t size = lz4_compress(text, out);
  ASSERT_GT(size, 0U);
  EXPECT_LT(size, text.size());
  EXPECT_EQ(out.size(), 4 + size);
  auto back = lz4_decompress(std::string_view(out).substr(4), text.size());
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, text);
}

TEST(Lz4Test, LeavesWhatDoesNotShrink) {
  constexpr unsigned kSeed = 7;
  std::mt19937 random(kSeed);
  std::string noise(1000, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  std::string out = "head";
  EXPECT_EQ(lz4_compress(noise, out), 0U);
  EXPECT_EQ(lz4_compress("", out), 0U);
  EXPECT_EQ(out, "head");
}

TEST(Lz4Test, RefusesDamageAndWrongSizes) {
  const std::string text(1000, 'a');
  std::string block;
  ASSERT_GT(lz4_compress(text, block), 0U);
  EXPECT_FALSE(lz4_decompress(block, 999).ok());
  EXPECT_FALSE(lz4_decompress(block, 1001).ok());
  EXPECT_FALSE(lz4_decompress(block, kLz4BytesMax + 1).ok());
  for (std::size_t size = 0; size < block.size(); ++size) {
    EXPECT_FALSE(lz4_decompress(std::string_view(block).substr(0, size), 1000).ok()) << size;
  }
}

}  // namespace
}  // namespace banyan::codec
