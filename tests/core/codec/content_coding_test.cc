// SPDX-License-Identifier: Apache-2.0
#include "core/codec/content_coding.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <string>

#include "core/base/text.h"

namespace banyan::codec {
namespace {

// With window_bits + 16 a gzip member, with -window_bits a bare deflate stream.
std::string deflated(std::string_view text, int window_bits) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}
std::string gzip(std::string_view text) { return deflated(text, MAX_WBITS + 16); }

std::string zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  const auto size = ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3);
  EXPECT_EQ(ZSTD_isError(size), 0U);
  out.resize(size);
  return out;
}

std::string decoded(std::string_view coding, std::string_view bytes) {
  auto result = decode_content(coding, bytes);
  return result ? *result : "error: " + result.error().message;
}

TEST(ContentCodingTest, UndoesEachCoding) {
  const std::string text = "{\"price\": 12.50}";
  EXPECT_EQ(decoded("", text), text);
  EXPECT_EQ(decoded("identity", text), text);
  EXPECT_EQ(decoded("gzip", gzip(text)), text);
  EXPECT_EQ(decoded("X-GZip", gzip(text)), text);
  EXPECT_EQ(decoded("deflate", deflated(text, MAX_WBITS)), text);
  EXPECT_EQ(decoded("deflate", deflated(text, -MAX_WBITS)), text);
  EXPECT_EQ(decoded("zstd", zstd(text)), text);
  // brotli: the empty stream, and "hello" stored uncompressed (RFC 7932 section 9.2).
  EXPECT_EQ(decoded("br", "\x3B"), "");
  EXPECT_EQ(decoded("br", std::string("\x0b\x02\x80hello\x03", 9)), "hello");
  EXPECT_EQ(decoded("gzip", gzip("")), "");
}

TEST(ContentCodingTest, UndoesSeveralCodingsInReverse) {
  const std::string text(5000, 'x');
  EXPECT_EQ(decoded("deflate, gzip", gzip(deflated(text, MAX_WBITS))), text);
  EXPECT_EQ(decoded("gzip,, identity ,zstd", zstd(gzip(text))), text);
  EXPECT_EQ(decode_content("gzip,gzip,gzip,gzip,gzip", "").error().code, ErrorCode::kExhausted);
}

TEST(ContentCodingTest, JoinsGzipMembers) {
  EXPECT_EQ(decoded("gzip", gzip("one ") + gzip("") + gzip("two")), "one two");
}

TEST(ContentCodingTest, ReadsEveryOptionalFieldOfAGzipHead) {
  const std::string plain = gzip("text");
  std::string head("\x1f\x8b\x08\x1e\0\0\0\0\0\xff", 10);
  head += std::string("\x03\0abc", 5) + std::string("name\0", 5) + std::string("note\0", 5);
  const auto crc =
      crc32(0, reinterpret_cast<const Bytef*>(head.data()), static_cast<uInt>(head.size()));
  std::string good = head;
  good.push_back(static_cast<char>(crc & 0xFF));
  good.push_back(static_cast<char>(crc >> 8 & 0xFF));
  EXPECT_EQ(decoded("gzip", good + plain.substr(10)), "text");
  good.back() = static_cast<char>(good.back() ^ 1);
  EXPECT_EQ(decoded("gzip", good + plain.substr(10)),
            "error: gzip: header checksum does not match");
}

TEST(ContentCodingTest, NamesWhatIsWrong) {
  std::string wrong_length = gzip("0123456789");
  wrong_length[wrong_length.size() - 4] = 12;
  EXPECT_EQ(decoded("gzip", wrong_length),
            "error: gzip: trailer length 12 does not match 10 decoded bytes");
  std::string wrong_sum = gzip("0123456789");
  wrong_sum[wrong_sum.size() - 8] = static_cast<char>(wrong_sum[wrong_sum.size() - 8] ^ 1);
  EXPECT_EQ(decoded("gzip", wrong_sum),
            "error: gzip: trailer checksum does not match the decoded bytes");
  EXPECT_EQ(decoded("gzip", "plain text"), "error: gzip: does not start with 1f 8b");
  EXPECT_EQ(decoded("gzip", gzip("a") + "zz"), "error: gzip: 2 bytes follow the last member");
  EXPECT_EQ(decoded("zstd", "nonsense, really"), "error: zstd: Unknown frame descriptor");
  EXPECT_EQ(decoded("compress", "x"), "error: content coding \"compress\" is not known");
  EXPECT_EQ(decode_content("compress", "x").error().code, ErrorCode::kUnsupported);
}

// No prefix of a compressed body decodes.
TEST(ContentCodingTest, RefusesEveryCut) {
  std::string text;
  for (int i = 0; i < 200; ++i) text += std::to_string(i * i);
  const struct {
    const char* coding;
    std::string bytes;
  } cases[] = {{"gzip", gzip(text)},
               {"deflate", deflated(text, MAX_WBITS)},
               {"deflate", deflated(text, -MAX_WBITS)},
               {"zstd", zstd(text)},
               {"br", std::string("\x0b\x02\x80hello\x03", 9)}};
  for (const auto& [coding, bytes] : cases) {
    ASSERT_TRUE(decode_content(coding, bytes).ok()) << coding;
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(decode_content(coding, std::string_view(bytes).substr(0, size)).ok())
          << coding << " cut to " << size;
    }
  }
}

TEST(ContentCodingTest, StopsBombsAtTheirRatio) {
  const std::string zeros(4 << 20, '\0');
  const std::string bomb = gzip(zeros);
  ASSERT_LT(bomb.size() * 100 + (1 << 20), zeros.size());
  EXPECT_EQ(decode_content("gzip", bomb).error().code, ErrorCode::kExhausted);
  EXPECT_EQ(decode_content("zstd", zstd(zeros)).error().code, ErrorCode::kExhausted);
  EXPECT_EQ(decode_content("gzip, gzip", gzip(bomb)).error().code, ErrorCode::kExhausted);
}

TEST(ContentCodingTest, HoldsTheSizeLimitToTheByte) {
  DecodeLimits limits;
  for (const auto& [coding, bytes] : {std::pair<const char*, std::string>{"gzip", gzip("12345678")},
                                      {"zstd", zstd("12345678")},
                                      {"", "12345678"},
                                      {"deflate", deflated("12345678", MAX_WBITS)}}) {
    limits.bytes_max = 8;
    EXPECT_TRUE(decode_content(coding, bytes, limits).ok()) << coding;
    limits.bytes_max = 7;
    EXPECT_EQ(decode_content(coding, bytes, limits).error().code, ErrorCode::kExhausted) << coding;
  }
}

}  // namespace
}  // namespace banyan::codec
