// SPDX-License-Identifier: Apache-2.0
//
// The answers of HTTP/1 on their way out: framing, the held tail, and what the kernel did not take.
#include <sys/uio.h>

#include <algorithm>
#include <utility>

#include "core/http/message_writer.h"
#include "proxy/http1_connection.h"
#include "proxy/worker.h"

namespace banyan::proxy {
namespace {

constexpr std::size_t kDirectSendBytes = 8 * 1024;
constexpr std::size_t kEagerFlushBytes = 64 * 1024;

}  // namespace

// ---- messages

bool Http1Connection::client_is_1_0() const {
  return talk_ != nullptr && talk_->reader.head().version_minor == 0;
}

void Http1Connection::send_informational(int status, std::string_view reason,
                                         const http::HeaderList& fields) {
  write_informational(status, reason, fields, out_);
  flush_at_turn_end();
}

void Http1Connection::send_head(const ClientHead& head) {
  Http1Facts facts;
  facts.client_is_1_0 = client_is_1_0();
  facts.framing = framing_ = client_framing(head, facts.client_is_1_0);
  facts.keeps_alive = keeps_alive_ =
      head.keeps_alive && framing_ != ClientFraming::kUntilClose && !is_last_request();
  facts.writes_via = peer().writes_via;
  body_left_ = head.content_length;
  has_body_begun_ = false;
  head_position_ = appended_position();
  write_client_head(head, facts, out_);
  if (framing_ == ClientFraming::kNoBody ||
      (framing_ == ClientFraming::kContentLength && body_left_ == 0)) {
    hold_tail();  // The head is the last piece.
  }
  flush_at_turn_end();
}

void Http1Connection::send_body(std::string_view piece) {
  const bool is_first = !has_body_begun_;
  has_body_begun_ = true;
  if (framing_ == ClientFraming::kChunked) {
    http::write_chunk_head(out_, piece.size());
    out_.append(piece).append(http::kChunkEnd);
    if (has_waiting_beyond_tail()) flush();
  } else {
    if (framing_ == ClientFraming::kContentLength) {
      body_left_ -= std::min<std::uint64_t>(body_left_, piece.size());
      if (body_left_ == 0) hold_tail();
    }
    if (is_first && body_left_ == 0) {
      out_.append(piece);  // Head and whole body leave in one send.
    } else {
      send_piece(piece);
    }
  }
  flush_at_turn_end();
}

// A small piece is copied at less than what a further piece costs the kernel.
void Http1Connection::lend_body(std::string_view piece) {
  if (piece.size() < kDirectSendBytes || framing_ != ClientFraming::kContentLength ||
      piece.size() != body_left_ || is_broken_) {
    return send_body(piece);
  }
  has_body_begun_ = true;
  body_left_ = 0;
  hold_tail();
  lent_ = piece;
  flush_at_turn_end();
}

void Http1Connection::keep_lent() { out_.append(std::exchange(lent_, {})); }

void Http1Connection::send_end(const http::HeaderList& trailers) {
  hold_tail();
  if (framing_ == ClientFraming::kChunked) http::write_last_chunk(out_, trailers);
}

void Http1Connection::send_error(const ErrorAnswer& answer) {
  hold_tail();
  ErrorAnswer told = answer;
  told.keeps_alive = keeps_alive_ = answer.keeps_alive && !is_last_request();
  framing_ = ClientFraming::kContentLength;
  head_position_ = appended_position();
  write_error_answer(told, client_is_1_0(), out_);
}

void Http1Connection::send_upgrade(std::string_view protocol, const http::HeaderList& fields) {
  is_tunnel_ = true;
  framing_ = ClientFraming::kUntilClose;
  keeps_alive_ = false;
  body_left_ = 0;
  has_body_begun_ = true;  // Nothing waits for a whole body.
  head_position_ = appended_position();
  http::write_status_line(out_, 101, http::reason_phrase(101));
  for (const http::Header& field : fields) http::write_field(out_, field.name, field.value);
  http::write_field(out_, "Connection", "Upgrade");
  http::write_field(out_, "Upgrade", protocol);
  http::write_end_of_head(out_);
  flush_at_turn_end();
  // What the client has sent since its request is of the new protocol.
  wants_input_ = true;
}

void Http1Connection::take_back_head() {
  is_tunnel_ = false;
  lent_ = {};
  const std::uint64_t from = head_position_ - sent_bytes_;
  if (from < waiting_bytes()) out_.resize(out_at_ + static_cast<std::size_t>(from));
  head_position_ = kNoHead;
}

void Http1Connection::release_tail() {
  is_tail_held_ = false;
  // With other answers of this turn: many small packets in a row wake their receivers once.
  if (lent_.empty()) return flush_at_turn_end();
  flush();
  keep_lent();
}

void Http1Connection::forget_answer() {
  head_position_ = kNoHead;
  framing_ = ClientFraming::kNoBody;
  body_left_ = 0;
  keeps_alive_ = false;
}

// ---- bytes

void Http1Connection::send_piece(std::string_view piece) {
  if (is_broken_) return;
  if (is_tail_held_ || piece.size() < kDirectSendBytes || wants_write_) {
    out_.append(piece);
    if (!is_tail_held_ && waiting_bytes() >= kEagerFlushBytes) flush();
    return;
  }
  lent_ = piece;
  const net::Sent result = send_waiting(waiting_bytes());
  if (result.is_broken()) {
    note_broken();
    return;
  }
  note_sent(result.bytes);
  if (out_at_ == out_.size()) {
    out_.clear();
    out_at_ = 0;
  }
  keep_lent();
}

// The first so many of the bytes that wait.
net::Sent Http1Connection::send_waiting(std::size_t bytes) {
  const std::string_view own = std::string_view(out_).substr(out_at_, bytes);
  if (own.size() == bytes) return channel_.send(own);
  const iovec pieces[2] = {{const_cast<char*>(own.data()), own.size()},
                           {const_cast<char*>(lent_.data()), bytes - own.size()}};
  return channel_.send(pieces, 2);
}

void Http1Connection::note_sent(std::size_t bytes) {
  sent_bytes_ += bytes;
  const std::size_t own = std::min(bytes, out_.size() - out_at_);
  out_at_ += own;
  lent_.remove_prefix(bytes - own);
}

void Http1Connection::flush() {
  if (is_broken_ || is_closed_) return;
  const std::size_t held = is_tail_held_ ? kTailBytes : 0;
  while (waiting_bytes() > held) {
    // What is encrypted already cannot be held any more.
    const std::size_t size = std::max(waiting_bytes() - held, channel_.committed_bytes());
    const net::Sent sent = send_waiting(size);
    if (sent.is_broken()) {
      note_broken();
      return;
    }
    if (sent.bytes == 0) {
      want_write();
      break;
    }
    note_sent(sent.bytes);
    if (wants_write_) write_deadline_ns_ = now_ns() + worker_.shared().options.timeouts.write_ns;
  }
  if (out_at_ == out_.size()) {
    out_.clear();
    out_at_ = 0;
  } else if (out_at_ > kEagerFlushBytes) {
    out_.erase(0, out_at_);
    out_at_ = 0;
  }
  if (wants_write_ && waiting_bytes() <= held) {
    wants_write_ = false;
    write_deadline_ns_ = 0;
    answer_floor_.stop();
    if (!receives_next_turn_) watch_.want_write(false);
  }
}

void Http1Connection::want_write() {
  if (wants_write_) return;
  wants_write_ = true;
  write_deadline_ns_ = now_ns() + worker_.shared().options.timeouts.write_ns;
  taken_bytes_ =
      sent_bytes_ - std::min<std::uint64_t>(sent_bytes_, net::unacknowledged_bytes(channel_.fd()));
  answer_floor_.start(now_ns(), answer_rules());
  watch_.want_write(true);
}

void Http1Connection::on_writable() {
  if (std::exchange(receives_next_turn_, false)) {
    if (!wants_write_) watch_.want_write(false);
    if (is_reading_) on_readable();
    if (is_closed_) return;
  }
  flush();
  if (is_broken_ || is_closed_) return;
  if (has_exchange()) {
    talk_->exchange.on_output_progress();
  } else if (is_lingering_ && waiting_bytes() == 0) {
    channel_.shut_down_sending();
  }
}

// Told at the end of the turn, never from inside of the exchange's own work.
void Http1Connection::note_broken() {
  is_broken_ = true;
  out_.clear();
  out_at_ = 0;
  lent_ = {};
  watch_.want_write(false);
  write_deadline_ns_ = 0;
  mark_for_turn_end();
}

void Http1Connection::flush_at_turn_end() {
  wants_flush_ = true;
  mark_for_turn_end();
}

}  // namespace banyan::proxy
