// SPDX-License-Identifier: Apache-2.0
//
// The connection of an Http2Link: bytes, timers, its end. The streams are in http2_link_streams.cc.
#include "core/net/http2_link.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <system_error>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/net/http2_callbacks.h"
#include "core/net/upstream_call.h"
#include "core/net/upstream_pool.h"

namespace banyan::net {
namespace {

// Framed bytes that wait for the socket; more stay with their streams.
constexpr std::size_t kFramedBytesMax = 64 * 1024;

}  // namespace

void Http2Link::SessionFree::operator()(nghttp2_session* session) const {
  nghttp2_session_del(session);
}

Http2Link::Http2Link(UpstreamPoolImpl& pool, ShelfPlace place, std::string source, Channel channel)
    : UpstreamLink(pool, std::move(place), std::move(source)),
      session_(new_http2_client_session(*this)),
      channel_(std::move(channel)) {
  const auto head_bytes_max = static_cast<std::uint32_t>(pool_.options().limits.head_bytes_max);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindowBytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, head_bytes_max},
  };
  CHECK(nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, settings, std::size(settings)) ==
        0);
  CHECK(nghttp2_session_set_local_window_size(session_.get(), NGHTTP2_FLAG_NONE, 0,
                                              kConnectionWindowBytes) == 0);
  last_received_ns_ = pool_.loop().now().mono_ns;
  watch_.emplace(pool_.loop(), channel_.fd(), [this](FdWatch::Ready ready) { on_ready(ready); });
  timer_.emplace(pool_.loop(), [this] { on_timer(); });
  watch_->want_read(true);
  start_link_timer();
}

Http2Link::~Http2Link() = default;

bool Http2Link::has_room() const {
  if (is_closed_ || takes_no_more()) return false;
  const std::size_t told =
      nghttp2_session_get_remote_settings(session_.get(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  const std::size_t streams_max = std::min(told, has_settings_ ? kStreamsMax : kFirstStreamsMax);
  return streams_.size() < streams_max &&
         nghttp2_session_check_request_allowed(session_.get()) != 0;
}

// ---- bytes

void Http2Link::on_ready(FdWatch::Ready ready) {
  if (ready == FdWatch::Ready::kRead) return on_readable();
  const bool reads_on = channel_.read_needs_write();
  is_send_broken_ |= out_.flush(channel_) == OutputBuffer::Outcome::kBroken;
  pump();
  note_progress();
  if (reads_on && !is_closed_) on_readable();
}

void Http2Link::on_readable() {
  const Received received = channel_.receive(pool_.loop().scratch(), EventLoop::kScratchBytes);
  switch (received.outcome) {
    case ReceiveOutcome::kWouldBlock:
      watch_->want_write(!out_.is_empty() || channel_.read_needs_write());
      return;
    case ReceiveOutcome::kBytes: break;
    case ReceiveOutcome::kClosed: return peer_closed(0);
    case ReceiveOutcome::kFailed: return peer_closed(received.failed_errno);
  }
  last_received_ns_ = pool_.loop().now().mono_ns;
  if (is_awaiting_ping_) {
    is_awaiting_ping_ = false;  // Whatever it is, it lives.
    start_link_timer();
  }
  is_inside_library_ = true;
  const ssize_t taken = nghttp2_session_mem_recv(
      session_.get(), reinterpret_cast<const std::uint8_t*>(received.bytes.data()),
      received.bytes.size());
  is_inside_library_ = false;
  if (is_closed_) return;
  if (taken < 0) {
    if (why_broken_.empty()) why_broken_ = nghttp2_strerror(static_cast<int>(taken));
    pump();  // A GOAWAY may say why.
    return give_up(UpstreamFailureKind::kBadAnswer, "broken HTTP/2: " + why_broken_);
  }
  pump();
  check_end();
  if (is_closed_) return;
  note_progress();
  if (channel_.has_buffered_input()) read_on_later();
}

void Http2Link::read_on_later() {
  if (!self_) self_ = std::make_shared<Http2Link*>(this);
  pool_.loop().post([weak = std::weak_ptr<Http2Link*>(self_)] {
    if (const auto self = weak.lock(); self && !(*self)->is_closed_) (*self)->on_readable();
  });
}

// Inside the library's callbacks it may not be asked to send; on_readable() does behind them.
// Frames are made once the socket has taken those before, so that bodies wait with their streams.
void Http2Link::pump() {
  if (is_closed_ || is_inside_library_ || is_send_broken_) return;
  is_inside_library_ = true;
  while (out_.is_empty() && !is_send_broken_) {
    frames_.clear();
    while (frames_.size() < kFramedBytesMax) {
      const std::uint8_t* bytes = nullptr;
      const ssize_t size = nghttp2_session_mem_send(session_.get(), &bytes);
      if (size <= 0) break;
      frames_.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
      framed_bytes_ += static_cast<std::uint64_t>(size);
    }
    if (frames_.empty()) break;
    // The read event behind it tells of a break; an answer may have come first.
    is_send_broken_ = out_.send(channel_, frames_) == OutputBuffer::Outcome::kBroken;
  }
  is_inside_library_ = false;
  watch_->want_write(!out_.is_empty() || channel_.read_needs_write());
}

// Windows were opened, bytes left: calls whose queue has room again hear of it, from the loop.
void Http2Link::note_progress() {
  for (const auto& [id, stream] : streams_) {
    if (stream->call == nullptr || !stream->call->was_full_) continue;
    if (stream->waiting_bytes() > pool_.options().write_high_water_bytes / 2) continue;
    stream->call->later([](UpstreamCallImpl& call) {
      if (call.link_ != nullptr) call.tell_if_writable(call.link_->waiting_bytes(call));
    });
  }
}

// ---- its end

void Http2Link::peer_closed(int failed_errno) {
  std::string message = failed_errno == 0 ? "the system closed the connection"
                                          : "the connection was lost: " +
                                                std::generic_category().message(failed_errno);
  if (!why_broken_.empty()) message += "; " + why_broken_;
  if (channel_.tls() != nullptr && !channel_.tls()->failure_message().empty()) {
    message += "; " + channel_.tls()->failure_message();
  }
  give_up(UpstreamFailureKind::kReset, message);
}

// The library has said goodbye, or everybody who was here has got an answer.
void Http2Link::check_end() {
  if (is_closed_) return;
  if (nghttp2_session_want_read(session_.get()) == 0 &&
      nghttp2_session_want_write(session_.get()) == 0) {
    if (streams_.empty() && why_broken_.empty()) return close();
    return give_up(UpstreamFailureKind::kBadAnswer,
                   "broken HTTP/2: " + (why_broken_.empty() ? "closed" : why_broken_));
  }
  if (streams_.empty() && takes_no_more()) close();
}

// Nothing more comes from here. Handlers hear of it from the loop, so none is called while others
// are gone through.
void Http2Link::give_up(UpstreamFailureKind kind, const std::string& message) {
  if (is_closed_) return;
  std::vector<UpstreamCallImpl*> again, failing;
  for (const auto& [id, stream] : streams_) {
    if (stream->call == nullptr) continue;
    UpstreamCallImpl& call = detach(*stream);
    const bool may_retry = kind == UpstreamFailureKind::kReset && call.may_retry();
    (may_retry ? again : failing).push_back(&call);
  }
  // Nothing of an answer came for them. A connection that had worked may just have been left; one
  // that never did speaks against its address, and they are asked elsewhere or not at all.
  bool is_blamed = false;
  if (!again.empty() && !has_answered_) {
    is_blamed = pool_.passes_over(shelf_, message);
    if (!is_blamed) failing.insert(failing.end(), again.begin(), again.end());
    if (!is_blamed) again.clear();
  }
  if (!is_blamed && (!failing.empty() || kind == UpstreamFailureKind::kBadAnswer)) {
    pool_.failed(shelf_, kind, message);
  }
  close();
  for (UpstreamCallImpl* call : again) pool_.retry(*call);
  for (UpstreamCallImpl* call : failing) call->fail_later(kind, message);
}

void Http2Link::close_if_idle() {
  if (streams_.empty()) close();
}

void Http2Link::close() {
  if (is_closed_) return;
  is_leaving_ = true;
  if (!is_inside_library_ && !is_send_broken_) {
    nghttp2_session_terminate_session(session_.get(), NGHTTP2_NO_ERROR);
    pump();
  }
  is_closed_ = true;
  self_.reset();
  watch_.reset();
  timer_.reset();
  for (const auto& [id, stream] : streams_) stream->timer.reset();
  channel_.close();
  pool_.closed(*this);
}

// ---- time

void Http2Link::start_link_timer() {
  if (is_awaiting_ping_) {
    timer_->start(kPingPatienceNs);
  } else if (streams_.empty()) {
    timer_->start(pool_.options().keep_alive_ns);
  } else {
    timer_->stop();  // Each stream has its own.
  }
}

void Http2Link::on_timer() {
  if (!is_awaiting_ping_) return close_if_idle();
  give_up(UpstreamFailureKind::kReset, "the connection is dead: no answer to a PING");
}

}  // namespace banyan::net
