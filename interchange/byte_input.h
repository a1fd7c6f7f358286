// SPDX-License-Identifier: Apache-2.0
//
// Where a file to import comes from, and cutting it into pieces without holding all of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace banyan::interchange {

// A stream of bytes; app implements it for files and standard input. One thread.
class ByteInput {
 public:
  virtual ~ByteInput() = default;
  // Replaces `piece` by the next bytes (some tens of KiB); false at the end.
  virtual Result<bool> read(std::string& piece) = 0;
};

// Bytes at hand, for tests.
class StringInput final : public ByteInput {
 public:
  // Answers pieces of `piece_bytes`.
  explicit StringInput(std::string_view bytes, std::size_t piece_bytes = 64 * 1024)
      : bytes_(bytes), piece_bytes_(piece_bytes) {}
  Result<bool> read(std::string& piece) override {
    piece = bytes_.substr(0, piece_bytes_);
    bytes_.remove_prefix(piece.size());
    return !piece.empty();
  }

 private:
  std::string_view bytes_;
  std::size_t piece_bytes_;
};

class BufferedInput {
 public:
  // `input` must outlive this object.
  explicit BufferedInput(ByteInput& input) : input_(input) {}

  enum class Cut {
    kFound,    // the separator was there and is taken too
    kEnd,      // the rest of the input, which may be empty, without one
    kTooLong,  // over bytes_max: it was skipped, with its separator
  };
  // The piece before the next `separator`; a view until the next call.
  Result<Cut> take_until(std::string_view separator, std::size_t bytes_max, std::string_view& out);

  // What is at hand from here on, read first where there is nothing; empty only at the end.
  Result<std::string_view> look();
  // At least `size` bytes, or all that is left.
  Result<std::string_view> look_ahead(std::size_t size);
  void consume(std::size_t size);

  std::uint64_t position() const { return position_; }  // of the next byte
  std::uint64_t line() const { return line_; }          // it is on, from 1

 private:
  Result<bool> fill();

  ByteInput& input_;
  std::string buffer_;
  std::size_t at_ = 0;  // before it all is consumed
  std::string piece_;
  std::uint64_t position_ = 0;
  std::uint64_t line_ = 1;
  bool is_at_end_ = false;
};

}  // namespace banyan::interchange
