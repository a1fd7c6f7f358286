// SPDX-License-Identifier: Apache-2.0
#include "proxy/client_connection.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <utility>

#include "core/http/message_writer.h"
#include "proxy/answer_head.h"
#include "proxy/worker.h"

namespace banyan::proxy {
namespace {

// Of a client that sends on while its exchange is open; past it we stop reading.
constexpr std::size_t kLeftoverBytesMax = 64 * 1024;
constexpr std::size_t kKeptCapacity = 16 * 1024;
constexpr std::size_t kDirectSendBytes = 8 * 1024;
constexpr std::size_t kEagerFlushBytes = 64 * 1024;
constexpr std::uint64_t kLingerBytesMax = 1024 * 1024;
constexpr std::int64_t kLingerNs = 2'000'000'000;

http::ReadLimits read_limits(const LimitOptions& limits) {
  http::ReadLimits read;
  read.head_bytes_max = limits.head_bytes_max;
  read.fields_max = limits.fields_max;
  read.target_bytes_max = limits.target_bytes_max;
  read.body_bytes_max = limits.body_bytes_max;
  return read;
}

}  // namespace

ClientConnection::ClientConnection(Worker& worker, net::UniqueFd fd, Peer peer,
                                   std::uint64_t number)
    : worker_(worker),
      fd_(std::move(fd)),
      peer_(std::move(peer)),
      number_(number),
      watch_(worker.loop(), fd_.get(), [this](net::FdWatch::Ready ready) { on_ready(ready); }),
      reader_(read_limits(worker.shared().options.limits)),
      exchange_(*this, worker) {}

ClientConnection::~ClientConnection() = default;

std::int64_t ClientConnection::now_ns() const { return worker_.loop().now().mono_ns; }

void ClientConnection::start() {
  read_deadline_ns_ = now_ns() + worker_.shared().options.timeouts.head_ns;
  watch_.want_read(true);
}

void ClientConnection::refuse_over_limit() {
  watch_.want_read(true);
  refuse(503, "too_many_connections", "too many connections are open; try again later");
}

// ---- input

void ClientConnection::on_ready(net::FdWatch::Ready ready) {
  if (is_closed_) return;
  if (ready == net::FdWatch::Ready::kRead) {
    on_readable();
  } else {
    on_writable();
  }
}

void ClientConnection::on_readable() {
  // One recv a turn: libevent calls again while there is more, and others get their share.
  const ssize_t got = ::recv(fd_.get(), worker_.scratch(), Worker::kScratchBytes, 0);
  if (got < 0) {
    if (errno != EAGAIN && errno != EINTR) on_gone();
    return;
  }
  if (got == 0) {
    on_end_of_input();
    return;
  }
  const std::string_view bytes(worker_.scratch(), static_cast<std::size_t>(got));
  if (is_lingering_) {
    lingered_bytes_ += bytes.size();
    if (lingered_bytes_ > kLingerBytesMax) close();
    return;
  }
  take_input(bytes);
}

void ClientConnection::take_input(std::string_view bytes) {
  if (!leftover_.empty() || !may_parse()) {
    leftover_.append(bytes);
    if (leftover_.size() >= kLeftoverBytesMax) watch_.want_read(false);
    if (may_parse()) resume_input();
    return;
  }
  parse(bytes);
  keep_leftover(bytes);
}

void ClientConnection::keep_leftover(std::string_view rest) {
  if (is_closed_) return;
  leftover_.assign(rest);
  if (leftover_.size() >= kLeftoverBytesMax) watch_.want_read(false);
}

void ClientConnection::resume_input() {
  if (is_parsing_ || is_closed_ || is_lingering_) return;
  std::string taken;
  taken.swap(leftover_);
  std::string_view input = taken;
  parse(input);
  keep_leftover(input);
  if (is_closed_) return;
  if (saw_end_of_input_) {
    if (leftover_.empty()) apply_end_of_input();
  } else if (leftover_.size() < kLeftoverBytesMax && !is_lingering_) {
    watch_.want_read(true);
  }
}

bool ClientConnection::may_parse() const {
  if (is_closed_ || is_lingering_) return false;
  return !exchange_.is_open() || (!is_request_complete_ && !is_input_paused_);
}

void ClientConnection::parse(std::string_view& input) {
  is_parsing_ = true;
  while (may_parse()) {
    if (!exchange_.is_open() && input.empty()) break;
    const bool is_fresh = !has_partial_head_;
    switch (reader_.next(input)) {
      case http::ReadEvent::kNeedMore:
        wait_for_more();
        is_parsing_ = false;
        return;
      case http::ReadEvent::kHead:
        has_partial_head_ = false;
        read_deadline_ns_ = 0;
        // A head that came in parts ended later than this turn's time says.
        exchange_.begin(reader_.head(),
                        is_fresh ? worker_.loop().now() : worker_.shared().clock.now());
        break;
      case http::ReadEvent::kBody: exchange_.on_request_body(reader_.body()); break;
      case http::ReadEvent::kComplete:
        read_deadline_ns_ = 0;
        is_request_complete_ = true;
        exchange_.on_request_complete(reader_.trailers());
        break;
      case http::ReadEvent::kError: {
        const http::ReadError& error = reader_.error();
        if (exchange_.is_open()) {
          pause_input();  // Nothing behind the error is ever read as a request.
          exchange_.on_request_error(error.status, error.code, error.message);
        } else {
          refuse(error.status, error.code, error.message);
        }
        break;
      }
    }
  }
  is_parsing_ = false;
}

// Deadlines while bytes of the client are due.
void ClientConnection::wait_for_more() {
  const TimeoutOptions& timeouts = worker_.shared().options.timeouts;
  if (exchange_.is_open()) {
    read_deadline_ns_ = now_ns() + timeouts.body_ns;
  } else if (!has_partial_head_) {
    has_partial_head_ = true;
    read_deadline_ns_ = now_ns() + timeouts.head_ns;
  }
}

void ClientConnection::pause_input() {
  is_input_paused_ = true;
  read_deadline_ns_ = 0;
}

void ClientConnection::unpause_input() {
  if (!is_input_paused_) return;
  is_input_paused_ = false;
  if (is_parsing_ || is_closed_) return;
  read_deadline_ns_ = now_ns() + worker_.shared().options.timeouts.body_ns;
  wants_input_ = true;
  mark_for_turn_end();
}

void ClientConnection::on_end_of_input() {
  saw_end_of_input_ = true;
  watch_.want_read(false);
  if (is_lingering_ || leftover_.empty()) apply_end_of_input();
}

// A client that ends its sending side has left: HTTP has no use for half-closed connections, and it
// cannot be told from one that is gone.
void ClientConnection::apply_end_of_input() {
  if (is_lingering_ || !exchange_.is_open()) {
    close();
    return;
  }
  on_gone();
}

void ClientConnection::on_gone() {
  if (is_gone_told_) return;
  is_gone_told_ = true;
  if (!exchange_.is_open()) {
    close();
    return;
  }
  exchange_.on_client_gone();
}

void ClientConnection::detach() {
  watch_.want_read(false);
  watch_.want_write(false);
  read_deadline_ns_ = write_deadline_ns_ = 0;
  is_gone_told_ = is_broken_ = true;
  leftover_ = std::string();
  out_ = std::string();
  out_at_ = 0;
  fd_.reset();
}

// ---- output

void ClientConnection::send_piece(std::string_view piece) {
  if (is_broken_) return;
  if (is_tail_held_ || piece.size() < kDirectSendBytes || wants_write_) {
    out_.append(piece);
    if (!is_tail_held_ && waiting_bytes() >= kEagerFlushBytes) flush();
    return;
  }
  iovec parts[2] = {{out_.data() + out_at_, waiting_bytes()},
                    {const_cast<char*>(piece.data()), piece.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  const ssize_t result = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (result < 0 && errno != EAGAIN && errno != EINTR) {
    note_broken();
    return;
  }
  std::size_t sent = result > 0 ? static_cast<std::size_t>(result) : 0;
  sent_bytes_ += sent;
  if (sent < waiting_bytes()) {
    out_at_ += sent;
    sent = 0;
  } else {
    sent -= waiting_bytes();
    out_.clear();
    out_at_ = 0;
  }
  out_.append(piece.substr(sent));
  if (waiting_bytes() > 0) flush_at_turn_end();
}

void ClientConnection::flush() {
  if (is_broken_ || is_closed_) return;
  const std::size_t held = is_tail_held_ ? kTailBytes : 0;
  while (waiting_bytes() > held) {
    const ssize_t sent = ::send(fd_.get(), out_.data() + out_at_, waiting_bytes() - held,
                                MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) {
        note_broken();
        return;
      }
      if (!wants_write_) {
        wants_write_ = true;
        write_deadline_ns_ = now_ns() + worker_.shared().options.timeouts.write_ns;
        watch_.want_write(true);
      }
      break;
    }
    out_at_ += static_cast<std::size_t>(sent);
    sent_bytes_ += static_cast<std::uint64_t>(sent);
    if (wants_write_) {
      write_deadline_ns_ = now_ns() + worker_.shared().options.timeouts.write_ns;
    }
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
    watch_.want_write(false);
  }
}

void ClientConnection::on_writable() {
  flush();
  if (is_broken_ || is_closed_) return;
  if (exchange_.is_open()) {
    exchange_.on_output_progress();
  } else if (is_lingering_ && waiting_bytes() == 0) {
    net::shut_down_sending(fd_.get());
  }
}

void ClientConnection::take_back(std::uint64_t position) {
  const std::uint64_t from = position > sent_bytes_ ? position - sent_bytes_ : 0;
  if (from < waiting_bytes()) out_.resize(out_at_ + static_cast<std::size_t>(from));
}

// Told at the end of the turn, never from inside of the exchange's own work.
void ClientConnection::note_broken() {
  is_broken_ = true;
  out_.clear();
  out_at_ = 0;
  watch_.want_write(false);
  write_deadline_ns_ = 0;
  mark_for_turn_end();
}

void ClientConnection::flush_at_turn_end() {
  wants_flush_ = true;
  mark_for_turn_end();
}

void ClientConnection::mark_for_turn_end() {
  if (!is_closed_) worker_.add_to_turn_end(*this);
}

void ClientConnection::on_turn_end() {
  if (is_closed_) return;
  if (std::exchange(wants_flush_, false)) flush();
  if (is_broken_ && !is_gone_told_) {
    on_gone();
    return;
  }
  if (exchange_.is_open() && !is_broken_) exchange_.on_output_progress();
  if (is_closed_) return;
  if (std::exchange(wants_input_, false)) resume_input();
}

// ---- ends and deadlines

void ClientConnection::refuse(int status, std::string_view code, std::string_view message) {
  worker_.count_refused(status);
  ErrorAnswer answer;
  answer.status = status;
  answer.code = code;
  answer.message = message;
  write_error_answer(answer, out_);
  flush();
  begin_linger();
}

void ClientConnection::exchange_ended(After after) {
  if (is_closed_) return;
  if (is_gone_told_ || is_broken_) {
    close();
    return;
  }
  is_tail_held_ = false;
  if (after == After::kReset) {
    net::set_reset_on_close(fd_.get());
    close();
    return;
  }
  if (after == After::kLinger || (after == After::kClose && !leftover_.empty())) {
    flush();
    begin_linger();
    return;
  }
  if (after == After::kClose || is_draining_) {
    flush();
    close();
    return;
  }
  reader_.reset();
  is_request_complete_ = is_input_paused_ = false;
  has_partial_head_ = false;
  if (out_.capacity() > kKeptCapacity) out_ = std::string();
  if (leftover_.capacity() > kKeptCapacity && leftover_.empty()) leftover_ = std::string();
  read_deadline_ns_ = now_ns() + worker_.shared().options.timeouts.keep_alive_ns;
  if (!leftover_.empty() || saw_end_of_input_) {
    wants_input_ = true;
    mark_for_turn_end();
  }
}

void ClientConnection::begin_linger() {
  if (is_closed_) return;
  if (is_broken_ || saw_end_of_input_) {
    close();
    return;
  }
  is_lingering_ = true;
  leftover_ = std::string();
  if (waiting_bytes() == 0) net::shut_down_sending(fd_.get());
  read_deadline_ns_ = now_ns() + kLingerNs;
  watch_.want_read(true);
}

void ClientConnection::on_tick(std::int64_t now) {
  if (is_closed_) return;
  if (write_deadline_ns_ != 0 && now >= write_deadline_ns_) {
    worker_.count_timeout("write");
    net::set_reset_on_close(fd_.get());
    on_gone();
    return;
  }
  if (read_deadline_ns_ != 0 && now >= read_deadline_ns_) {
    on_read_timeout();
    return;
  }
  if (exchange_.is_open()) exchange_.on_tick(now);
}

void ClientConnection::on_read_timeout() {
  read_deadline_ns_ = 0;
  if (is_lingering_) {
    close();
  } else if (exchange_.is_open()) {
    worker_.count_timeout("body");
    exchange_.on_body_timeout();
  } else if (has_partial_head_) {
    worker_.count_timeout("head");
    refuse(408, "head_timeout", "the request's head did not arrive in time");
  } else {
    close();
  }
}

void ClientConnection::drain() {
  is_draining_ = true;
  if (!exchange_.is_open() && !is_lingering_ && !has_partial_head_ && leftover_.empty()) close();
}

void ClientConnection::close() {
  if (is_closed_) return;
  is_closed_ = true;
  watch_.want_read(false);
  watch_.want_write(false);
  exchange_.abandon();
  fd_.reset();
  worker_.release(*this);
}

}  // namespace banyan::proxy
