// SPDX-License-Identifier: Apache-2.0
#include "core/codec/content_encoding.h"

#include <gtest/gtest.h>

#include "core/codec/content_coding.h"

namespace banyan::codec {
namespace {

TEST(ContentEncodingTest, IsTheInverseOfDecoding) {
  std::string text = "{\"a\":1}";
  for (int i = 0; i < 5000; ++i) text += static_cast<char>(i * 7919 % 251);
  for (const std::string& body : {std::string("x"), std::string(), text}) {
    for (const char* coding : {"gzip", "X-GZIP", "deflate", "br", "zstd", "gzip, br", "identity"}) {
      const auto encoded = encode_content(coding, body);
      ASSERT_TRUE(encoded.ok()) << coding;
      const auto again = encode_content(coding, body);
      EXPECT_EQ(*encoded, *again) << coding;
      const auto decoded = decode_content(coding, *encoded);
      ASSERT_TRUE(decoded.ok()) << coding << ": " << decoded.error().message;
      EXPECT_EQ(*decoded, body) << coding;
    }
  }
}

TEST(ContentEncodingTest, RefusesACodingThatItDoesNotKnow) {
  const auto encoded = encode_content("gzip, compress", "x");
  ASSERT_FALSE(encoded.ok());
  EXPECT_EQ(encoded.error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace banyan::codec
