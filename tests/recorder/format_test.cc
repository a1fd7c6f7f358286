// SPDX-License-Identifier: Apache-2.0
#include "recorder/format.h"

#include <gtest/gtest.h>

#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/base/text.h"
#include "core/model/record_codec.h"
#include "recorder/batch_buffer.h"
#include "recorder/sparse_index.h"

namespace banyan::recorder {
namespace {

SegmentHeader header() {
  SegmentHeader result;
  result.uuid = "0123456789abcdef";
  result.uid = 0x0102030405060708;
  result.epoch = Epoch{7};
  result.base = Offset{100};
  result.previous_end = Offset{90};
  result.created_wall_ns = 1'700'000'000'000'000'000;
  return result;
}

std::string payload_of_example() {
  model::SkipRecord skip;
  skip.route = "route-of-log";
  std::string record;
  model::encode(skip, record);
  EXPECT_EQ(record.size(), 49U);
  BatchBuffer buffer;
  buffer.add(record);
  return std::string(buffer.payload(buffer.batches.front()));
}

BatchHeader header_of_example(const std::string& payload, std::uint64_t seed) {
  BatchHeader batch;
  batch.stored_bytes = static_cast<std::uint32_t>(payload.size());
  batch.raw_bytes = batch.stored_bytes;
  batch.base = Offset{5};
  batch.record_count = 1;
  batch.segment_uid = 0x0102030405060708;
  batch.append_wall_ns = 1'700'000'000'000'000'000;
  batch.payload_hash = xxh3_64(payload, seed);
  return batch;
}

void expect_every_change_shows(const std::string& bytes, std::uint64_t seed,
                               std::uint16_t version) {
  EXPECT_FALSE(decode_batch_header(bytes, seed + 1, version));  // Another log.
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    EXPECT_FALSE(decode_batch_header(changed, seed, version)) << i;
    EXPECT_FALSE(decode_batch_header(std::string_view(bytes).substr(0, i), seed, version)) << i;
  }
}

// Any one sector of it may be lost.
TEST(SegmentFormatTest, AHeaderIsReadFromWhatIsLeftOfIt) {
  SegmentHeader full = header();
  full.key_id = std::string(kKeyIdBytes, 'i');
  full.wrapped_key = std::string(kWrappedKeyBytes, 'w');
  full.chain = std::string(kChainBytes, 'c');
  const std::string bytes = encode(full);
  const auto whole = decode_segment_header(bytes, "x.seg");
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(*whole, full);
  full.is_damaged = true;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    const auto read = decode_segment_header(changed, "x.seg");
    if (at == 8 || at == 9) {  // It might be of a newer version.
      EXPECT_EQ(read.error().code, ErrorCode::kUnsupported);
      continue;
    }
    ASSERT_TRUE(read.ok()) << at << ": " << read.error().message;
    EXPECT_EQ(*read, full) << at;
  }
  constexpr std::size_t kSectorBytes = 512;
  for (std::size_t at = 0; at < bytes.size(); at += kSectorBytes) {
    for (const char filler : {'\0', '\xff'}) {
      std::string changed = bytes;
      changed.replace(at, kSectorBytes, kSectorBytes, filler);
      const auto read = decode_segment_header(changed, "x.seg");
      ASSERT_TRUE(read.ok()) << at << ": " << read.error().message;
      full.is_damaged = changed != bytes;  // Some hold nothing but zeros.
      EXPECT_EQ(*read, full) << at;
    }
  }
}

// Both readings of the fields are gone, or the header is of before there were two.
TEST(SegmentFormatTest, AHeaderThatIsNowhereSoundIsDamaged) {
  const std::string bytes = encode(header());
  for (const std::size_t first : {8U, 40U, 255U, 256U, 263U}) {
    for (const std::size_t second : {2048U, 2100U, 2303U, 2304U, 2311U}) {
      std::string changed = bytes;
      changed[first] = static_cast<char>(changed[first] ^ 1);
      changed[second] = static_cast<char>(changed[second] ^ 1);
      EXPECT_FALSE(decode_segment_header(changed, "x.seg").ok()) << first << " " << second;
    }
  }
  std::string old = bytes.substr(0, 256);
  old.resize(kSegmentHeaderBytes - 8, '\0');
  ByteWriter(old).u64(xxh3_64(old));
  const auto read = decode_segment_header(old, "x.seg");
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(*read, header());
  old[40] = static_cast<char>(old[40] ^ 1);
  EXPECT_EQ(decode_segment_header(old, "x.seg").error().code, ErrorCode::kDamaged);
}

// The example of docs/formats/log.md, byte for byte.
TEST(SegmentFormatTest, WritesTheWorkedExample) {
  constexpr std::uint64_t kSeed = 0x1111111111111111;
  const std::string payload = payload_of_example();
  BatchHeader batch = header_of_example(payload, kSeed);
  batch.lane = 3;
  batch.lane_sequence = 42;
  std::string bytes(kBatchHeaderBytes, '\0');
  encode_batch_header(batch, kSeed, bytes.data());
  EXPECT_EQ(hex_of_bytes(bytes.substr(0, 64)),
            "424e5942800002003200000032000000"
            "05000000000000000100000000000300"
            "080706050403020100002a36fe9c9717"
            "00000000000000000000000000000000");
  EXPECT_EQ(hex_of_bytes(bytes.substr(72, 48)), "2a00000000000000" + std::string(80, '0'));
  EXPECT_EQ(hex_of_bytes(payload.substr(0, 3)), "310501");
  EXPECT_EQ(batch.bytes(), 128U + 50U + 6U);
  EXPECT_EQ(decode_batch_header(bytes, kSeed), batch);
  EXPECT_FALSE(decode_batch_header(bytes, kSeed, 1));
  expect_every_change_shows(bytes, kSeed, kFormatVersion);
}

// What the version before wrote, byte for byte.
TEST(SegmentFormatTest, ReadsBatchesOfVersion1) {
  constexpr std::uint64_t kSeed = 0x1111111111111111;
  const std::string payload = payload_of_example();
  std::string bytes = *bytes_of_hex(
      "424e5942500001003200000032000000"
      "05000000000000000100000000000000"
      "080706050403020100002a36fe9c9717"
      "00000000000000000000000000000000");
  ByteWriter writer(bytes);
  writer.u64(xxh3_64(payload, kSeed));
  writer.u64(xxh3_64(bytes, kSeed));
  BatchHeader expected = header_of_example(payload, kSeed);
  expected.version = 1;
  const auto decoded = decode_batch_header(bytes, kSeed, 1);
  ASSERT_TRUE(decoded);
  expected.hash = decoded->hash;
  EXPECT_EQ(*decoded, expected);
  EXPECT_EQ(decoded->bytes(), 80U + 50U + 6U);
  expect_every_change_shows(bytes, kSeed, 1);
}

TEST(SegmentFormatTest, RefusesHeadersThatContradictThemselves) {
  constexpr std::uint64_t kSeed = 1;
  const auto is_taken = [](auto change) {
    BatchHeader batch;
    batch.stored_bytes = 10;
    batch.raw_bytes = 10;
    batch.record_count = 1;
    change(batch);
    std::string bytes(kBatchHeaderBytes, '\0');
    encode_batch_header(batch, kSeed, bytes.data());
    return decode_batch_header(bytes, kSeed).has_value();
  };
  EXPECT_TRUE(is_taken([](BatchHeader&) {}));
  EXPECT_FALSE(is_taken([](BatchHeader& b) { b.record_count = 0; }));
  EXPECT_FALSE(is_taken([](BatchHeader& b) { b.record_count = 11; }));
  EXPECT_FALSE(is_taken([](BatchHeader& b) { b.is_footer = true; }));  // With a record.
  EXPECT_TRUE(is_taken([](BatchHeader& b) {
    b.is_footer = true;
    b.record_count = 0;
  }));
  EXPECT_FALSE(is_taken([](BatchHeader& b) { b.raw_bytes = 11; }));
  EXPECT_TRUE(is_taken([](BatchHeader& b) {
    b.raw_bytes = 11;
    b.codec = Codec::kZstd;
  }));
  EXPECT_FALSE(is_taken([](BatchHeader& b) { b.codec = static_cast<Codec>(3); }));
  EXPECT_FALSE(is_taken([](BatchHeader& b) { b.is_encrypted = true; }));  // No room for the tag.
  EXPECT_TRUE(is_taken([](BatchHeader& b) {
    b.is_encrypted = true;
    b.stored_bytes = 26;
  }));
  EXPECT_FALSE(is_taken([](BatchHeader& b) {
    b.raw_bytes = kPayloadBytesMax + 1;
    b.stored_bytes = b.raw_bytes;
  }));
  EXPECT_FALSE(is_taken([](BatchHeader& b) { b.base = Offset{~std::uint64_t{0}}; }));
}

TEST(SegmentFormatTest, ACutHeaderIsDamaged) {
  const std::string bytes = encode(header());
  ASSERT_EQ(bytes.size(), kSegmentHeaderBytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto read = decode_segment_header(bytes.substr(0, size), "x");
    ASSERT_FALSE(read.ok()) << size;
    EXPECT_EQ(read.error().code, ErrorCode::kDamaged) << size;
  }
}

TEST(SegmentFormatTest, HeaderNamesItsKeyAndItsChain) {
  SegmentHeader secret = header();
  secret.key_id = std::string(kKeyIdBytes, 'k');
  secret.wrapped_key = std::string(kWrappedKeyBytes, 'w');
  secret.chain = std::string(kChainBytes, 'c');
  EXPECT_EQ(*decode_segment_header(encode(secret), "x"), secret);
  secret.wrapped_key.clear();
  EXPECT_EQ(*decode_segment_header(encode(secret), "x"), secret);
}

TEST(SegmentFormatTest, NamesGoBothWays) {
  EXPECT_EQ(segment_name(Offset{42}), "00000000000000000042.seg");
  EXPECT_EQ(parse_segment_name("00000000000000000042.seg"), Offset{42});
  const Offset last{~std::uint64_t{0}};
  EXPECT_EQ(parse_segment_name(segment_name(last)), last);
  for (const char* bad : {"", "42.seg", "00000000000000000042.idx", "99999999999999999999.seg",
                          "0000000000000000004x.seg"}) {
    EXPECT_FALSE(parse_segment_name(bad)) << bad;
  }
}

TEST(SparseIndexTest, FindsPlaces) {
  SparseIndex index;
  BatchHeader batch;
  for (std::uint64_t i = 0; i < 10; ++i) {
    batch.base = Offset{100 + i * 10};
    batch.record_count = 10;
    batch.append_wall_ns = static_cast<std::int64_t>(i) * 1000;
    index.add(batch, Position{kSegmentHeaderBytes + i * 40'000});
  }
  EXPECT_EQ(index.entries.size(), 5U);  // One per 64 KiB.
  EXPECT_EQ(index.end, Offset{200});
  EXPECT_EQ(index.position_of(Offset{100}).value, kSegmentHeaderBytes);
  EXPECT_EQ(index.position_of(Offset{125}).value, kSegmentHeaderBytes + 80'000);
  EXPECT_EQ(index.position_of(Offset{50}).value, kSegmentHeaderBytes);
  EXPECT_EQ(index.offset_before(2000, Offset{1}), Offset{100});
  EXPECT_EQ(index.offset_before(2001, Offset{1}), Offset{120});
  EXPECT_EQ(index.offset_before(0, Offset{1}), Offset{1});
}

// Around the sizes at which the length before a record takes a byte more.
TEST(BatchBufferTest, ARecordWrittenInItsPlaceStandsThereAsACopyWould) {
  BatchBuffer copied;
  BatchBuffer written;
  for (const std::size_t edge : {0U, 128U, 16384U}) {
    for (std::size_t bytes = edge > 200 ? edge - 200 : 0; bytes < edge + 40; ++bytes) {
      const std::string filler(bytes, 'x');
      model::ChunkRecord chunk;
      chunk.bytes = filler;
      std::string encoded;
      model::encode(chunk, encoded);
      copied.add(encoded);
      written.add(model::Unwritten(chunk));
      ASSERT_EQ(copied.bytes.size(), written.bytes.size()) << bytes;
    }
  }
  EXPECT_EQ(copied.bytes, written.bytes);
  ASSERT_EQ(copied.batches.size(), written.batches.size());
  EXPECT_EQ(copied.batches.back().records, written.batches.back().records);
  EXPECT_EQ(copied.batches.back().end, written.batches.back().end);
}

TEST(BatchBufferTest, SplitsAtTheTargetOfABatch) {
  BatchBuffer buffer;
  const std::string half(kBatchBytesTarget / 2, 'x');
  buffer.add(half);
  EXPECT_EQ(buffer.batches.size(), 1U);
  buffer.add(half);
  ASSERT_EQ(buffer.batches.size(), 2U);  // With the length before it, the second no longer fits.
  EXPECT_EQ(buffer.batches[0].records, 1U);
  EXPECT_EQ(buffer.batches[1].records, 1U);
  EXPECT_EQ(buffer.payload(buffer.batches[0]).substr(3), half);
  EXPECT_EQ(buffer.payload(buffer.batches[1]).substr(3), half);
  EXPECT_EQ(buffer.batches[1].at % kBatchAlignment, 0U);
  buffer.clear();
  EXPECT_TRUE(buffer.empty());
}

TEST(BufferPoolTest, GivesBuffersAgainUpToItsBound) {
  const auto pool = std::make_shared<BufferPool>();
  const std::string record(1000, 'x');
  auto first = pool->take();
  first->add(record);
  const char* const memory = first->bytes.data();
  first = nullptr;
  EXPECT_GT(pool->pooled_bytes(), 1000U);
  first = pool->take();
  EXPECT_EQ(pool->pooled_bytes(), 0U);
  EXPECT_TRUE(first->empty());
  first->add(record);
  EXPECT_EQ(first->bytes.data(), memory);
  std::vector<std::shared_ptr<BatchBuffer>> many;
  for (int i = 0; i < 7; ++i) {
    many.push_back(pool->take());
    many.back()->add(std::string(kPooledBytesMax / 6, 'x'));
  }
  many.clear();
  EXPECT_LE(pool->pooled_bytes(), kPooledBytesMax);
  EXPECT_GT(pool->pooled_bytes(), kPooledBytesMax / 2);
}

TEST(BufferPoolTest, KeepsWhatABurstLeftBehindForTheNextOne) {
  const auto pool = std::make_shared<BufferPool>();
  auto large = pool->take(1U << 20);
  const std::size_t capacity = large->bytes.capacity();
  EXPECT_GE(capacity, 1U << 20);
  large = nullptr;
  EXPECT_LT(pool->take(100)->bytes.capacity(), 1000U);
  EXPECT_LT(pool->take()->bytes.capacity(), 1000U);
  EXPECT_EQ(pool->take(1U << 20)->bytes.capacity(), capacity);
}

TEST(BufferPoolTest, GivesTheSmallestThatFitsOrElseTheLargest) {
  const auto pool = std::make_shared<BufferPool>();
  std::vector<std::shared_ptr<BatchBuffer>> many;
  for (const std::size_t size : {40'000U, 10'000U, 20'000U}) many.push_back(pool->take(size));
  const std::size_t middle = many[2]->bytes.capacity();
  many.clear();
  EXPECT_EQ(pool->take(15'000)->bytes.capacity(), middle);
  const std::size_t before = pool->pooled_bytes();
  const auto grown = pool->take(100'000);
  EXPECT_GE(grown->bytes.capacity(), 100'000U);
  EXPECT_LT(pool->pooled_bytes(), before - 40'000);  // It was the largest, and grew.
}

}  // namespace
}  // namespace banyan::recorder
