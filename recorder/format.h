// SPDX-License-Identifier: Apache-2.0
//
// The bytes of segments and batches; docs/formats/log.md explains them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/ids.h"

namespace banyan::recorder {

// What is written. Segments of every version from 1 on are read.
inline constexpr std::uint16_t kFormatVersion = 2;
inline constexpr std::uint64_t kSegmentHeaderBytes = 4096;
inline constexpr std::size_t kBatchHeaderBytes = 128;
inline constexpr std::size_t kBatchHeaderBytesV1 = 80;
inline constexpr std::size_t kBatchAlignment = 8;
inline constexpr std::size_t kCopyStepBytes =
    1U << 20;  // of a segment that is copied, in memory at once
inline constexpr std::size_t kBatchBytesTarget = 1U << 20;
inline constexpr std::size_t kRecordBytesMax = 16U << 20;
// One record and its length, and what encryption adds; a footer as well.
inline constexpr std::size_t kPayloadBytesMax = kRecordBytesMax + 32;
inline constexpr std::size_t kWrappedKeyBytes = 12 + 32 + 16;  // nonce, key, tag
inline constexpr std::size_t kKeyIdBytes = 16;
inline constexpr std::size_t kChainBytes = 32;

struct SegmentHeader {
  std::uint16_t version = kFormatVersion;
  std::string uuid;  // 16 bytes
  std::uint64_t uid = 0;
  Epoch epoch;
  Offset base;
  Offset previous_end;
  std::int64_t created_wall_ns = 0;
  std::string key_id;       // the key of the log that encryption or chain hang on; "" for neither
  std::string wrapped_key;  // the segment's data key, wrapped by that one; "": not encrypted
  // The chain of the last batch before this segment (zeros where it begins); "": not chained.
  std::string chain;
  // Read from what was left of a header with a wrong checksum; never written.
  bool is_damaged = false;
  bool operator==(const SegmentHeader&) const = default;

  std::uint64_t seed() const;  // of all checksums of batches
  bool is_encrypted() const { return !wrapped_key.empty(); }
  bool is_chained() const { return !chain.empty(); }
  std::size_t batch_header_bytes() const {
    return version == 1 ? kBatchHeaderBytesV1 : kBatchHeaderBytes;
  }
};

std::string encode(const SegmentHeader& header);
// From any sound one of its three readings: the whole, its fields, their copy. `path` is for the
// message. kUnsupported for another format version, else kDamaged.
Result<SegmentHeader> decode_segment_header(std::string_view bytes, const std::string& path);

enum class Codec : std::uint8_t { kNone = 0, kLz4 = 1, kZstd = 2 };

struct BatchHeader {
  std::uint16_t version = kFormatVersion;
  Codec codec = Codec::kNone;
  bool is_encrypted = false;
  bool is_chained = false;
  // Closes a sealed segment: no records; its payload is the SegmentFooter.
  bool is_footer = false;
  std::uint16_t lane = 0;           // 0: of the recorder itself
  std::uint64_t lane_sequence = 0;  // the place of the first record in its lane; in a footer random
  std::uint32_t stored_bytes = 0;
  std::uint32_t raw_bytes = 0;
  Offset base;
  std::uint32_t record_count = 0;
  std::uint64_t segment_uid = 0;
  std::int64_t append_wall_ns = 0;
  Position durable;
  std::uint64_t previous_hash = 0;
  std::uint64_t payload_hash = 0;
  std::array<char, kChainBytes> chain{};  // see LogKeys::chain()
  std::uint64_t hash = 0;                 // set by encode_batch_header and decode_batch_header
  bool operator==(const BatchHeader&) const = default;

  Offset end() const { return Offset{base.value + record_count}; }
  std::size_t header_bytes() const {
    return version == 1 ? kBatchHeaderBytesV1 : kBatchHeaderBytes;
  }
  // With its header and padding, in the file.
  std::uint64_t bytes() const;
  // What says the same wherever the batch is written: bound to an encrypted payload and part of the
  // chain.
  std::string fixed_fields() const;
};

// Writes kBatchHeaderBytes to `out` and sets header.hash.
void encode_batch_header(BatchHeader& header, std::uint64_t seed, char* out);
// nullopt for anything that is not a whole valid header of a segment of that version.
std::optional<BatchHeader> decode_batch_header(std::string_view bytes, std::uint64_t seed,
                                               std::uint16_t version = kFormatVersion);

std::string segment_name(Offset base);  // "00000000000000000042.seg"
std::optional<Offset> parse_segment_name(std::string_view name);
bool is_stream_name(std::string_view name);

}  // namespace banyan::recorder
