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

namespace banyan::recorder {

class SegmentReader {
 public:
  struct Batch {
    BatchHeader header;
    Position position;
    Position end;
    std::string_view payload;  // decompressed; valid until the reader's next call
  };
  enum class Found {
    kBatch,
    kEnd,  // the file ends exactly here
    kBad,  // bytes follow that are no whole valid batch
  };
  enum class Check { kHeader, kAll };

  SegmentReader(std::shared_ptr<const File> file, const SegmentHeader& header);

  Position position() const { return at_; }
  void seek(Position position) { at_ = position; }
  // Drops what was read ahead: the file may have grown since.
  void forget() { buffer_.clear(); }

  // Steps over the batch it found; stays where it is otherwise. Errors are errors of the disk.
  // With Check::kHeader the payload is neither read nor given.
  Result<Found> next(Batch& out, Check check = Check::kAll);

  // Moves to the next place behind the present one where a whole valid batch of an offset >=
  // `least` stands. False, and stays, where there is none.
  Result<bool> resync(Offset least);

 private:
  // Bytes [position, position + size), fewer at the end of the file.
  Result<std::string_view> view(Position position, std::size_t size);

  const std::shared_ptr<const File> file_;
  const std::uint64_t seed_;
  const std::uint64_t uid_;
  Position at_{kSegmentHeaderBytes};
  std::string buffer_;
  Position buffer_at_;
  std::size_t step_;
  std::string raw_;
};

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
