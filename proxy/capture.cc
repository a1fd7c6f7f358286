// SPDX-License-Identifier: Apache-2.0
#include "proxy/capture.h"

#include <algorithm>
#include <utility>

namespace banyan::proxy {
namespace {

constexpr std::size_t kChunkBytesMax = 256 * 1024;
// Small pieces are collected, so that a slow stream of lines is not a record a line.
constexpr std::size_t kCollectedBytes = 64 * 1024;
constexpr std::size_t kDirectBytes = 16 * 1024;
constexpr std::size_t kKeptCaptureBytes = 16 * 1024;

}  // namespace

std::string ByteBudget::take_room() {
  if (rooms_.empty()) return {};
  std::string room = std::move(rooms_.back());
  rooms_.pop_back();
  room_bytes_ -= room.capacity();
  return room;
}

void ByteBudget::give_room(std::string room) {
  if (room.capacity() <= kKeptCaptureBytes) return;
  if (room.capacity() > kRoomBytesMax - room_bytes_) return;
  room.clear();
  room_bytes_ += room.capacity();
  rooms_.push_back(std::move(room));
}

void Capture::start(Mode mode, ExchangeId exchange, model::Side side, std::string_view subject) {
  clear();
  subject_ = subject;
  mode_ = mode;
  exchange_ = exchange;
  side_ = side;
  switch (mode) {
    case Mode::kInlineFirst:
    case Mode::kInlineOrNone: state_ = State::kInline; break;
    case Mode::kChunks:
      state_ = State::kChunks;
      digest_.emplace(limits_.digest_seed);
      break;
    case Mode::kMeasureOnly:
      state_ = State::kMeasure;
      digest_.emplace(limits_.digest_seed);
      break;
    case Mode::kNothing: state_ = State::kNothing; break;
  }
}

void Capture::add(std::string_view piece) {
  length_ += piece.size();
  switch (state_) {
    case State::kInline: add_inline(piece); break;
    case State::kChunks:
      digest_->update(piece);
      add_chunk(piece);
      break;
    case State::kMeasure: digest_->update(piece); break;
    case State::kNothing:
    case State::kIdle: break;
  }
}

void Capture::lend(std::string_view piece) {
  if (state_ != State::kInline || !bytes_.empty() || piece.size() > limits_.inline_max) {
    return add(piece);
  }
  length_ += piece.size();
  lent_ = piece;
}

void Capture::keep_lent() {
  if (!lent_.empty()) add_inline(std::exchange(lent_, {}));
}

void Capture::add_inline(std::string_view piece) {
  if (bytes_.size() + piece.size() <= limits_.inline_max && hold(piece.size())) {
    const bool grows_large =
        bytes_.capacity() <= kKeptCaptureBytes && bytes_.size() + piece.size() > kKeptCaptureBytes;
    if (grows_large) {
      std::string room = budget_.take_room();
      room.append(bytes_);
      bytes_ = std::move(room);
    }
    bytes_.append(piece);
    return;
  }
  leave_inline();
  digest_->update(piece);
  if (state_ == State::kChunks) add_chunk(piece);
}

void Capture::leave_inline() {
  digest_.emplace(limits_.digest_seed);
  digest_->update(bytes_);
  if (mode_ == Mode::kInlineFirst) {
    state_ = State::kChunks;
    std::string_view rest = bytes_;
    while (!rest.empty()) {
      const auto part = rest.substr(0, kChunkBytesMax);
      rest.remove_prefix(part.size());
      emit(part);
    }
  } else {
    state_ = State::kMeasure;
    has_lost_ = true;
  }
  budget_.give_room(std::exchange(bytes_, {}));
  release_held();
}

void Capture::add_chunk(std::string_view piece) {
  if (has_lost_) return;
  if (piece.size() < kDirectBytes && bytes_.size() + piece.size() <= kCollectedBytes &&
      hold(piece.size())) {
    bytes_.append(piece);
    return;
  }
  flush_pending();
  while (!piece.empty()) {
    const auto part = piece.substr(0, kChunkBytesMax);
    piece.remove_prefix(part.size());
    emit(part);
  }
}

void Capture::flush_pending() {
  if (!bytes_.empty()) emit(bytes_);
  bytes_.clear();
  release_held();
}

void Capture::emit(std::string_view bytes) {
  if (has_lost_) return;
  if (!has_room_for(bytes.size())) {
    has_lost_ = true;
    return;
  }
  model::ChunkRecord record;
  record.exchange = exchange_;
  record.side = side_;
  record.sequence = sequence_++;
  record.bytes = bytes;
  record.of.key = subject_;
  captured_ += bytes.size();
  if (model::append_record(sink_, record).is_refused()) has_lost_ = true;
}

model::Ticket Capture::finish_request(bool is_complete, const http::HeaderList& trailers) {
  if (state_ != State::kChunks) return {};
  model::ChunkRecord record;
  record.exchange = exchange_;
  record.side = side_;
  // What was collected becomes the last CHUNK itself, where it still fits.
  if (!has_lost_ && !has_room_for(bytes_.size())) has_lost_ = true;
  if (!has_lost_) record.bytes = bytes_;
  record.sequence = sequence_++;
  record.is_last = true;
  record.is_complete = is_complete && !has_lost_;
  record.length = length_;
  record.digest = digest_->digest();
  record.trailers = trailers;
  record.of.key = subject_;
  const model::Ticket ticket = model::append_record(sink_, record);
  state_ = State::kIdle;
  return ticket;
}

model::Body Capture::finish_answer(bool is_complete) {
  model::Body body;
  body.length = length_;
  body.is_complete = is_complete;
  if (length_ == 0 && is_complete) return body;
  switch (state_) {
    case State::kInline:
      body.kind = model::Body::Kind::kInline;
      body.bytes = inline_bytes();
      body.digest = digest();
      break;
    case State::kChunks:
      flush_pending();
      body.kind = model::Body::Kind::kChunks;
      body.digest = digest();
      body.is_complete = is_complete && !has_lost_;
      break;
    case State::kMeasure:
      body.kind = model::Body::Kind::kNotRecorded;
      body.digest = digest();
      break;
    case State::kNothing:
    case State::kIdle:
      body.kind = model::Body::Kind::kNotRecorded;
      body.length = 0;
      break;
  }
  return body;
}

void Capture::clear() {
  if (bytes_.capacity() > kKeptCaptureBytes) budget_.give_room(std::exchange(bytes_, {}));
  bytes_.clear();
  lent_ = {};
  release_held();
  digest_.reset();
  state_ = State::kIdle;
  mode_ = Mode::kNothing;
  length_ = captured_ = 0;
  sequence_ = 0;
  subject_ = {};
  has_lost_ = false;
}

Digest128 Capture::digest() const {
  return digest_ ? digest_->digest() : xxh3_128(inline_bytes(), limits_.digest_seed);
}

bool Capture::hold(std::size_t bytes) {
  if (!budget_.take(bytes)) return false;
  held_ += bytes;
  return true;
}

void Capture::release_held() {
  budget_.give(held_);
  held_ = 0;
}

void apply_redaction(const model::RedactedMessage& redacted, model::Body& body) {
  if (body.kind != model::Body::Kind::kInline || !redacted.body_is_redacted) return;
  body.is_redacted = true;
  body.bytes = redacted.body;
  if (body.bytes.empty()) body.kind = model::Body::Kind::kNotRecorded;
}

}  // namespace banyan::proxy
