// SPDX-License-Identifier: Apache-2.0
#include "core/codec/gzip_stream.h"

#include <gtest/gtest.h>

#include "core/base/text.h"

namespace banyan::codec {
namespace {

// "hello", by gzip.
const std::string kHello = *bytes_of_hex("1f8b0800000000000203cb48cdc9c9070086a6103605000000");

// All of `bytes`, given in pieces of that size.
Result<std::string> unpack(std::string_view bytes, std::size_t piece_bytes, bool* is_whole) {
  GzipStream stream;
  std::string all;
  std::string out;
  while (!bytes.empty()) {
    std::string_view piece = bytes.substr(0, piece_bytes);
    bytes.remove_prefix(piece.size());
    do {
      if (const Status decoded = stream.decode(piece, out); !decoded.ok()) return decoded.error();
      all += out;
    } while (!piece.empty() || out.size() == GzipStream::kOutputBytes);
  }
  *is_whole = stream.is_at_boundary();
  return all;
}

TEST(GzipStreamTest, JoinsMembersWhateverThePieces) {
  for (const std::size_t piece : {1, 3, 1000}) {
    bool is_whole = false;
    const auto all = unpack(kHello + kHello, piece, &is_whole);
    ASSERT_TRUE(all.ok()) << all.error().message;
    EXPECT_EQ(*all, "hellohello");
    EXPECT_TRUE(is_whole);
  }
}

TEST(GzipStreamTest, TellsThatTheInputIsCut) {
  for (std::size_t size = 1; size < kHello.size(); ++size) {
    bool is_whole = true;
    ASSERT_TRUE(unpack(kHello.substr(0, size), 5, &is_whole).ok());
    EXPECT_FALSE(is_whole) << size;
  }
}

TEST(GzipStreamTest, RefusesWhatIsNoGzipOrWasChanged) {
  bool is_whole = false;
  EXPECT_FALSE(unpack("hello there", 4, &is_whole).ok());
  std::string changed = kHello;
  changed[19] ^= 1;  // in the checksum
  EXPECT_FALSE(unpack(changed, 100, &is_whole).ok());
  EXPECT_FALSE(unpack(kHello + "junk", 100, &is_whole).ok());
}

}  // namespace
}  // namespace banyan::codec
