// SPDX-License-Identifier: Apache-2.0
#include "core/net/http1_link.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include "core/base/check.h"
#include "core/http/message_writer.h"
#include "core/net/upstream_call.h"
#include "core/net/upstream_pool.h"

namespace banyan::net {

Http1Link::Http1Link(UpstreamPoolImpl& pool, ShelfPlace place, std::string source, Channel channel)
    : UpstreamLink(pool, std::move(place), std::move(source)),
      channel_(std::move(channel)),
      reader_(pool.options().limits) {
  watch_.emplace(
      pool_.loop(), channel_.fd(), [this](FdWatch::Ready ready) { on_ready(ready); },
      channel_.is_secure() ? FdWatch::Receives::kUntold : FdWatch::Receives::kTold);
  timer_.emplace(pool_.loop(), [this] { on_timeout(); });
  watch_->want_read(true);
}

void Http1Link::attach(UpstreamCallImpl& call) {
  CHECK(call_ == nullptr && state_ == State::kIdle);
  call_ = &call;
  call.attach_to(*this);
  state_ = State::kBusy;
  has_final_head_ = false;
  informational_ = 0;
  reader_.expect_answer_to(call.request_.method, call.request_.upgrades);
  is_send_due_ = true;
  pool_.send_at_turn_end(*this);
  if (call.is_paused_) watch_->want_read(false);
}

void Http1Link::send_due() {
  is_send_due_ = false;
  after_send(send_request());
  call_->unsent_ = std::string();
  call_->tell_if_writable_later();
}

// What there is of the request so far, in one system call.
OutputBuffer::Outcome Http1Link::send_request() {
  const UpstreamRequest& request = call_->request_;
  if (!request.streams_body || !request.is_chunked) {
    return out_.send(channel_, {request.head, request.body, call_->unsent_});
  }
  std::string before, behind;
  if (!call_->unsent_.empty()) {
    http::write_chunk_head(before, call_->unsent_.size());
    behind = http::kChunkEnd;
  }
  if (call_->is_body_finished_) http::write_last_chunk(behind, call_->unsent_trailers());
  return out_.send(channel_, {request.head, before, call_->unsent_, behind});
}

// A broken connection is not reported here but by the read event that follows: it may still hold an
// answer, sent before the request was read to its end.
void Http1Link::after_send(OutputBuffer::Outcome outcome) {
  if (outcome == OutputBuffer::Outcome::kBroken) is_send_broken_ = true;
  if (out_.sent_bytes() > sent_before_) {
    sent_before_ = out_.sent_bytes();
    call_->any_byte_sent_ = true;
  }
  want_write();
  if (shuts_down_when_drained_ && out_.is_empty()) {
    shuts_down_when_drained_ = false;
    channel_.shut_down_sending();
  }
  start_timer();
}

void Http1Link::want_write() {
  watch_->want_write(!out_.is_empty() || channel_.read_needs_write());
}

void Http1Link::send_body(UpstreamCallImpl&, std::string_view bytes) {
  if (is_send_broken_) return;
  if (state_ == State::kTunnel || !call_->request_.is_chunked) {
    return after_send(out_.send(channel_, bytes));
  }
  std::string chunk_head;  // So short that it needs no memory.
  http::write_chunk_head(chunk_head, bytes.size());
  after_send(out_.send(channel_, {chunk_head, bytes, http::kChunkEnd}));
}

void Http1Link::finish_body(UpstreamCallImpl&, const http::HeaderList& trailers) {
  if (is_send_broken_) return;
  if (state_ == State::kTunnel) {
    shuts_down_when_drained_ = true;
    return after_send(out_.is_empty() ? OutputBuffer::Outcome::kSent
                                      : OutputBuffer::Outcome::kWaiting);
  }
  if (!call_->request_.is_chunked) return start_timer();
  std::string last_chunk;
  http::write_last_chunk(last_chunk, trailers);
  after_send(out_.send(channel_, last_chunk));
}

void Http1Link::start_timer() {
  const UpstreamOptions& options = pool_.options();
  if (state_ == State::kTunnel) {
    timer_->start(options.tunnel_idle_ns);
  } else if (has_final_head_) {
    if (!call_->is_paused_) timer_->start(options.idle_timeout_ns);
  } else if (!out_.is_empty()) {
    timer_->start(options.idle_timeout_ns);
  } else {
    const std::int64_t own = call_->request_.first_byte_timeout_ns;
    timer_->start(own > 0 ? own : options.first_byte_timeout_ns);
  }
}

void Http1Link::set_paused(UpstreamCallImpl&, bool paused) {
  if (state_ != State::kBusy && state_ != State::kTunnel) return;
  watch_->want_read(!paused);
  if (!paused && channel_.has_buffered_input()) read_on_later();
  if (!has_final_head_) return;
  if (!paused) {
    start_timer();
  } else if (state_ == State::kBusy) {
    timer_->stop();
  }
}

void Http1Link::on_timeout() {
  switch (state_) {
    case State::kIdle: return close();
    case State::kTunnel:
      return fail(UpstreamFailureKind::kIdleTimeout, "silence on both sides of the tunnel");
    case State::kBusy:
      if (has_final_head_) {
        return fail(UpstreamFailureKind::kIdleTimeout, "silence in the middle of the answer");
      }
      if (!out_.is_empty()) {
        return fail(UpstreamFailureKind::kRequestStall, "the system does not read the request");
      }
      return fail(UpstreamFailureKind::kFirstByteTimeout, "no answer in time");
    case State::kFinishing:
    case State::kClosed: return;
  }
}

void Http1Link::on_ready(FdWatch::Ready ready) {
  if (ready == FdWatch::Ready::kRead) return on_readable();
  const bool reads_on = channel_.read_needs_write();
  on_writable();
  if (reads_on && state_ != State::kClosed) on_readable();
}

void Http1Link::on_writable() {
  if (state_ != State::kBusy && state_ != State::kTunnel) {
    watch_->want_write(channel_.read_needs_write());
    return;
  }
  after_send(out_.flush(channel_));
  call_->tell_if_writable(out_.waiting_bytes());
}

void Http1Link::on_readable() {
  const Received received = channel_.receive(pool_.loop().scratch(), EventLoop::kScratchBytes);
  watch_->note_receive(EventLoop::kScratchBytes, received);
  switch (received.outcome) {
    case ReceiveOutcome::kWouldBlock: return want_write();
    case ReceiveOutcome::kBytes: break;
    case ReceiveOutcome::kClosed: return peer_closed(0);
    case ReceiveOutcome::kFailed: return peer_closed(received.failed_errno);
  }
  switch (state_) {
    case State::kBusy:
      // Bytes that were there before the request are never its answer.
      if (is_send_due_) return peer_closed(EPROTO);
      call_->any_byte_received_ = true;
      feed(received.bytes);
      break;
    case State::kTunnel:
      start_timer();
      call_->handler_.on_body(received.bytes);
      break;
    default: return close();  // Bytes that nobody asked for are never anybody's answer.
  }
  if (state_ != State::kClosed && channel_.has_buffered_input()) read_on_later();
}

// What TLS holds decrypted makes no socket readable. Others get their turn in between.
void Http1Link::read_on_later() {
  if (!self_) self_ = std::make_shared<Http1Link*>(this);
  pool_.loop().post([weak = std::weak_ptr<Http1Link*>(self_)] {
    const auto self = weak.lock();
    if (!self) return;
    Http1Link& link = **self;
    if (link.state_ == State::kClosed || !link.channel_.has_buffered_input()) return;
    if (link.call_ != nullptr && link.call_->is_paused_) return;  // Resuming posts again.
    link.on_readable();
  });
}

void Http1Link::feed(std::string_view input) {
  // The handler may cancel the call in any callback; the state tells.
  while (state_ == State::kBusy) {
    switch (reader_.next(input)) {
      case http::ReadEvent::kNeedMore:
        if (has_final_head_) start_timer();
        return;
      case http::ReadEvent::kHead:
        if (!deliver_head(input)) return;
        break;
      case http::ReadEvent::kBody:
        if (reader_.is_last_piece()) {
          call_->handler_.on_last_body(reader_.body());
        } else {
          call_->handler_.on_body(reader_.body());
        }
        break;
      case http::ReadEvent::kComplete:
        if (has_final_head_) return complete(!input.empty());
        reader_.reset();
        break;
      case http::ReadEvent::kError:
        call_->refusal_ = &reader_.error();
        return fail(UpstreamFailureKind::kBadAnswer, reader_.error().message);
    }
  }
}

// False once the reader has nothing to do any more.
bool Http1Link::deliver_head(std::string_view& input) {
  const http::ResponseHead& head = reader_.head();
  if (head.status >= 200) {
    has_final_head_ = true;
    pool_.answered(shelf_, head.status);
    call_->handler_.on_head(head);
    return state_ == State::kBusy;
  }
  if (head.status == 101 && call_->request_.upgrades) {
    open_tunnel(input);
    return false;
  }
  if (++informational_ > kInformationalMax) {
    fail(UpstreamFailureKind::kBadAnswer, "more interim answers than the limit of 16");
    return false;
  }
  call_->handler_.on_informational(head);
  return state_ == State::kBusy;
}

// What came behind the 101 belongs to the new protocol already.
void Http1Link::open_tunnel(std::string_view behind) {
  if (!call_->is_request_sent()) {
    return fail(UpstreamFailureKind::kBadAnswer, "an upgrade before the request was whole");
  }
  pool_.answered(shelf_, 101);
  has_final_head_ = true;
  state_ = State::kTunnel;
  call_->is_body_finished_ = false;
  start_timer();
  call_->handler_.on_upgraded(reader_.head());
  if (state_ == State::kTunnel && !behind.empty()) call_->handler_.on_body(behind);
}

void Http1Link::complete(bool has_more_bytes) {
  const bool is_reusable = reader_.head().keep_alive && !has_more_bytes &&
                           !channel_.has_buffered_input() && call_->is_request_sent();
  UpstreamCallHandler& handler = call_->handler_;
  detach();
  timer_->stop();
  // Views of the head stay valid over the callback. A call it starts may have this connection.
  state_ = State::kFinishing;
  if (is_reusable) pool_.set_finishing(this);
  handler.on_complete(reader_.trailers());
  if (is_reusable) pool_.set_finishing(nullptr);
  if (!is_reusable) return close();
  reader_.reset();
  state_ = State::kIdle;
  is_reused_ = true;
  watch_->want_read(true);  // It may have been paused.
  timer_->start(pool_.options().keep_alive_ns);
  pool_.now_idle(*this);
}

void Http1Link::peer_closed(int failed_errno) {
  if (state_ == State::kTunnel && failed_errno == 0) {
    UpstreamCallHandler& handler = call_->handler_;
    detach();
    state_ = State::kFinishing;
    handler.on_complete({});
    return close();
  }
  if (state_ != State::kBusy && state_ != State::kTunnel) return close();
  // A reset never becomes a proper end, also not of a body that lasts until the close.
  if (state_ == State::kBusy && failed_errno == 0 &&
      reader_.finish_at_close() == http::ReadEvent::kComplete) {
    return complete(true);
  }
  const auto passes_over = [&] {
    return pool_.passes_over(shelf(), failed_errno == 0
                                          ? "closed without an answer"
                                          : std::generic_category().message(failed_errno));
  };
  if (state_ == State::kBusy && call_->may_retry() && (is_reused_ || passes_over())) {
    UpstreamCallImpl& call = detach();
    close();
    return pool_.retry(call);
  }
  if (failed_errno == 0) return fail(UpstreamFailureKind::kReset, reader_.error().message);
  std::string message = "the connection was lost: " + std::generic_category().message(failed_errno);
  if (channel_.tls() != nullptr && !channel_.tls()->failure_message().empty()) {
    message += "; " + channel_.tls()->failure_message();
  }
  fail(UpstreamFailureKind::kReset, std::move(message));
}

UpstreamCallImpl& Http1Link::detach() {
  UpstreamCallImpl& call = *call_;
  call.detach();
  call_ = nullptr;
  return call;
}

void Http1Link::fail(UpstreamFailureKind kind, std::string message) {
  pool_.failed(shelf_, kind, message);
  UpstreamCallImpl& call = detach();
  close();
  call.fail(kind, std::move(message));
}

void Http1Link::given_up(UpstreamCallImpl&) {
  pool_.failed(
      shelf_,
      has_final_head_ ? UpstreamFailureKind::kIdleTimeout : UpstreamFailureKind::kFirstByteTimeout,
      "the request's own deadline passed");
}

void Http1Link::cancel(UpstreamCallImpl&) {
  call_ = nullptr;
  close();
}

void Http1Link::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  if (is_send_due_) pool_.forget_send(*this);
  self_.reset();
  watch_.reset();
  timer_.reset();
  channel_.close();
  pool_.closed(*this);
}

}  // namespace banyan::net
