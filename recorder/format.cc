// SPDX-License-Identifier: Apache-2.0
#include "recorder/format.h"

#include <algorithm>
#include <cstring>

#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/base/text.h"
#include "core/crypto/aes_gcm.h"

namespace banyan::recorder {
namespace {

constexpr std::string_view kSegmentMagic = "BANYANSG";
constexpr std::string_view kBatchMagic = "BNYB";
constexpr std::size_t kSegmentHashAt = kSegmentHeaderBytes - 8;
// The fields, and behind them a checksum of their own; at the beginning, and once more in another
// sector.
constexpr std::size_t kFieldsBytes = 256;
constexpr std::size_t kFieldsCopyAt = 2048;
// Flags of a segment and of a batch.
constexpr std::uint16_t kEncrypted = 1;
constexpr std::uint16_t kChained = 2;
constexpr std::uint16_t kFooter = 4;  // of a batch only

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
  writer.u16(header.version);
  writer.u16(static_cast<std::uint16_t>((header.is_encrypted() ? kEncrypted : 0) |
                                        (header.is_chained() ? kChained : 0)));
  writer.u32(kSegmentHeaderBytes);
  CHECK(header.uuid.size() == 16);
  writer.raw(header.uuid);
  writer.u64(header.uid);
  writer.u64(header.epoch.value);
  writer.u64(header.base.value);
  writer.u64(header.previous_end.value);
  writer.i64(header.created_wall_ns);
  const auto optional = [&writer](const std::string& bytes, std::size_t size) {
    CHECK(bytes.empty() || bytes.size() == size);
    writer.raw(bytes.empty() ? std::string(size, '\0') : bytes);
  };
  optional(header.key_id, kKeyIdBytes);
  optional(header.wrapped_key, kWrappedKeyBytes);
  optional(header.chain, kChainBytes);
  out.resize(kFieldsBytes, '\0');
  writer.u64(xxh3_64(out));
  const std::string fields = out;
  out.resize(kFieldsCopyAt, '\0');
  out += fields;
  out.resize(kSegmentHashAt, '\0');
  writer.u64(xxh3_64(out));
  return out;
}

namespace {

// Whether the first `size` bytes have their checksum behind them.
bool is_sound(std::string_view bytes, std::size_t size) {
  return bytes.starts_with(kSegmentMagic) && bytes.size() >= size + 8 &&
         ByteReader(bytes.substr(size)).u64() == xxh3_64(bytes.substr(0, size));
}

Status check_version(std::string_view header, const std::string& path) {
  if (!header.starts_with(kSegmentMagic)) return {};
  ByteReader reader(header.substr(kSegmentMagic.size()));
  const std::uint16_t version = reader.u16();
  if (!reader.ok() || (version > 0 && version <= kFormatVersion)) return {};
  return make_error(ErrorCode::kUnsupported, ErrorOrigin::kDisk,
                    "the log segment " + path + " has format version " + std::to_string(version) +
                        "; this Banyan reads versions 1 to " + std::to_string(kFormatVersion) +
                        ": use the Banyan that wrote it, or another data directory");
}

}  // namespace

Result<SegmentHeader> decode_segment_header(std::string_view bytes, const std::string& path) {
  // Before its checksums are believed: those of a newer one may be elsewhere.
  BANYAN_RETURN_IF_ERROR(check_version(bytes, path));
  if (bytes.size() < kSegmentHeaderBytes) return damaged_segment(path, "its header is cut short");
  const bool is_whole = is_sound(bytes, kSegmentHashAt);
  std::string_view fields = bytes;
  if (!is_whole && !is_sound(bytes, kFieldsBytes)) {
    fields = bytes.substr(kFieldsCopyAt);
    if (!is_sound(fields, kFieldsBytes)) {
      return damaged_segment(path, bytes.starts_with(kSegmentMagic)
                                       ? "the checksums of its header are wrong"
                                       : "it does not begin as a segment does");
    }
    BANYAN_RETURN_IF_ERROR(check_version(fields, path));
  }
  SegmentHeader header;
  ByteReader reader(fields.substr(kSegmentMagic.size()));
  header.version = reader.u16();
  header.is_damaged = !is_whole;
  const std::uint16_t flags = reader.u16();
  const std::uint32_t header_bytes = reader.u32();
  header.uuid = std::string(reader.raw(16));
  header.uid = reader.u64();
  header.epoch.value = reader.u64();
  header.base.value = reader.u64();
  header.previous_end.value = reader.u64();
  header.created_wall_ns = reader.i64();
  const auto key_id = reader.raw(kKeyIdBytes);
  const auto wrapped_key = reader.raw(kWrappedKeyBytes);
  const auto chain = reader.raw(kChainBytes);
  const int known_flags = header.version == 1 ? 0 : kEncrypted | kChained;
  if ((flags & (kEncrypted | kChained)) != 0) header.key_id = std::string(key_id);
  if ((flags & kEncrypted) != 0) header.wrapped_key = std::string(wrapped_key);
  if ((flags & kChained) != 0) header.chain = std::string(chain);
  if (header_bytes != kSegmentHeaderBytes || header.previous_end > header.base ||
      (flags & ~known_flags) != 0) {
    return damaged_segment(path, "its header contradicts itself");
  }
  return header;
}

std::string BatchHeader::fixed_fields() const {
  std::string bytes;
  ByteWriter writer(bytes);
  writer.u8(static_cast<std::uint8_t>(codec));
  writer.u32(raw_bytes);
  writer.u64(base.value);
  writer.u32(record_count);
  writer.i64(append_wall_ns);
  writer.u16(lane);
  writer.u64(lane_sequence);
  return bytes;
}

std::uint64_t BatchHeader::bytes() const {
  const std::uint64_t sum = header_bytes() + std::uint64_t{stored_bytes};
  return (sum + kBatchAlignment - 1) / kBatchAlignment * kBatchAlignment;
}

void encode_batch_header(BatchHeader& header, std::uint64_t seed, char* out) {
  CHECK(header.version == kFormatVersion);
  std::string bytes;
  bytes.reserve(kBatchHeaderBytes);
  ByteWriter writer(bytes);
  writer.raw(kBatchMagic);
  writer.u16(kBatchHeaderBytes);
  writer.u8(static_cast<std::uint8_t>(kFormatVersion));
  writer.u8(static_cast<std::uint8_t>(header.codec));
  writer.u32(header.stored_bytes);
  writer.u32(header.raw_bytes);
  writer.u64(header.base.value);
  writer.u32(header.record_count);
  writer.u16(static_cast<std::uint16_t>((header.is_encrypted ? kEncrypted : 0) |
                                        (header.is_chained ? kChained : 0) |
                                        (header.is_footer ? kFooter : 0)));
  writer.u16(header.lane);
  writer.u64(header.segment_uid);
  writer.i64(header.append_wall_ns);
  writer.u64(header.durable.value);
  writer.u64(header.previous_hash);
  writer.u64(header.payload_hash);
  writer.u64(header.lane_sequence);
  writer.raw(std::string_view(header.chain.data(), kChainBytes));
  writer.u64(0);
  header.hash = xxh3_64(bytes, seed);
  writer.u64(header.hash);
  CHECK(bytes.size() == kBatchHeaderBytes);
  std::memcpy(out, bytes.data(), kBatchHeaderBytes);
}

namespace {

// The checksum is no proof against a hostile file: every field that sizes something is checked.
bool is_consistent(const BatchHeader& header) {
  if (header.raw_bytes > kPayloadBytesMax || header.stored_bytes > kPayloadBytesMax) return false;
  if (header.end() < header.base) return false;
  // A record takes at least its length byte.
  if (header.record_count > header.raw_bytes) return false;
  if ((header.record_count == 0) != header.is_footer) return false;
  const std::uint64_t tag_bytes = header.is_encrypted ? crypto::kTagBytes : 0;
  return header.codec != Codec::kNone || header.raw_bytes + tag_bytes == header.stored_bytes;
}

}  // namespace

std::optional<BatchHeader> decode_batch_header(std::string_view bytes, std::uint64_t seed,
                                               std::uint16_t version) {
  BatchHeader header;
  header.version = version;
  const std::size_t size = header.header_bytes();
  if (bytes.size() < size) return std::nullopt;
  ByteReader reader(bytes);
  if (reader.raw(kBatchMagic.size()) != kBatchMagic) return std::nullopt;
  const std::uint16_t header_bytes = reader.u16();
  const std::uint8_t written_version = reader.u8();
  const std::uint8_t codec = reader.u8();
  header.codec = static_cast<Codec>(codec);
  header.stored_bytes = reader.u32();
  header.raw_bytes = reader.u32();
  header.base.value = reader.u64();
  header.record_count = reader.u32();
  const std::uint16_t flags = reader.u16();
  header.lane = reader.u16();
  header.segment_uid = reader.u64();
  header.append_wall_ns = reader.i64();
  header.durable.value = reader.u64();
  header.previous_hash = reader.u64();
  header.payload_hash = reader.u64();
  std::uint64_t zero = 0;
  if (version == 1) {
    zero = header.lane;
  } else {
    header.lane_sequence = reader.u64();
    const auto chain = reader.raw(kChainBytes);
    std::copy(chain.begin(), chain.end(), header.chain.begin());
    zero = reader.u64();
  }
  header.hash = reader.u64();
  if (header.hash != xxh3_64(bytes.substr(0, size - 8), seed)) return std::nullopt;
  const int known_flags = version == 1 ? 0 : kEncrypted | kChained | kFooter;
  const Codec last_codec = version == 1 ? Codec::kLz4 : Codec::kZstd;
  if (header_bytes != size || written_version != version || zero != 0) return std::nullopt;
  if ((flags & ~known_flags) != 0 || header.codec > last_codec) return std::nullopt;
  header.is_encrypted = (flags & kEncrypted) != 0;
  header.is_chained = (flags & kChained) != 0;
  header.is_footer = (flags & kFooter) != 0;
  if (!is_consistent(header)) return std::nullopt;
  return header;
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
