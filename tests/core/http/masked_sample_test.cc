// SPDX-License-Identifier: Apache-2.0
#include "core/http/masked_sample.h"

#include <gtest/gtest.h>

#include "core/http/message_reader.h"

namespace banyan::http {
namespace {

TEST(MaskedSampleTest, KeepsTheShapeAndMasksTheRest) {
  EXPECT_EQ(masked_sample("Transfer-Encoding: xchunked\x0b\r\n", 0),
            "Transfer-Encoding: xxxxxxxx\\x0b\\r\\n");
  EXPECT_EQ(masked_sample("Cookie: sid=4f2Ab!{}\xc3\xa4\r\n", 0),
            "xxxxxx: xxx=0x0xx...\\x80\\x80\\r\\n");
  EXPECT_EQ(masked_sample("", 7), "");
}

TEST(MaskedSampleTest, LooksAroundThePosition) {
  const std::string bytes = std::string(100, 'a') + ": \x01 chunked" + std::string(100, 'b');
  const std::string sample = masked_sample(bytes, 102);
  EXPECT_NE(sample.find(": \\x01 "), std::string::npos);
  EXPECT_EQ(sample.find("chunked"),
            std::string::npos);  // of "chunkedbbb…", which is no word of ours
  EXPECT_LE(sample.size(), kSampleBytesMax * 4);
}

// A word cut by the edge of the window could only look like one of the protocol.
TEST(MaskedSampleTest, MasksAWordThatTheWindowCuts) {
  const std::string bytes = "close" + std::string(kSampleBytesMax, ' ');
  EXPECT_EQ(masked_sample(bytes, kSampleBytesMax / 2 + 1).substr(0, 4), "xxxx");
}

TEST(MaskedSampleTest, RefusalsSayWhereAndShowNoSecret) {
  RequestReader reader(ReadLimits{});
  std::string_view input =
      "GET /s3cret HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer s3cret\x01\r\n\r\n";
  const std::string_view all = input;
  ASSERT_EQ(reader.next(input), ReadEvent::kError);
  EXPECT_EQ(reader.error().position, all.find('\x01'));
  EXPECT_EQ(reader.error().sample.find("s3cret"), std::string::npos);
  EXPECT_EQ(reader.error().sample.find("Bearer"), std::string::npos);
  EXPECT_NE(reader.error().sample.find("\\x01\\r\\n"), std::string::npos);
}

TEST(MaskedSampleTest, PositionOfABadChunkIsOfTheBody) {
  RequestReader reader(ReadLimits{});
  std::string_view input =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n";
  while (reader.next(input) != ReadEvent::kError) {
  }
  EXPECT_EQ(reader.error().code, "bad_chunk_size");
  EXPECT_EQ(reader.error().position, 8U);
}

}  // namespace
}  // namespace banyan::http
