// SPDX-License-Identifier: Apache-2.0
#include "core/http/body_reader.h"

#include <algorithm>

#include "core/http/head_parser.h"

namespace banyan::http {

void BodyReader::start(BodyFraming framing, std::uint64_t content_length) {
  framing_ = framing;
  left_ = content_length;
  total_ = 0;
  if (framing == BodyFraming::kChunked) chunks_ = std::make_unique<ChunkDecoder>();
}

void BodyReader::clear() {
  framing_ = BodyFraming::kNone;
  piece_ = {};
  chunks_.reset();
}

const HeaderList& BodyReader::trailers() const {
  static const HeaderList kEmpty;
  return chunks_ ? chunks_->trailers() : kEmpty;
}

ReadEvent BodyReader::next(std::string_view& input, const ReadLimits& limits) {
  switch (framing_) {
    case BodyFraming::kNone: return ReadEvent::kComplete;
    case BodyFraming::kContentLength: {
      if (left_ == 0) return ReadEvent::kComplete;
      if (input.empty()) return ReadEvent::kNeedMore;
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
      piece_ = input.substr(0, size);
      input.remove_prefix(size);
      left_ -= size;
      return ReadEvent::kBody;
    }
    case BodyFraming::kChunked: return next_chunked(input, limits);
    case BodyFraming::kUntilClose: return next_until_close(input, limits);
  }
  return ReadEvent::kError;
}

ReadEvent BodyReader::next_chunked(std::string_view& input, const ReadLimits& limits) {
  switch (chunks_->next(input, limits)) {
    case ChunkDecoder::Outcome::kNeedMore: return ReadEvent::kNeedMore;
    case ChunkDecoder::Outcome::kData: piece_ = chunks_->data(); return ReadEvent::kBody;
    case ChunkDecoder::Outcome::kDone: return ReadEvent::kComplete;
    case ChunkDecoder::Outcome::kError: break;
  }
  error_ = chunks_->error();
  return ReadEvent::kError;
}

ReadEvent BodyReader::next_until_close(std::string_view& input, const ReadLimits& limits) {
  if (input.empty()) return ReadEvent::kNeedMore;
  total_ += input.size();
  if (limits.body_bytes_max != 0 && total_ > limits.body_bytes_max) {
    error_ = refuse(413, "body_too_large", "the body is over its limit");
    return ReadEvent::kError;
  }
  piece_ = input;
  input = {};
  return ReadEvent::kBody;
}

}  // namespace banyan::http
