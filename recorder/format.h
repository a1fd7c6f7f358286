// SPDX-License-Identifier: Apache-2.0
//
// The bytes of segments and batches; docs/formats/log.md explains them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/ids.h"

namespace banyan::recorder {

inline constexpr std::uint16_t kFormatVersion = 1;
inline constexpr std::uint64_t kSegmentHeaderBytes = 4096;
inline constexpr std::size_t kBatchHeaderBytes = 80;
inline constexpr std::size_t kBatchAlignment = 8;
inline constexpr std::size_t kBatchBytesTarget = 1U << 20;
inline constexpr std::size_t kRecordBytesMax = 16U << 20;
inline constexpr std::size_t kPayloadBytesMax = kRecordBytesMax + 16;  // one record and its length

struct SegmentHeader {
  std::string uuid;  // 16 bytes
  std::uint64_t uid = 0;
  Epoch epoch;
  Offset base;
  Offset previous_end;
  std::int64_t created_wall_ns = 0;
  bool operator==(const SegmentHeader&) const = default;

  std::uint64_t seed() const;  // of all checksums of batches
};

std::string encode(const SegmentHeader& header);
// `path` is for the message. kUnsupported for another format version, else kDamaged.
Result<SegmentHeader> decode_segment_header(std::string_view bytes, const std::string& path);

enum class Codec : std::uint8_t { kNone = 0, kLz4 = 1 };

struct BatchHeader {
  Codec codec = Codec::kNone;
  std::uint32_t stored_bytes = 0;
  std::uint32_t raw_bytes = 0;
  Offset base;
  std::uint32_t record_count = 0;
  std::uint64_t segment_uid = 0;
  std::int64_t append_wall_ns = 0;
  Position durable;
  std::uint64_t previous_hash = 0;
  std::uint64_t payload_hash = 0;
  std::uint64_t hash = 0;  // set by encode_batch_header and decode_batch_header
  bool operator==(const BatchHeader&) const = default;

  Offset end() const { return Offset{base.value + record_count}; }
};

// Writes kBatchHeaderBytes to `out` and sets header.hash.
void encode_batch_header(BatchHeader& header, std::uint64_t seed, char* out);
// nullopt for anything that is not a whole valid header. Reads the first kBatchHeaderBytes.
std::optional<BatchHeader> decode_batch_header(std::string_view bytes, std::uint64_t seed);
// Bytes that a batch with this payload takes in the file.
std::uint64_t batch_bytes(std::uint64_t stored_bytes);

std::string segment_name(Offset base);  // "00000000000000000042.seg"
std::optional<Offset> parse_segment_name(std::string_view name);
bool is_stream_name(std::string_view name);

}  // namespace banyan::recorder
