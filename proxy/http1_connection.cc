// SPDX-License-Identifier: Apache-2.0
#include "proxy/http1_connection.h"

#include <utility>

#include "proxy/worker.h"

namespace banyan::proxy {
namespace {

// Of a client that sends on while its exchange is open; past it we stop reading.
constexpr std::size_t kLeftoverBytesMax = 64 * 1024;
constexpr std::size_t kKeptCapacity = 16 * 1024;
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

Http1Connection::Http1Connection(Worker& worker, net::Channel channel, Peer peer,
                                 std::uint64_t number, std::string_view already_read)
    : Connection(std::move(peer), number),
      ClientStream(static_cast<const Connection&>(*this)),
      worker_(worker),
      channel_(std::move(channel)),
      watch_(worker.loop(), channel_.fd(), [this](net::FdWatch::Ready ready) { on_ready(ready); }),
      reader_(read_limits(worker.shared().options.limits)),
      leftover_(already_read),
      exchange_(*this, worker) {}

Http1Connection::~Http1Connection() = default;

std::int64_t Http1Connection::now_ns() const { return worker_.loop().now().mono_ns; }

void Http1Connection::set_reading(bool wanted) {
  is_reading_ = wanted;
  watch_.want_read(wanted);
  if (wanted && channel_.has_buffered_input()) receive_next_turn();
}

// No read event will tell of it.
void Http1Connection::receive_next_turn() {
  if (std::exchange(receives_next_turn_, true)) return;
  watch_.want_write(true);
}

void Http1Connection::start() {
  read_deadline_ns_ = now_ns() + worker_.shared().options.timeouts.head_ns;
  set_reading(true);
  if (!leftover_.empty()) {
    wants_input_ = true;
    mark_for_turn_end();
  }
}

void Http1Connection::refuse_over_limit() {
  set_reading(true);
  refuse(503, "too_many_connections", "too many connections are open; try again later");
}

// ---- input

void Http1Connection::on_ready(net::FdWatch::Ready ready) {
  if (is_closed_) return;
  if (ready == net::FdWatch::Ready::kRead) {
    on_readable();
  } else {
    on_writable();
  }
}

void Http1Connection::on_readable() {
  // One recv a turn: libevent calls again while there is more, and others get their share.
  const net::Received got = channel_.receive(worker_.scratch(), Worker::kScratchBytes);
  if (channel_.has_buffered_input() || channel_.read_needs_write()) receive_next_turn();
  switch (got.outcome) {
    case net::ReceiveOutcome::kBytes: break;
    case net::ReceiveOutcome::kWouldBlock: return;
    case net::ReceiveOutcome::kClosed: on_end_of_input(); return;
    case net::ReceiveOutcome::kFailed: on_gone(); return;
  }
  const std::string_view bytes = got.bytes;
  if (is_lingering_) {
    lingered_bytes_ += bytes.size();
    if (lingered_bytes_ > kLingerBytesMax) close();
    return;
  }
  take_input(bytes);
}

void Http1Connection::take_input(std::string_view bytes) {
  if (!leftover_.empty() || !may_parse()) {
    leftover_.append(bytes);
    if (leftover_.size() >= kLeftoverBytesMax) set_reading(false);
    if (may_parse()) resume_input();
    return;
  }
  parse(bytes);
  keep_leftover(bytes);
}

void Http1Connection::keep_leftover(std::string_view rest) {
  if (is_closed_) return;
  leftover_.assign(rest);
  if (leftover_.size() >= kLeftoverBytesMax) set_reading(false);
}

void Http1Connection::resume_input() {
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
    set_reading(true);
  }
}

bool Http1Connection::may_parse() const {
  if (is_closed_ || is_lingering_) return false;
  return !exchange_.is_open() || (!is_request_complete_ && !is_input_paused_);
}

void Http1Connection::parse(std::string_view& input) {
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
void Http1Connection::wait_for_more() {
  const TimeoutOptions& timeouts = worker_.shared().options.timeouts;
  if (exchange_.is_open()) {
    read_deadline_ns_ = now_ns() + timeouts.body_ns;
  } else if (!has_partial_head_) {
    has_partial_head_ = true;
    read_deadline_ns_ = now_ns() + timeouts.head_ns;
  }
}

void Http1Connection::pause_input() {
  is_input_paused_ = true;
  read_deadline_ns_ = 0;
}

void Http1Connection::unpause_input() {
  if (!is_input_paused_) return;
  is_input_paused_ = false;
  if (is_parsing_ || is_closed_) return;
  read_deadline_ns_ = now_ns() + worker_.shared().options.timeouts.body_ns;
  wants_input_ = true;
  mark_for_turn_end();
}

void Http1Connection::on_end_of_input() {
  saw_end_of_input_ = true;
  set_reading(false);
  if (is_lingering_ || leftover_.empty()) apply_end_of_input();
}

// A client that ends its sending side has left: HTTP has no use for half-closed connections, and it
// cannot be told from one that is gone.
void Http1Connection::apply_end_of_input() {
  if (is_lingering_ || !exchange_.is_open()) {
    close();
    return;
  }
  on_gone();
}

void Http1Connection::on_gone() {
  if (is_gone_told_) return;
  is_gone_told_ = true;
  if (!exchange_.is_open()) {
    close();
    return;
  }
  exchange_.on_client_gone();
}

void Http1Connection::detach() {
  set_reading(false);
  watch_.want_write(false);
  read_deadline_ns_ = write_deadline_ns_ = 0;
  is_gone_told_ = is_broken_ = true;
  leftover_ = std::string();
  out_ = std::string();
  out_at_ = 0;
  // A close_notify would make a proper end of what was cut.
  if (channel_.is_secure()) channel_.set_reset_on_close();
  channel_.close();
}

// ---- the end of a turn

void Http1Connection::mark_for_turn_end() {
  if (!is_closed_) worker_.add_to_turn_end(*this);
}

void Http1Connection::on_turn_end() {
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

void Http1Connection::refuse(int status, std::string_view code, std::string_view message) {
  worker_.count_refused(status);
  worker_.tell_refused(peer(), status, code);
  ErrorAnswer answer;
  answer.status = status;
  answer.code = code;
  answer.message = message;
  write_error_answer(answer, false, out_);
  flush();
  begin_linger();
}

void Http1Connection::exchange_ended(After after) {
  if (is_closed_) return;
  if (is_gone_told_ || is_broken_) {
    close();
    return;
  }
  is_tail_held_ = false;
  if (after == After::kCut && framing_ == ClientFraming::kUntilClose) {
    channel_.set_reset_on_close();
    close();
    return;
  }
  const bool goes_on = after == After::kNext && keeps_alive_;
  if (after == After::kLinger || (!goes_on && !leftover_.empty())) {
    flush();
    begin_linger();
    return;
  }
  if (!goes_on || is_draining_) {
    flush();
    close();
    return;
  }
  forget_answer();
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

void Http1Connection::begin_linger() {
  if (is_closed_) return;
  if (is_broken_ || saw_end_of_input_) {
    close();
    return;
  }
  is_lingering_ = true;
  leftover_ = std::string();
  if (waiting_bytes() == 0) channel_.shut_down_sending();
  read_deadline_ns_ = now_ns() + kLingerNs;
  set_reading(true);
}

void Http1Connection::on_tick(std::int64_t now) {
  if (is_closed_) return;
  if (write_deadline_ns_ != 0 && now >= write_deadline_ns_) {
    worker_.count_timeout("write");
    channel_.set_reset_on_close();
    on_gone();
    return;
  }
  if (read_deadline_ns_ != 0 && now >= read_deadline_ns_) {
    on_read_timeout();
    return;
  }
  if (exchange_.is_open()) exchange_.on_tick(now);
}

void Http1Connection::on_read_timeout() {
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

void Http1Connection::drain() {
  is_draining_ = true;
  if (!exchange_.is_open() && !is_lingering_ && !has_partial_head_ && leftover_.empty()) close();
}

void Http1Connection::shut_down() {
  exchange_.shut_down();
  close();
}

void Http1Connection::cut_if_candidate(std::string_view route) {
  exchange_.cut_if_candidate(route);
}

void Http1Connection::abandon() { exchange_.abandon(); }

void Http1Connection::close() {
  if (is_closed_) return;
  is_closed_ = true;
  set_reading(false);
  watch_.want_write(false);
  exchange_.abandon();
  channel_.close();
  worker_.release(*this);
}

}  // namespace banyan::proxy
