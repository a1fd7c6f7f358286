// SPDX-License-Identifier: Apache-2.0
//
// Strict incremental decoder of a chunked body (RFC 9112 section 7.1; why it is our own:
// docs/decisions/0001-own-chunk-decoder.md). Data comes out as views of the input; extensions are
// checked, bounded and dropped; trailers are kept apart and filtered.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/http/head_buffer.h"
#include "core/http/message.h"
#include "core/http/message_reader.h"

namespace banyan::http {

class ChunkDecoder {
 public:
  enum class Outcome { kNeedMore, kData, kDone, kError };

  // Consumes from the front of `input`. After kData data() views what was consumed; after kDone
  // trailers() are complete and the rest of `input` belongs to the next message.
  Outcome next(std::string_view& input, const ReadLimits& limits);
  std::string_view data() const { return data_; }
  const HeaderList& trailers() const { return trailers_; }
  const ReadError& error() const { return error_; }

 private:
  enum class State {
    kSizeStart,  // the first digit of a size
    kSize,
    kExtensionName,
    kExtensionValueStart,
    kExtensionValue,
    kQuoted,
    kQuotedPair,
    kQuotedEnd,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailers,
    kDone,
    kError,
  };

  void step(char c, const ReadLimits& limits);
  void step_size(char c, const ReadLimits& limits);
  void step_extension(char c, const ReadLimits& limits);
  void after_element(char c);
  void end_size_line(const ReadLimits& limits);
  Outcome read_trailers(std::string_view& input, const ReadLimits& limits);
  void fail(int status, std::string_view code, std::string message);

  State state_ = State::kSizeStart;
  std::uint64_t left_ = 0;  // of this chunk
  int digits_ = 0;
  std::uint64_t total_ = 0;
  std::size_t extension_bytes_ = 0;
  bool is_name_empty_ = true;
  std::string_view data_;
  HeadBuffer trailer_bytes_;
  HeaderList trailers_;
  ReadError error_;
};

}  // namespace banyan::http
