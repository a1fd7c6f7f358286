// SPDX-License-Identifier: Apache-2.0
#include "core/http/chunk_decoder.h"

#include <algorithm>
#include <limits>

#include "core/http/char_classes.h"
#include "core/http/head_parser.h"

namespace banyan::http {
namespace {

constexpr int kSizeDigitsMax = 16;
constexpr std::uint64_t kBodyMax = std::numeric_limits<std::int64_t>::max();

std::uint64_t hex_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint64_t>(c - '0');
  return static_cast<std::uint64_t>((c | 0x20) - 'a') + 10;
}

}  // namespace

void ChunkDecoder::fail(int status, std::string_view code, std::string message) {
  error_ = refuse(status, code, std::move(message));
  state_ = State::kError;
}

ChunkDecoder::Outcome ChunkDecoder::next(std::string_view& input, const ReadLimits& limits) {
  while (state_ != State::kTrailers && state_ != State::kDone && state_ != State::kError) {
    if (input.empty()) return Outcome::kNeedMore;
    if (state_ == State::kData) {
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size()));
      data_ = input.substr(0, size);
      input.remove_prefix(size);
      left_ -= size;
      if (left_ == 0) state_ = State::kDataCr;
      return Outcome::kData;
    }
    const char c = input.front();
    input.remove_prefix(1);
    step(c, limits);
  }
  if (state_ == State::kTrailers) return read_trailers(input, limits);
  return state_ == State::kDone ? Outcome::kDone : Outcome::kError;
}

void ChunkDecoder::step(char c, const ReadLimits& limits) {
  switch (state_) {
    case State::kSizeStart:
    case State::kSize: return step_size(c, limits);
    case State::kSizeLf:
      if (c != '\n') return fail(400, "bad_chunk_line", "a chunk's size line does not end in CRLF");
      return end_size_line(limits);
    case State::kDataCr:
      if (c != '\r') return fail(400, "bad_chunk_end", "a chunk's data is not followed by CRLF");
      state_ = State::kDataLf;
      return;
    case State::kDataLf:
      if (c != '\n') return fail(400, "bad_chunk_end", "a chunk's data is not followed by CRLF");
      state_ = State::kSizeStart;
      left_ = 0;
      digits_ = 0;
      return;
    default: return step_extension(c, limits);
  }
}

void ChunkDecoder::step_size(char c, const ReadLimits& limits) {
  (void)limits;
  if (is_hex_digit(c)) {
    if (++digits_ > kSizeDigitsMax) {
      return fail(400, "bad_chunk_size", "a chunk size has more than 16 digits");
    }
    left_ = left_ << 4 | hex_value(c);
    state_ = State::kSize;
    return;
  }
  if (state_ == State::kSizeStart) {
    return fail(400, "bad_chunk_size", "a chunk size does not begin with a hex digit");
  }
  after_element(c);
}

// What may stand behind a size, an extension's name or its value.
void ChunkDecoder::after_element(char c) {
  if (c == '\r') {
    state_ = State::kSizeLf;
  } else if (c == ';') {
    state_ = State::kExtensionName;
    is_name_empty_ = true;
    ++extension_bytes_;
  } else {
    fail(400, "bad_chunk_line", "a chunk's size line holds a byte that may not stand there");
  }
}

void ChunkDecoder::step_extension(char c, const ReadLimits& limits) {
  if (++extension_bytes_ > limits.chunk_extension_bytes_max) {
    return fail(400, "chunk_extensions_too_large", "the chunk extensions are over their limit");
  }
  const bool is_token_char = internal::is_of(c, internal::kToken);
  switch (state_) {
    case State::kExtensionName:
      if (is_token_char) {
        is_name_empty_ = false;
      } else if (is_name_empty_) {
        fail(400, "bad_chunk_extension", "a chunk extension has no name");
      } else if (c == '=') {
        state_ = State::kExtensionValueStart;
      } else {
        after_element(c);
      }
      return;
    case State::kExtensionValueStart:
      if (c == '"') {
        state_ = State::kQuoted;
      } else if (is_token_char) {
        state_ = State::kExtensionValue;
      } else {
        fail(400, "bad_chunk_extension", "a chunk extension has no value");
      }
      return;
    case State::kExtensionValue:
      if (!is_token_char) after_element(c);
      return;
    case State::kQuoted:
      if (c == '"') {
        state_ = State::kQuotedEnd;
      } else if (c == '\\') {
        state_ = State::kQuotedPair;
      } else if (!internal::is_of(c, internal::kValue)) {
        fail(400, "bad_chunk_extension", "a chunk extension holds a control byte");
      }
      return;
    case State::kQuotedPair:
      if (!internal::is_of(c, internal::kValue)) {
        return fail(400, "bad_chunk_extension", "a chunk extension holds a control byte");
      }
      state_ = State::kQuoted;
      return;
    default:  // kQuotedEnd; the other states never come here
      return after_element(c);
  }
}

void ChunkDecoder::end_size_line(const ReadLimits& limits) {
  if (left_ == 0) {
    state_ = State::kTrailers;
    return;
  }
  const std::uint64_t bytes_max = limits.body_bytes_max == 0 ? kBodyMax : limits.body_bytes_max;
  if (left_ > bytes_max - std::min(total_, bytes_max)) {
    const bool is_over_limit = limits.body_bytes_max != 0;
    return fail(is_over_limit ? 413 : 400, is_over_limit ? "body_too_large" : "bad_chunk_size",
                "the body is over its limit");
  }
  total_ += left_;
  state_ = State::kData;
}

ChunkDecoder::Outcome ChunkDecoder::read_trailers(std::string_view& input,
                                                  const ReadLimits& limits) {
  if (input.empty()) return Outcome::kNeedMore;
  const HeadBuffer::Limits bounds{limits.trailer_bytes_max, limits.line_bytes_max, false};
  switch (trailer_bytes_.take(input, bounds)) {
    case HeadBuffer::Outcome::kNeedMore: return Outcome::kNeedMore;
    case HeadBuffer::Outcome::kBareLf:
      fail(400, "bare_lf", "a line feed without a carriage return in the trailers");
      return Outcome::kError;
    case HeadBuffer::Outcome::kTooLong:
    case HeadBuffer::Outcome::kLineTooLong:
      fail(431, "trailers_too_large", "the trailers are over their limit");
      return Outcome::kError;
    case HeadBuffer::Outcome::kReady: break;
  }
  FieldRules rules;
  rules.fields_max = limits.fields_max;
  if (auto refused = parse_fields(trailer_bytes_.bytes(), rules, trailers_)) {
    error_ = *refused;
    state_ = State::kError;
    return Outcome::kError;
  }
  std::erase_if(trailers_, [](const Header& field) { return !is_allowed_in_trailers(field.name); });
  state_ = State::kDone;
  return Outcome::kDone;
}

}  // namespace banyan::http
