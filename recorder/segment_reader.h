// SPDX-License-Identifier: Apache-2.0
//
// Walks the batches of one segment file, checking each, and finds the way again behind damage.
// Knows nothing of fences or streams: recovery, verify and sources build on it. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/file_system.h"
#include "recorder/format.h"
#include "recorder/log_keys.h"

namespace banyan::recorder {

class SegmentReader {
 public:
  struct Batch {
    BatchHeader header;
    Position position;
    Position end;
    // Both valid until the reader's next call, where they were checked.
    std::string_view stored;   // as in the file
    std::string_view payload;  // decrypted and decompressed
  };
  enum class Found {
    kBatch,
    kEnd,  // the file ends exactly here, or its footer begins
    kBad,  // bytes follow that are no whole valid batch
  };
  enum class Check {
    kHeader,  // the payload is neither read nor given
    kStored,  // the payload's checksum holds; it is not given
    kAll,
  };

  // `key` is that of the segment (LogKeys::unwrap()); null where it is not encrypted.
  SegmentReader(std::shared_ptr<const File> file, const SegmentHeader& header,
                std::shared_ptr<const DataKey> key);

  Position position() const { return at_; }
  void seek(Position position) { at_ = position; }
  // Drops what was read ahead: the file may have grown since.
  void forget() { buffer_.clear(); }

  // Steps over the batch it found; stays where it is otherwise. Errors are errors of the disk.
  Result<Found> next(Batch& out, Check check = Check::kAll);

  // The payload of the footer at the present place, checked; kDamaged where there is no whole one.
  Result<std::string_view> footer();

  // Moves to the next place behind the present one where a whole batch (by its checksums) of an
  // offset >= `least` stands. False, and stays, where there is none.
  Result<bool> resync(Offset least);

 private:
  // Bytes [position, position + size), fewer at the end of the file.
  Result<std::string_view> view(Position position, std::size_t size);
  // False where the stored bytes are not there, or are not those that the header promises.
  Result<bool> read_payload(Batch& out, Check check);

  const std::shared_ptr<const File> file_;
  const std::uint16_t version_;
  const std::size_t header_bytes_;
  const std::string uuid_;
  const std::uint64_t seed_;
  const std::uint64_t uid_;
  const std::shared_ptr<const DataKey> key_;
  Position at_{kSegmentHeaderBytes};
  std::string buffer_;
  Position buffer_at_;
  std::size_t step_;
  std::string plain_;
  std::string raw_;
};

// kDamaged and kUnsupported as decode_segment_header() has it, else errors of the disk.
Result<SegmentHeader> read_segment_header(FileSystem& files, const std::string& path);

// What is looked at of each record: kind, exchange, times.
inline constexpr std::size_t kRecordStartBytes = 192;

// Walks the records of a payload.
class PayloadReader {
 public:
  PayloadReader() = default;
  explicit PayloadReader(std::string_view payload) : rest_(payload) {}
  // False at the end, or where the payload is malformed (is_damaged() then).
  bool next(std::string_view& record);
  bool is_damaged() const { return is_damaged_; }

 private:
  std::string_view rest_;
  bool is_damaged_ = false;
};

}  // namespace banyan::recorder
