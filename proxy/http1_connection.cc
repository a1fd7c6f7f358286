// SPDX-License-Identifier: Apache-2.0
#include "proxy/http1_connection.h"

#include <algorithm>
#include <utility>

#include "proxy/worker.h"

namespace banyan::proxy {
namespace {

// Of a client that sends on while its exchange is open; past it we stop reading.
constexpr std::size_t kLeftoverBytesMax = 64 * 1024;

}  // namespace

Http1Connection::Http1Connection(Worker& worker, net::Channel channel, Peer peer,
                                 std::uint64_t number, std::string_view already_read)
    : Connection(std::move(peer), number),
      ClientStream(static_cast<const Connection&>(*this)),
      worker_(worker),
      channel_(std::move(channel)),
      watch_(
          worker.loop(), channel_.fd(), [this](net::FdWatch::Ready ready) { on_ready(ready); },
          channel_.is_secure() ? net::FdWatch::Receives::kUntold : net::FdWatch::Receives::kTold),
      leftover_(already_read) {}

Http1Connection::~Http1Connection() = default;

Http1Connection::Talk::Talk(Http1Connection& connection, Worker& worker)
    : reader(worker.shared().read_limits), exchange(connection, worker) {}

Http1Connection::Talk& Http1Connection::talk() {
  if (talk_ == nullptr) talk_ = std::make_unique<Talk>(*this, worker_);
  return *talk_;
}

bool Http1Connection::is_idle() const {
  return !has_exchange() && !has_partial_head_ && leftover_.empty() && out_at_ == out_.size();
}

// Only from the tick: nothing of it is on the stack then.
void Http1Connection::forget_talk() {
  talk_.reset();
  out_ = std::string();
  out_at_ = 0;
  leftover_ = std::string();
}

bool Http1Connection::is_last_request() const {
  const std::uint64_t most = worker_.shared().options.limits.requests_per_connection_max;
  return most != 0 && requests_ >= most;
}

RateFloor::Rules Http1Connection::body_rules() const {
  const ProxyOptions& options = worker_.shared().options;
  return {options.limits.rate_floor, options.timeouts.rate_grace_ns, options.timeouts.body_ns};
}

RateFloor::Rules Http1Connection::answer_rules() const {
  const ProxyOptions& options = worker_.shared().options;
  return {options.limits.rate_floor, options.timeouts.rate_grace_ns, options.timeouts.write_ns};
}

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
  opened_ns_ = now_ns();
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
  // One recv a turn: the watch calls again while there is more, and others get their share.
  const net::Received got = channel_.receive(worker_.scratch(), Worker::kScratchBytes);
  watch_.note_receive(Worker::kScratchBytes, got);
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
  if (is_tunnel_) {
    take_tunnel_input(bytes);
  } else {
    take_input(bytes);
  }
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

void Http1Connection::take_tunnel_input(std::string_view bytes) {
  if (!has_exchange()) return;  // The other side has ended already.
  if (!is_input_paused_ && leftover_.empty()) {
    talk_->exchange.on_tunnel_input(bytes);
    return;
  }
  leftover_.append(bytes);
  if (leftover_.size() >= kLeftoverBytesMax) set_reading(false);
}

void Http1Connection::resume_tunnel() {
  if (!has_exchange() || is_input_paused_) return;
  std::string taken;
  taken.swap(leftover_);
  if (!taken.empty()) talk_->exchange.on_tunnel_input(taken);
  if (is_closed_ || !has_exchange()) return;
  if (saw_end_of_input_) {
    talk_->exchange.on_tunnel_end();
  } else {
    set_reading(true);
  }
}

void Http1Connection::keep_leftover(std::string_view rest) {
  if (is_closed_) return;
  leftover_.assign(rest);
  if (leftover_.size() >= kLeftoverBytesMax) set_reading(false);
}

void Http1Connection::resume_input() {
  if (is_parsing_ || is_closed_ || is_lingering_) return;
  if (is_tunnel_) {
    resume_tunnel();
    return;
  }
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
  return !has_exchange() || (!is_request_complete_ && !is_input_paused_);
}

void Http1Connection::parse(std::string_view& input) {
  is_parsing_ = true;
  while (may_parse()) {
    if (!has_exchange() && input.empty()) break;
    const bool is_fresh = !has_partial_head_;
    Talk& talk = this->talk();
    switch (talk.reader.next(input)) {
      case http::ReadEvent::kNeedMore:
        wait_for_more();
        is_parsing_ = false;
        return;
      case http::ReadEvent::kHead:
        has_partial_head_ = false;
        read_deadline_ns_ = 0;
        ++requests_;
        if (!talk.reader.head().lenient.is_empty()) {
          worker_.count_lenient(talk.reader.head().lenient);
        }
        // A head that came in parts ended later than this turn's time says.
        talk.exchange.begin(talk.reader.head(),
                            is_fresh ? worker_.loop().now() : worker_.shared().clock.now());
        break;
      case http::ReadEvent::kBody:
        body_floor_.moved(talk.reader.body().size(), body_rules());
        talk.exchange.on_request_body(talk.reader.body());
        break;
      case http::ReadEvent::kComplete:
        read_deadline_ns_ = 0;
        body_floor_.stop();
        is_request_complete_ = true;
        talk.exchange.on_request_complete(talk.reader.trailers());
        break;
      case http::ReadEvent::kError: {
        const http::ReadError& error = talk.reader.error();
        if (talk.exchange.is_open()) {
          note_refusal(error);
          pause_input();  // Nothing behind the error is ever read as a request.
          talk.exchange.on_request_error(error.status, error.code, error.message);
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
  if (has_exchange()) {
    read_deadline_ns_ = now_ns() + timeouts.body_ns;
    body_floor_.start(now_ns(), body_rules());
  } else if (!has_partial_head_) {
    has_partial_head_ = true;
    read_deadline_ns_ = now_ns() + timeouts.head_ns;
  }
}

void Http1Connection::pause_input() {
  is_input_paused_ = true;
  read_deadline_ns_ = 0;
  body_floor_.stop();
}

void Http1Connection::unpause_input() {
  if (!is_input_paused_) return;
  is_input_paused_ = false;
  if (is_parsing_ || is_closed_) return;
  if (!is_tunnel_) {
    read_deadline_ns_ = now_ns() + worker_.shared().options.timeouts.body_ns;
    body_floor_.start(now_ns(), body_rules());
  }
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
  if (is_tunnel_ && has_exchange()) {
    // In a tunnel one side may end before the other.
    if (!is_input_paused_) talk_->exchange.on_tunnel_end();
    return;
  }
  if (is_lingering_ || !has_exchange()) {
    close();
    return;
  }
  on_gone();
}

void Http1Connection::on_gone() {
  if (is_gone_told_) return;
  is_gone_told_ = true;
  flush();  // It may have ended its own side alone.
  if (!has_exchange()) {
    close();
    return;
  }
  talk_->exchange.on_client_gone();
}

void Http1Connection::detach() {
  set_reading(false);
  watch_.want_write(false);
  read_deadline_ns_ = write_deadline_ns_ = 0;
  is_gone_told_ = is_broken_ = true;
  leftover_ = std::string();
  out_ = std::string();
  out_at_ = 0;
  lent_ = {};
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
  if (has_exchange() && !is_broken_) talk_->exchange.on_output_progress();
  if (is_closed_) return;
  if (std::exchange(wants_input_, false)) resume_input();
}

// ---- ends and deadlines

void Http1Connection::note_refusal(const http::ReadError& error) {
  Refusal refusal;
  refusal.from = "client";
  refusal.reason = error.code;
  refusal.status = error.status;
  refusal.peer = peer().address;
  refusal.position = error.position;
  refusal.sample = error.sample;
  worker_.note_refusal(std::move(refusal));
}

void Http1Connection::refuse(int status, std::string_view code, std::string_view message) {
  worker_.count_refused(status);
  worker_.tell_refused(peer(), status, code);
  // Either the reader found it, or the head is fine and means what we do not do.
  if (talk_ != nullptr && talk_->reader.error().code == code) {
    note_refusal(talk_->reader.error());
  } else {
    http::ReadError error;
    error.status = status;
    error.code = code;
    note_refusal(error);
  }
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
    flush();
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
  talk_->reader.reset();
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
  if (wants_write_) note_taken(now);
  if (write_deadline_ns_ != 0 && now >= write_deadline_ns_) {
    worker_.count_timeout("write");
    channel_.set_reset_on_close();
    on_gone();
    return;
  }
  if (wants_write_ && answer_floor_.is_below(now, answer_rules())) {
    worker_.count_timeout("answer_rate");
    channel_.set_reset_on_close();
    on_gone();
    return;
  }
  if (read_deadline_ns_ != 0 && now >= read_deadline_ns_) {
    on_read_timeout();
    return;
  }
  if (!has_exchange()) {
    if (talk_ != nullptr && is_idle()) forget_talk();
    return;
  }
  if (body_floor_.is_below(now, body_rules())) {
    body_floor_.stop();
    worker_.count_timeout("body_rate");
    talk_->exchange.on_request_error(408, "body_too_slow",
                                     "the request's body came more slowly than the floor");
    return;
  }
  talk_->exchange.on_tick(now);
}

// The kernel takes a lot at once and then nothing for long; what the client has acknowledged tells
// whether it reads.
void Http1Connection::note_taken(std::int64_t now) {
  const std::uint64_t waiting = net::unacknowledged_bytes(channel_.fd());
  const std::uint64_t taken = sent_bytes_ - std::min(sent_bytes_, waiting);
  if (taken <= taken_bytes_) return;
  answer_floor_.moved(taken - taken_bytes_, answer_rules());
  taken_bytes_ = taken;
  write_deadline_ns_ = now + worker_.shared().options.timeouts.write_ns;
}

void Http1Connection::on_read_timeout() {
  read_deadline_ns_ = 0;
  if (is_lingering_) {
    close();
  } else if (has_exchange()) {
    worker_.count_timeout("body");
    talk_->exchange.on_body_timeout();
  } else if (has_partial_head_) {
    worker_.count_timeout("head");
    refuse(408, "head_timeout", "the request's head did not arrive in time");
  } else {
    close();
  }
}

// A request that is here already, though not read, is still answered; and who has just connected is
// about to ask: closing on either would be a dropped request.
void Http1Connection::drain() {
  is_draining_ = true;
  if (!owes_nothing()) return;
  on_readable();
  if (is_closed_ || !owes_nothing()) return;
  if (requests_ == 0 && now_ns() - opened_ns_ < kFreshNs) {
    read_deadline_ns_ = now_ns() + kFreshNs;
    return;
  }
  close();
}

bool Http1Connection::owes_nothing() const {
  return !has_exchange() && !is_lingering_ && !has_partial_head_ && leftover_.empty();
}

void Http1Connection::shut_down() {
  if (talk_ != nullptr) talk_->exchange.shut_down();
  flush();
  close();
}

void Http1Connection::cut_if_candidate(std::string_view route) {
  if (talk_ != nullptr) talk_->exchange.cut_if_candidate(route);
}

void Http1Connection::abandon() {
  if (talk_ != nullptr) talk_->exchange.abandon();
}

void Http1Connection::close() {
  if (is_closed_) return;
  is_closed_ = true;
  set_reading(false);
  watch_.want_write(false);
  abandon();
  channel_.close();
  worker_.release(*this);
}

}  // namespace banyan::proxy
