// SPDX-License-Identifier: Apache-2.0
#include "core/net/upstream_connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "core/base/check.h"
#include "core/http/message_writer.h"
#include "core/net/upstream_pool.h"

namespace banyan::net {
namespace {

// Interim answers of one exchange that are passed on; more are a bad answer.
constexpr int kInformationalMax = 16;

std::string describe(std::string_view what, int error_number) {
  return std::string(what) + ": " + std::generic_category().message(error_number);
}

}  // namespace

UpstreamConnection::UpstreamConnection(UpstreamPoolImpl& pool, std::shared_ptr<UpstreamShelf> shelf)
    : pool_(pool), shelf_(std::move(shelf)), reader_(pool.options().limits) {
  shelf_->endpoint->connection_opened();
}

UpstreamConnection::~UpstreamConnection() { shelf_->endpoint->connection_closed(); }

bool UpstreamConnection::connect(UpstreamCallImpl& call) {
  sockaddr_storage storage{};
  const std::string& bytes = shelf_->endpoint->address().socket_address;
  CHECK(bytes.size() <= sizeof storage);
  std::memcpy(&storage, bytes.data(), bytes.size());
  fd_.reset(::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_.is_open()) return false;
  set_no_delay(fd_.get());
  const int result = ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&storage),
                               static_cast<socklen_t>(bytes.size()));
  if (result != 0 && errno != EINPROGRESS && errno != EINTR) return false;
  call_ = &call;
  call.connection_ = this;
  call.use_.begin(*shelf_->endpoint);
  watch_.emplace(pool_.loop(), fd_.get(), [this](FdWatch::Ready ready) { on_ready(ready); });
  timer_.emplace(pool_.loop(), [this] { on_timeout(); });
  watch_->want_write(true);
  timer_->start(pool_.options().connect_timeout_ns);
  return true;
}

void UpstreamConnection::attach(UpstreamCallImpl& call) {
  CHECK(call_ == nullptr && state_ == State::kIdle);
  call_ = &call;
  call.connection_ = this;
  call.use_.begin(*shelf_->endpoint);
  is_reused_ = true;
  begin_request();
}

void UpstreamConnection::begin_request() {
  state_ = State::kBusy;
  has_final_head_ = false;
  informational_ = 0;
  reader_.expect_answer_to(call_->request_.method);
  after_send(send_request());
  call_->unsent_ = std::string();
  if (call_->is_paused_) watch_->want_read(false);
}

// What there is of the request so far, in one system call.
OutputBuffer::Outcome UpstreamConnection::send_request() {
  const UpstreamRequest& request = call_->request_;
  if (!request.streams_body || !request.is_chunked) {
    return out_.send(fd_.get(), {request.head, request.body, call_->unsent_});
  }
  std::string before, behind;
  if (!call_->unsent_.empty()) {
    http::write_chunk_head(before, call_->unsent_.size());
    behind = http::kChunkEnd;
  }
  if (call_->is_body_finished_) {
    http::HeaderList trailers;
    for (const auto& [name, value] : call_->unsent_trailers_) trailers.push_back({name, value});
    http::write_last_chunk(behind, trailers);
  }
  return out_.send(fd_.get(), {request.head, before, call_->unsent_, behind});
}

// A broken connection is not reported here but by the read event that follows: it may still hold an
// answer, sent before the request was read to its end.
void UpstreamConnection::after_send(OutputBuffer::Outcome outcome) {
  if (outcome == OutputBuffer::Outcome::kBroken) is_send_broken_ = true;
  if (out_.sent_bytes() > sent_before_) {
    sent_before_ = out_.sent_bytes();
    call_->any_byte_sent_ = true;
  }
  watch_->want_write(outcome == OutputBuffer::Outcome::kWaiting);
  start_timer();
}

void UpstreamConnection::send_streamed(std::string_view bytes) {
  if (is_send_broken_) return;
  if (!call_->request_.is_chunked) return after_send(out_.send(fd_.get(), bytes));
  std::string chunk_head;  // So short that it needs no memory.
  http::write_chunk_head(chunk_head, bytes.size());
  after_send(out_.send(fd_.get(), {chunk_head, bytes, http::kChunkEnd}));
}

void UpstreamConnection::finish_streamed(const http::HeaderList& trailers) {
  if (is_send_broken_ || !call_->request_.is_chunked) return start_timer();
  std::string last_chunk;
  http::write_last_chunk(last_chunk, trailers);
  after_send(out_.send(fd_.get(), last_chunk));
}

void UpstreamConnection::start_timer() {
  const UpstreamOptions& options = pool_.options();
  if (has_final_head_) {
    if (!call_->is_paused_) timer_->start(options.idle_timeout_ns);
  } else if (!out_.is_empty()) {
    timer_->start(options.idle_timeout_ns);
  } else {
    const std::int64_t own = call_->request_.first_byte_timeout_ns;
    timer_->start(own > 0 ? own : options.first_byte_timeout_ns);
  }
}

void UpstreamConnection::set_paused(bool paused) {
  if (state_ != State::kBusy) return;
  watch_->want_read(!paused);
  if (!has_final_head_) return;
  if (paused) {
    timer_->stop();
  } else {
    start_timer();
  }
}

void UpstreamConnection::on_timeout() {
  switch (state_) {
    case State::kConnecting:
      return connect_failed(UpstreamFailureKind::kConnectTimeout,
                            shelf_->endpoint->address().text + " did not accept in time");
    case State::kIdle: return close();
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

void UpstreamConnection::on_ready(FdWatch::Ready ready) {
  if (state_ == State::kConnecting) return on_connected();
  if (ready == FdWatch::Ready::kRead) return on_readable();
  on_writable();
}

void UpstreamConnection::on_connected() {
  int error_number = 0;
  socklen_t size = sizeof error_number;
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error_number, &size) != 0) error_number = errno;
  if (error_number != 0) {
    return connect_failed(
        UpstreamFailureKind::kConnectFailed,
        describe("cannot connect to " + shelf_->endpoint->address().text, error_number));
  }
  watch_->want_write(false);
  watch_->want_read(true);
  begin_request();
  if (call_->was_full_ && !call_->is_write_full()) {
    call_->was_full_ = false;
    call_->handler_.on_writable();
  }
}

void UpstreamConnection::connect_failed(UpstreamFailureKind kind, std::string message) {
  pool_.failed(*shelf_, kind, message);
  UpstreamCallImpl& call = detach();
  close();
  if (pool_.may_try_another(call, kind)) return pool_.open_for(call);
  call.fail(kind, std::move(message));
}

void UpstreamConnection::on_writable() {
  if (state_ != State::kBusy) {
    watch_->want_write(false);
    return;
  }
  after_send(out_.flush(fd_.get()));
  const std::size_t low_water = pool_.options().write_high_water_bytes / 2;
  if (call_->was_full_ && out_.waiting_bytes() <= low_water) {
    call_->was_full_ = false;
    call_->handler_.on_writable();
  }
}

void UpstreamConnection::on_readable() {
  const Received received = receive(fd_.get(), pool_.loop().scratch(), EventLoop::kScratchBytes);
  switch (received.outcome) {
    case ReceiveOutcome::kWouldBlock: return;
    case ReceiveOutcome::kBytes:
      // Bytes that nobody asked for are never anybody's answer.
      if (state_ != State::kBusy) return close();
      call_->any_byte_received_ = true;
      return feed(received.bytes);
    case ReceiveOutcome::kClosed: return peer_closed(0);
    case ReceiveOutcome::kFailed: return peer_closed(received.failed_errno);
  }
}

void UpstreamConnection::feed(std::string_view input) {
  // The handler may cancel the call in any callback; the state tells.
  while (state_ == State::kBusy) {
    switch (reader_.next(input)) {
      case http::ReadEvent::kNeedMore:
        if (has_final_head_) start_timer();
        return;
      case http::ReadEvent::kHead:
        if (!deliver_head()) return;
        break;
      case http::ReadEvent::kBody: call_->handler_.on_body(reader_.body()); break;
      case http::ReadEvent::kComplete:
        if (has_final_head_) return complete(!input.empty());
        reader_.reset();
        break;
      case http::ReadEvent::kError:
        return fail(UpstreamFailureKind::kBadAnswer, reader_.error().message);
    }
  }
}

bool UpstreamConnection::deliver_head() {
  const http::ResponseHead& head = reader_.head();
  if (head.status >= 200) {
    has_final_head_ = true;
    pool_.answered(*shelf_, head.status);
    call_->handler_.on_head(head);
    return state_ == State::kBusy;
  }
  if (++informational_ > kInformationalMax) {
    fail(UpstreamFailureKind::kBadAnswer, "more interim answers than the limit of 16");
    return false;
  }
  call_->handler_.on_informational(head);
  return state_ == State::kBusy;
}

void UpstreamConnection::complete(bool has_more_bytes) {
  const bool is_reusable = reader_.head().keep_alive && !has_more_bytes && call_->is_request_sent();
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
  watch_->want_read(true);  // It may have been paused.
  timer_->start(pool_.options().keep_alive_ns);
  pool_.now_idle(*this);
}

void UpstreamConnection::peer_closed(int failed_errno) {
  if (state_ != State::kBusy) return close();
  // A reset never becomes a proper end, also not of a body that lasts until the close.
  if (failed_errno == 0 && reader_.finish_at_close() == http::ReadEvent::kComplete) {
    return complete(true);
  }
  if (is_reused_ && call_->may_retry()) {
    UpstreamCallImpl& call = detach();
    close();
    call.has_retried_ = true;
    call.connects_tried_ = 0;
    ++pool_.stats().retries;
    return pool_.open_for(call);
  }
  fail(UpstreamFailureKind::kReset, failed_errno != 0
                                        ? describe("the connection was lost", failed_errno)
                                        : reader_.error().message);
}

UpstreamCallImpl& UpstreamConnection::detach() {
  UpstreamCallImpl& call = *call_;
  call.was_request_sent_ = call.is_request_sent();
  call.connection_ = nullptr;
  call.use_.end();
  call_ = nullptr;
  return call;
}

void UpstreamConnection::fail(UpstreamFailureKind kind, std::string message) {
  pool_.failed(*shelf_, kind, message);
  UpstreamCallImpl& call = detach();
  close();
  call.fail(kind, std::move(message));
}

void UpstreamConnection::given_up() {
  const bool is_connecting = state_ == State::kConnecting;
  pool_.failed(*shelf_,
               is_connecting     ? UpstreamFailureKind::kConnectTimeout
               : has_final_head_ ? UpstreamFailureKind::kIdleTimeout
                                 : UpstreamFailureKind::kFirstByteTimeout,
               "the request's own deadline passed");
}

void UpstreamConnection::cancel() {
  call_ = nullptr;
  close();
}

void UpstreamConnection::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  watch_.reset();
  timer_.reset();
  fd_.reset();
  pool_.closed(*this);
}

}  // namespace banyan::net
