// SPDX-License-Identifier: Apache-2.0
#include "replay/answer_capture.h"

#include <algorithm>
#include <utility>

#include "core/base/vector16.h"

namespace banyan::replay {
namespace {

// Room that is kept from one answer to the next.
constexpr std::size_t kKeptBodyBytesMax = 16U << 10;

}  // namespace

void AnswerCapture::begin(const CaptureContext& context) {
  let_go();
  context_ = context;
  status_ = 0;
  http_version_ = 1;
  first_byte_ = Instant();
  length_ = recorded_ = 0;
  expected_bytes_ = 0;
  sequence_ = 0;
  digest_.reset();
  is_streaming_ = is_discarding_ = has_lost_bytes_ = false;
  fields_.clear();
}

void AnswerCapture::let_go() {
  lent_ = {};
  body_.clear();
  if (body_.capacity() > kKeptBodyBytesMax) body_ = std::string();
  if (held_ > 0) *context_.held_bytes -= std::exchange(held_, 0);
}

void AnswerCapture::on_head(const http::ResponseHead& head, Instant now) {
  status_ = static_cast<std::uint16_t>(head.status);
  http_version_ = model::http_version_number(head.version_major, head.version_minor);
  first_byte_ = now;
  keep(head.fields);
  if (head.framing == http::BodyFraming::kContentLength) {
    expected_bytes_ = std::min<std::uint64_t>(head.content_length, kInlineAnswerBytesMax);
  }
}

// The head's views die with the call's buffer; one string holds all of them.
void AnswerCapture::keep(const http::HeaderList& fields) {
  std::size_t bytes = 0;
  for (const http::Header& field : fields) bytes += field.name.size() + field.value.size();
  field_bytes_.resize(bytes);
  fields_.clear();
  fields_.reserve(fields.size());
  char* to = field_bytes_.data();
  const auto put = [&to](std::string_view text) {
    copy_short(to, text.data(), text.size());
    return std::string_view(std::exchange(to, to + text.size()), text.size());
  };
  const http::ConnectionFields connection(fields);
  for (const http::Header& field : fields) {
    if (connection.contains(field.name)) continue;
    const std::string_view name = put(field.name);
    fields_.push_back({name, put(field.value)});
  }
}

void AnswerCapture::on_body(std::string_view piece) {
  length_ += piece.size();
  if (is_discarding_) return;
  if (!is_streaming_) {
    if (hold(piece.size())) {
      if (body_.empty()) body_.reserve(expected_bytes_);
      body_.append(piece);
      return;
    }
    start_streaming();
  }
  stream(piece);
}

void AnswerCapture::on_last_body(std::string_view piece) {
  const bool is_whole = !is_discarding_ && !is_streaming_ && body_.empty();
  if (!is_whole || piece.size() > kInlineAnswerBytesMax) return on_body(piece);
  length_ += piece.size();
  lent_ = piece;
}

bool AnswerCapture::hold(std::size_t bytes) {
  const std::size_t size = body_.size() + bytes;
  if (size <= kInlineAnswerBytesMax) return true;
  const std::size_t more = size - std::max(body_.size(), kInlineAnswerBytesMax);
  if (context_.primary_body == nullptr || size > kHeldAnswerBytesMax ||
      *context_.held_bytes + more > kHeldAnswersBytesMax) {
    return false;
  }
  *context_.held_bytes += more;
  held_ += more;
  return true;
}

void AnswerCapture::stream(std::string_view piece) {
  digest_->update(piece);
  while (!piece.empty() && !has_lost_bytes_) {
    const std::size_t size = std::min(piece.size(), kAnswerChunkBytes - body_.size());
    body_.append(piece.substr(0, size));
    piece.remove_prefix(size);
    if (body_.size() == kAnswerChunkBytes) append_chunk(body_);
  }
}

void AnswerCapture::start_streaming() {
  is_streaming_ = true;
  digest_.emplace(context_.digest_seed);
  const std::string held = std::exchange(body_, std::string());
  let_go();
  stream(held);
}

void AnswerCapture::append_chunk(std::string_view bytes) {
  // A streamed body cannot be redacted: where a rule may apply nothing of it is recorded.
  const bool is_kept =
      !context_.redactor->has_body_rules() && recorded_ + bytes.size() <= context_.body_bytes_max;
  if (is_kept) {
    model::ChunkRecord chunk;
    chunk.exchange = context_.exchange;
    chunk.run = context_.run;
    chunk.side = model::Side::kShadow;
    chunk.sequence = sequence_++;
    chunk.bytes = bytes;
    chunk.of.key = context_.subject;
    if (model::append_record(*context_.sink, chunk).is_refused()) has_lost_bytes_ = true;
    recorded_ += bytes.size();
  } else {
    has_lost_bytes_ = true;
  }
  body_.clear();
}

// What may hold secrets goes through the redactor, at the price of a copy of the fields.
AnswerCapture::Kept AnswerCapture::redact(std::string_view body, model::RedactedMessage& redacted) {
  if (context_.redactor->is_clean("", fields_, body)) return {std::move(fields_), body, false};
  const std::string_view type = http::find_header(fields_, "content-type").value_or("");
  redacted = context_.redactor->redact(context_.exchange, "", fields_, body, type);
  return {std::move(redacted.fields), redacted.body, redacted.body_is_redacted};
}

Digest128 AnswerCapture::digest() const {
  return digest_ ? digest_->digest() : xxh3_128(whole_body(), context_.digest_seed);
}

bool AnswerCapture::stands_in_response() const {
  if (is_streaming_ || is_discarding_ || length_ == 0 || context_.primary_body == nullptr) {
    return false;
  }
  const model::Body& primary = *context_.primary_body;
  const bool is_stored =
      primary.kind == model::Body::Kind::kInline || primary.kind == model::Body::Kind::kChunks;
  return is_stored && primary.is_complete && primary.length == length_ &&
         primary.digest == digest();
}

void AnswerCapture::finish(const http::HeaderList& trailers, Instant now,
                           model::RedactedMessage& redacted, model::Answer& answer) {
  answer.system = context_.system;
  answer.status = status_;
  answer.http_version = http_version_;
  answer.trailers = trailers;
  answer.first_byte = first_byte_;
  answer.ended = now;
  const bool is_as_primary = stands_in_response();
  if (!is_as_primary && !is_streaming_ && body_.size() > kInlineAnswerBytesMax) start_streaming();
  Kept kept = redact(is_streaming_ || is_as_primary ? std::string_view() : whole_body(), redacted);
  answer.fields = std::move(kept.fields);
  model::Body& body = answer.body;
  body.length = length_;
  if (is_as_primary) {
    body = *context_.primary_body;
    body.kind = model::Body::Kind::kAsPrimary;
  } else if (is_streaming_) {
    if (!body_.empty() && !has_lost_bytes_) append_chunk(body_);
    body.digest = digest();
    body.kind = sequence_ > 0 ? model::Body::Kind::kChunks : model::Body::Kind::kNotRecorded;
    body.is_complete = !has_lost_bytes_;
  } else if (is_discarding_) {
    body.kind = model::Body::Kind::kNotRecorded;
    body.is_complete = false;
  } else if (!whole_body().empty()) {
    // A body that a rule applies to and that does not parse is left out whole.
    const bool is_left_out = kept.body_is_redacted && kept.body.empty();
    body.kind = is_left_out ? model::Body::Kind::kNotRecorded : model::Body::Kind::kInline;
    body.bytes = kept.body;
    body.is_redacted = kept.body_is_redacted;
    body.digest = digest();
  }
}

}  // namespace banyan::replay
