// SPDX-License-Identifier: Apache-2.0
#include "core/base/bytes.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "core/base/bounded_queue.h"
#include "core/base/hash.h"
#include "core/base/ids.h"

namespace banyan {
namespace {

TEST(BytesTest, ReadsBackWhatWasWritten) {
  std::string out;
  ByteWriter writer(out);
  writer.u8(7);
  writer.u16(0x1234);
  writer.u32(0xdeadbeef);
  writer.u64(0x0102030405060708);
  writer.i64(-5);
  for (const std::uint64_t value : {0ULL, 127ULL, 128ULL, 1ULL << 35, ~0ULL}) writer.varint(value);
  writer.bytes("text");
  EXPECT_EQ('\x34', out[1]);  // little-endian

  ByteReader reader(out);
  EXPECT_EQ(7, reader.u8());
  EXPECT_EQ(0x1234, reader.u16());
  EXPECT_EQ(0xdeadbeef, reader.u32());
  EXPECT_EQ(0x0102030405060708U, reader.u64());
  EXPECT_EQ(-5, reader.i64());
  for (const std::uint64_t value : {0ULL, 127ULL, 128ULL, 1ULL << 35, ~0ULL}) {
    EXPECT_EQ(value, reader.varint());
  }
  EXPECT_EQ("text", reader.bytes());
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(0U, reader.remaining());
}

TEST(BytesTest, FailsForGoodWhenTheInputEnds) {
  ByteReader reader(
      "\x05"
      "abc");
  EXPECT_EQ("", reader.bytes());
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(0, reader.u8());
  EXPECT_EQ(0U, reader.varint());
  EXPECT_EQ(0U, reader.u64());
  EXPECT_EQ("", reader.raw(1));
  EXPECT_EQ(0U, reader.remaining());
}

TEST(BytesTest, RefusesAnOverlongVarint) {
  ByteReader eleven("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  eleven.varint();
  EXPECT_FALSE(eleven.ok());
  ByteReader overflow("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");
  overflow.varint();
  EXPECT_FALSE(overflow.ok());
}

TEST(HashTest, StreamingEqualsTheWhole) {
  std::string text;
  StreamingDigest digest(42);
  for (int i = 0; i < 1000; ++i) {
    const std::string piece(static_cast<std::size_t>(i % 37), static_cast<char>('a' + i % 26));
    digest.update(piece);
    text += piece;
  }
  EXPECT_EQ(xxh3_128(text, 42), digest.digest());
  EXPECT_FALSE(xxh3_128(text, 43) == digest.digest());
}

TEST(IdsTest, ExchangeIdsHoldTheirPartsAndRoundTrip) {
  const ExchangeId id = ExchangeId::make(3, Epoch{9}, 2, 77);
  EXPECT_EQ(
      "00030000000000090002000000000"
      "04d",
      id.to_string());
  EXPECT_EQ(id, ExchangeId::parse(id.to_string()));
  EXPECT_EQ(Epoch{9}, id.epoch());
  EXPECT_FALSE(ExchangeId::parse("12"));
  EXPECT_FALSE(ExchangeId::parse(std::string(32, 'g')));
}

TEST(BoundedQueueTest, RefusesAtItsBoundAndCounts) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.try_push(1));
  EXPECT_TRUE(queue.try_push(2));
  EXPECT_FALSE(queue.try_push(3));
  EXPECT_EQ(1U, queue.refused());
  EXPECT_EQ(1, queue.pop(std::chrono::milliseconds(0)));
  EXPECT_TRUE(queue.try_push(4));
  queue.close();
  EXPECT_FALSE(queue.try_push(5));
  EXPECT_EQ(2, queue.pop(std::chrono::milliseconds(0)));
  EXPECT_EQ(4, queue.pop(std::chrono::milliseconds(0)));
  EXPECT_FALSE(queue.pop(std::chrono::milliseconds(1000)));
}

TEST(BoundedQueueTest, WakesAWaitingThread) {
  BoundedQueue<int> queue(1);
  std::thread pusher([&] { queue.try_push(9); });
  EXPECT_EQ(9, queue.pop(std::chrono::milliseconds(20'000)));
  pusher.join();
}

}  // namespace
}  // namespace banyan
