// SPDX-License-Identifier: Apache-2.0
#include "recorder/format.h"

#include <algorithm>
#include <cstring>

#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/base/text.h"

namespace banyan::recorder {
namespace {

constexpr std::string_view kSegmentMagic = "BANYANSG";
constexpr std::string_view kBatchMagic = "BNYB";
constexpr std::uint8_t kBatchVersion = 1;
constexpr std::size_t kSegmentHashAt = kSegmentHeaderBytes - 8;
constexpr std::size_t kBatchHashAt = kBatchHeaderBytes - 8;

Error damaged_segment(const std::string& path, std::string_view what) {
  return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk,
                    "the log segment " + path + " is damaged: " + std::string(what) +
                        "; move it away to go on without its records");
}

}  // namespace

std::uint64_t SegmentHeader::seed() const { return xxh3_64(uuid); }

std::string encode(const SegmentHeader& header) {
  std::string out;
  out.reserve(kSegmentHeaderBytes);
  ByteWriter writer(out);
  writer.raw(kSegmentMagic);
  writer.u16(kFormatVersion);
  writer.u16(0);
  writer.u32(kSegmentHeaderBytes);
  CHECK(header.uuid.size() == 16);
  writer.raw(header.uuid);
  writer.u64(header.uid);
  writer.u64(header.epoch.value);
  writer.u64(header.base.value);
  writer.u64(header.previous_end.value);
  writer.i64(header.created_wall_ns);
  out.resize(kSegmentHashAt, '\0');
  writer.u64(xxh3_64(out));
  return out;
}

Result<SegmentHeader> decode_segment_header(std::string_view bytes, const std::string& path) {
  ByteReader reader(bytes);
  if (reader.raw(kSegmentMagic.size()) != kSegmentMagic) {
    return damaged_segment(path, "it does not begin as a segment does");
  }
  if (const std::uint16_t version = reader.u16(); reader.ok() && version != kFormatVersion) {
    return make_error(ErrorCode::kUnsupported, ErrorOrigin::kDisk,
                      "the log segment " + path + " has format version " + std::to_string(version) +
                          "; this Banyan reads version " + std::to_string(kFormatVersion) +
                          ": use the Banyan that wrote it, or another data directory");
  }
  if (bytes.size() < kSegmentHeaderBytes) return damaged_segment(path, "its header is cut short");
  ByteReader hash_reader(bytes.substr(kSegmentHashAt, 8));
  if (hash_reader.u64() != xxh3_64(bytes.substr(0, kSegmentHashAt))) {
    return damaged_segment(path, "the checksum of its header is wrong");
  }
  SegmentHeader header;
  reader.u16();
  const std::uint32_t header_bytes = reader.u32();
  header.uuid = std::string(reader.raw(16));
  header.uid = reader.u64();
  header.epoch.value = reader.u64();
  header.base.value = reader.u64();
  header.previous_end.value = reader.u64();
  header.created_wall_ns = reader.i64();
  if (header_bytes != kSegmentHeaderBytes || header.previous_end > header.base) {
    return damaged_segment(path, "its header contradicts itself");
  }
  return header;
}

void encode_batch_header(BatchHeader& header, std::uint64_t seed, char* out) {
  std::string bytes;
  bytes.reserve(kBatchHeaderBytes);
  ByteWriter writer(bytes);
  writer.raw(kBatchMagic);
  writer.u16(kBatchHeaderBytes);
  writer.u8(kBatchVersion);
  writer.u8(static_cast<std::uint8_t>(header.codec));
  writer.u32(header.stored_bytes);
  writer.u32(header.raw_bytes);
  writer.u64(header.base.value);
  writer.u32(header.record_count);
  writer.u32(0);
  writer.u64(header.segment_uid);
  writer.i64(header.append_wall_ns);
  writer.u64(header.durable.value);
  writer.u64(header.previous_hash);
  writer.u64(header.payload_hash);
  header.hash = xxh3_64(bytes, seed);
  writer.u64(header.hash);
  std::memcpy(out, bytes.data(), kBatchHeaderBytes);
}

std::optional<BatchHeader> decode_batch_header(std::string_view bytes, std::uint64_t seed) {
  if (bytes.size() < kBatchHeaderBytes) return std::nullopt;
  ByteReader reader(bytes);
  if (reader.raw(kBatchMagic.size()) != kBatchMagic) return std::nullopt;
  BatchHeader header;
  const std::uint16_t header_bytes = reader.u16();
  const std::uint8_t version = reader.u8();
  const std::uint8_t codec = reader.u8();
  header.codec = static_cast<Codec>(codec);
  header.stored_bytes = reader.u32();
  header.raw_bytes = reader.u32();
  header.base.value = reader.u64();
  header.record_count = reader.u32();
  const std::uint32_t zero = reader.u32();
  header.segment_uid = reader.u64();
  header.append_wall_ns = reader.i64();
  header.durable.value = reader.u64();
  header.previous_hash = reader.u64();
  header.payload_hash = reader.u64();
  header.hash = reader.u64();
  if (header.hash != xxh3_64(bytes.substr(0, kBatchHashAt), seed)) return std::nullopt;
  // The checksum is no proof against a hostile file: every field that sizes something is checked.
  if (header_bytes != kBatchHeaderBytes || version != kBatchVersion || zero != 0)
    return std::nullopt;
  if (codec > static_cast<std::uint8_t>(Codec::kLz4)) return std::nullopt;
  if (header.raw_bytes > kPayloadBytesMax || header.stored_bytes > kPayloadBytesMax) {
    return std::nullopt;
  }
  // A record takes at least its length byte.
  if (header.record_count == 0 || header.record_count > header.raw_bytes) return std::nullopt;
  if (header.end() < header.base) return std::nullopt;
  if (header.codec == Codec::kNone && header.raw_bytes != header.stored_bytes) return std::nullopt;
  return header;
}

std::uint64_t batch_bytes(std::uint64_t stored_bytes) {
  const std::uint64_t bytes = kBatchHeaderBytes + stored_bytes;
  return (bytes + kBatchAlignment - 1) / kBatchAlignment * kBatchAlignment;
}

std::string segment_name(Offset base) {
  const std::string digits = std::to_string(base.value);
  return std::string(20 - digits.size(), '0') + digits + ".seg";
}

std::optional<Offset> parse_segment_name(std::string_view name) {
  if (name.size() != 24 || name.substr(20) != ".seg") return std::nullopt;
  const auto value = parse_u64(name.substr(0, 20));
  if (!value) return std::nullopt;
  return Offset{*value};
}

bool is_stream_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && name != "cursors" &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
         });
}

}  // namespace banyan::recorder
