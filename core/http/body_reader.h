// SPDX-License-Identifier: Apache-2.0
//
// The body of one message by its framing.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "core/http/chunk_decoder.h"
#include "core/http/message.h"
#include "core/http/message_reader.h"

namespace banyan::http {

class BodyReader {
 public:
  void start(BodyFraming framing, std::uint64_t content_length);
  // kNeedMore, kBody, kComplete or kError.
  ReadEvent next(std::string_view& input, const ReadLimits& limits);
  std::string_view piece() const { return piece_; }
  // Behind kBody: nothing comes after this piece, so kComplete is next whatever the input holds.
  bool is_last_piece() const { return framing_ == BodyFraming::kContentLength && left_ == 0; }
  bool is_until_close() const { return framing_ == BodyFraming::kUntilClose; }
  const HeaderList& trailers() const;
  const ReadError& error() const { return error_; }
  void clear();

 private:
  ReadEvent next_until_close(std::string_view& input, const ReadLimits& limits);
  ReadEvent next_chunked(std::string_view& input, const ReadLimits& limits);

  BodyFraming framing_ = BodyFraming::kNone;
  std::uint64_t left_ = 0;   // kContentLength
  std::uint64_t total_ = 0;  // kUntilClose
  std::string_view piece_;
  std::unique_ptr<ChunkDecoder> chunks_;  // kChunked
  ReadError error_;
};

}  // namespace banyan::http
