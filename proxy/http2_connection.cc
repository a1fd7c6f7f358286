// SPDX-License-Identifier: Apache-2.0
#include "proxy/http2_connection.h"

#include <algorithm>
#include <utility>

#include "core/http/masked_sample.h"
#include "proxy/worker.h"

namespace banyan::proxy {
namespace {

constexpr int kRoundsMax = 8;                       // of work in one turn; the rest is for the next
constexpr std::int64_t kEndNoticeNs = 500'000'000;  // a generous round trip
// Streams that wait for their next request; an idle connection keeps none.
constexpr std::size_t kFreeStreamsMax = 32;
// Room for the frames of a turn, likewise.
constexpr std::size_t kKeptOutputBytes = 32 * 1024;

}  // namespace

Http2Connection::Http2Connection(Worker& worker, net::Channel channel, Peer peer,
                                 std::uint64_t number, std::string_view already_read)
    : Connection(std::move(peer), number),
      worker_(worker),
      channel_(std::move(channel)),
      watch_(worker.loop(), channel_.fd(), [this](net::FdWatch::Ready ready) { on_ready(ready); }),
      session_(*this, worker.shared().options.limits.http2),
      out_(kKeptOutputBytes),
      already_read_(already_read) {}

Http2Connection::~Http2Connection() = default;

const http::ReadLimits& Http2Connection::read_limits() const {
  return worker_.shared().read_limits;
}

std::int64_t Http2Connection::now_ns() const { return worker_.loop().now().mono_ns; }

RateFloor::Rules Http2Connection::answer_rules() const {
  const ProxyOptions& options = worker_.shared().options;
  return {options.limits.rate_floor, options.timeouts.rate_grace_ns, options.timeouts.write_ns};
}

bool Http2Connection::is_last_request() const {
  const std::uint64_t most = worker_.shared().options.limits.requests_per_connection_max;
  return most != 0 && requests_ >= most;
}

void Http2Connection::start() {
  opened_ns_ = now_ns();
  idle_deadline_ns_ = now_ns() + worker_.shared().options.timeouts.head_ns;
  watch_.want_read(true);
  mark_for_turn_end();  // Our SETTINGS.
  const std::string_view before = std::exchange(already_read_, std::string_view());
  if (!before.empty()) take_input(before);
  if (!is_closed_ && channel_.has_buffered_input()) set_writing();
}

void Http2Connection::refuse_over_limit() {
  start();
  if (is_closed_) return;
  refuse_unseen(503, "too_many_connections");
  end_session(net::Http2Error::kEnhanceYourCalm);
}

// What never became a stream of ours.
void Http2Connection::refuse_unseen(int status, std::string_view code) {
  worker_.count_refused(status);
  worker_.tell_refused(peer(), status, code);
  http::ReadError error;
  error.status = status;
  error.code = code;
  note_refusal(error);
}

void Http2Connection::note_refusal(const http::ReadError& error) {
  Refusal refusal;
  refusal.from = "client";
  refusal.reason = error.code;
  refusal.status = error.status;
  refusal.peer = peer().address;
  refusal.sample = error.at.empty() ? error.sample : http::masked_sample(error.at, 0);
  worker_.note_refusal(std::move(refusal));
}

// ---- input

void Http2Connection::on_ready(net::FdWatch::Ready ready) {
  if (is_closed_ || is_gone_) return;
  if (ready == net::FdWatch::Ready::kRead) {
    on_readable();
    return;
  }
  const bool has_input = channel_.has_buffered_input() || channel_.read_needs_write();
  is_writing_ = works_next_turn_ = false;
  if (has_input) on_readable();
  if (!is_closed_) mark_for_turn_end();
  if (!is_closed_ && !is_writing_) watch_.want_write(false);
}

// Write readiness of a socket that has room comes at once: a turn of our own.
void Http2Connection::set_writing() {
  if (std::exchange(is_writing_, true)) return;
  watch_.want_write(true);
}

void Http2Connection::on_readable() {
  const net::Received got = channel_.receive(worker_.scratch(), Worker::kScratchBytes);
  if (channel_.has_buffered_input() || channel_.read_needs_write()) set_writing();
  switch (got.outcome) {
    case net::ReceiveOutcome::kBytes: break;
    case net::ReceiveOutcome::kWouldBlock: return;
    case net::ReceiveOutcome::kClosed:
    case net::ReceiveOutcome::kFailed: on_gone(); return;
  }
  if (is_lingering_) {
    lingered_bytes_ += got.bytes.size();
    if (lingered_bytes_ > kLingerBytesMax) on_gone();
    return;
  }
  take_input(got.bytes);
}

void Http2Connection::take_input(std::string_view bytes) {
  session_.receive(bytes, now_ns());
  if (!session_.is_mid_head()) {
    head_deadline_ns_ = 0;
  } else if (head_deadline_ns_ == 0) {
    head_deadline_ns_ = now_ns() + worker_.shared().options.timeouts.head_ns;
  }
  mark_for_turn_end();
}

net::Http2StreamHandler* Http2Connection::on_request(std::int32_t stream,
                                                     http::FieldSection& section, bool has_body) {
  // What was reset while its exchange goes on counts no more in the session, but does here.
  const std::size_t most = std::size_t{2} * worker_.shared().options.limits.http2.streams_max;
  if (is_ending_ || is_last_request() || streams_.size() >= most) {
    worker_.count_http2_refused_stream();
    return nullptr;
  }
  ++requests_;
  idle_deadline_ns_ = 0;
  std::unique_ptr<Http2Stream> taken;
  if (free_.empty()) {
    taken = std::make_unique<Http2Stream>(*this, worker_);
  } else {
    taken = std::move(free_.back());
    free_.pop_back();
  }
  Http2Stream& raw = *taken;
  raw.slot = streams_.size();
  streams_.push_back(std::move(taken));
  raw.begin(stream, section, has_body);
  return &raw;
}

void Http2Connection::on_malformed_request() { refuse_unseen(400, "malformed_http2_head"); }

// ---- the end of a turn

void Http2Connection::mark(Http2Stream& stream) {
  if (std::exchange(stream.is_marked, true)) return;
  marked_.push_back(&stream);
  mark_for_turn_end();
}

void Http2Connection::mark_for_turn_end() {
  if (!is_closed_ && !is_working_) worker_.add_to_turn_end(*this);
}

// True: there is more to do.
bool Http2Connection::work_once() {
  working_.swap(marked_);
  for (Http2Stream* const stream : working_) {
    stream->is_marked = false;
    stream->work();
    mark(*stream);  // For what comes of it.
  }
  working_.clear();
  if (!is_gone_ && out_.waiting_bytes() < net::Http2ServerSession::kOutputBytes) {
    session_.collect(out_);
  }
  working_.swap(marked_);
  for (Http2Stream* const stream : working_) {
    stream->is_marked = false;
    stream->after_output();
    if (stream->is_done()) mark(*stream);
  }
  working_.clear();
  sweep();
  if (is_gone_) return !marked_.empty();
  if (out_.waiting_bytes() >= net::Http2ServerSession::kOutputBytes) write();
  if (is_gone_ || is_writing_) return false;
  return !marked_.empty() || session_.wants_collect();
}

void Http2Connection::on_turn_end() {
  if (is_closed_) return;
  is_working_ = true;
  bool has_more = true;
  for (int round = 0; round < kRoundsMax && has_more; ++round) has_more = work_once();
  if (!is_gone_) write();
  is_working_ = false;
  count_breach();
  if (is_gone_) {
    sweep();
    if (streams_.empty()) close();
    return;
  }
  if (is_last_request() && !is_ending_) {
    end_session(net::Http2Error::kNone);
    has_more = true;
  }
  watch_client();
  if (!is_lingering_ && session_.is_over() && out_.is_empty()) {
    begin_linger();
    return;
  }
  if (has_more || !marked_.empty()) set_writing();
  if (streams_.empty()) on_idle();
}

// Streams that are done make room for the next.
void Http2Connection::sweep() {
  std::size_t kept = 0;
  for (Http2Stream* const stream : marked_) {
    if (!stream->is_done()) {
      marked_[kept++] = stream;
      continue;
    }
    stream->is_marked = false;
    recycle(*stream);
  }
  marked_.resize(kept);
}

void Http2Connection::recycle(Http2Stream& stream) {
  stream.clear();
  const std::size_t place = stream.slot;
  std::unique_ptr<Http2Stream> owned = std::move(streams_[place]);
  if (place + 1 != streams_.size()) {
    streams_[place] = std::move(streams_.back());
    streams_[place]->slot = place;
  }
  streams_.pop_back();
  if (free_.size() < kFreeStreamsMax) {
    free_.push_back(std::move(owned));
  } else {
    worker_.loop().destroy_later(std::move(owned));
  }
}

void Http2Connection::write() {
  if (is_gone_) return;
  switch (out_.flush(channel_)) {
    case net::OutputBuffer::Outcome::kBroken: on_gone(); break;
    case net::OutputBuffer::Outcome::kSent: break;
    case net::OutputBuffer::Outcome::kWaiting: set_writing(); break;
  }
}

// Neither its socket nor its window for the whole connection lets us go on. A socket may have taken
// the last byte that was ready and still have no room for more: then we wait for it as well.
bool Http2Connection::owes_client() const {
  if (!out_.is_empty()) return true;
  return stalled_streams_ > 0 && (is_writing_ || session_.is_connection_window_closed());
}

void Http2Connection::watch_client() {
  if (is_gone_ || is_lingering_) return;
  // One stream may wait for its window for as long as its own deadline says; but who holds back
  // anything has to take the floor's rate of something.
  if (stalled_streams_ == 0 && out_.is_empty()) {
    answer_floor_.stop();
    write_deadline_ns_ = 0;
    return;
  }
  if (write_deadline_ns_ == 0) {
    taken_bytes_ = out_.sent_bytes();
    answer_floor_.start(now_ns(), answer_rules());
    write_deadline_ns_ = now_ns() + worker_.shared().options.timeouts.write_ns;
  }
}

// The kernel takes a lot at once and then nothing for long; what the client has acknowledged tells
// whether it reads.
void Http2Connection::note_taken(std::int64_t now) {
  const std::uint64_t sent = out_.sent_bytes();
  const std::uint64_t waiting = net::unacknowledged_bytes(channel_.fd());
  const std::uint64_t taken = sent - std::min(sent, waiting);
  if (taken > taken_bytes_) {
    answer_floor_.moved(taken - taken_bytes_, answer_rules());
    taken_bytes_ = taken;
  } else if (owes_client()) {
    return;
  }
  write_deadline_ns_ = now + worker_.shared().options.timeouts.write_ns;
}

void Http2Connection::on_idle() {
  if (is_ending_) {
    // Nearly always the session is over by now; a head that is half here would keep it.
    if (idle_deadline_ns_ == 0) idle_deadline_ns_ = now_ns() + kLingerNs;
  } else if (is_draining_ && requests_ > 0) {
    end_session(net::Http2Error::kNone);
  } else if (idle_deadline_ns_ == 0) {
    idle_deadline_ns_ = now_ns() + worker_.shared().options.timeouts.keep_alive_ns;
  }
}

void Http2Connection::count_breach() {
  if (session_.breach() == net::Http2Breach::kNone || is_breach_counted_) return;
  is_breach_counted_ = true;
  worker_.count_http2_breach(net::to_string(session_.breach()));
}

// ---- ends and deadlines

void Http2Connection::end_session(net::Http2Error error) {
  if (std::exchange(is_ending_, true)) return;
  end_deadline_ns_ = idle_deadline_ns_ = 0;
  session_.end(error);
  mark_for_turn_end();
}

// All is said. The client may still be sending: it must get to see the GOAWAY before a reset does.
void Http2Connection::begin_linger() {
  is_lingering_ = true;
  for (std::size_t i = streams_.size(); i > 0; --i) streams_[i - 1]->connection_gone();
  sweep();
  channel_.shut_down_sending();
  answer_floor_.stop();
  head_deadline_ns_ = write_deadline_ns_ = end_deadline_ns_ = 0;
  idle_deadline_ns_ = now_ns() + kLingerNs;
}

void Http2Connection::on_gone() {
  if (is_closed_ || std::exchange(is_gone_, true)) return;
  watch_.want_read(false);
  watch_.want_write(false);
  idle_deadline_ns_ = head_deadline_ns_ = write_deadline_ns_ = end_deadline_ns_ = 0;
  out_.clear();
  channel_.close();
  for (std::size_t i = streams_.size(); i > 0; --i) streams_[i - 1]->connection_gone();
  mark_for_turn_end();
}

void Http2Connection::on_tick(std::int64_t now) {
  if (is_closed_ || tick_deadlines(now)) return;
  for (std::size_t i = streams_.size(); i > 0; --i) streams_[i - 1]->on_tick(now);
  if (!streams_.empty()) return;
  free_.clear();
  out_.release_room();
}

// True: the connection is about to end.
bool Http2Connection::tick_deadlines(std::int64_t now) {
  if (write_deadline_ns_ != 0) {
    note_taken(now);
    const bool is_too_slow = answer_floor_.is_below(now, answer_rules());
    if (is_too_slow || now >= write_deadline_ns_) {
      worker_.count_timeout(is_too_slow ? "answer_rate" : "write");
      channel_.set_reset_on_close();
      on_gone();
      return true;
    }
  }
  if (head_deadline_ns_ != 0 && now >= head_deadline_ns_) {
    head_deadline_ns_ = 0;
    worker_.count_timeout("head");
    refuse_unseen(408, "head_timeout");
    end_session(net::Http2Error::kEnhanceYourCalm);
    return true;
  }
  if (end_deadline_ns_ != 0 && now >= end_deadline_ns_) end_session(net::Http2Error::kNone);
  if (idle_deadline_ns_ != 0 && now >= idle_deadline_ns_) {
    idle_deadline_ns_ = 0;
    if (is_lingering_ || is_ending_) {
      on_gone();
      return true;
    }
    end_session(net::Http2Error::kNone);
    return true;
  }
  return false;
}

// A request that is here already, though not read, is still answered; and who has just connected is
// about to ask.
void Http2Connection::drain() {
  if (is_closed_ || is_gone_ || std::exchange(is_draining_, true) || is_ending_) return;
  on_readable();
  if (is_closed_ || is_gone_ || is_ending_) return;
  const bool is_fresh = requests_ == 0 && now_ns() - opened_ns_ < kEndNoticeNs;
  if (streams_.empty() && !is_fresh) {
    end_session(net::Http2Error::kNone);
    return;
  }
  session_.announce_end();
  end_deadline_ns_ = now_ns() + kEndNoticeNs;
  mark_for_turn_end();
}

void Http2Connection::shut_down() {
  if (is_closed_) return;
  for (std::size_t i = streams_.size(); i > 0; --i) streams_[i - 1]->exchange().shut_down();
  end_session(net::Http2Error::kNone);
  on_turn_end();
  if (is_closed_) return;
  // What the socket did not take is lost: the time to drain is over.
  for (std::size_t i = streams_.size(); i > 0; --i) streams_[i - 1]->exchange().shut_down();
  close();
}

void Http2Connection::cut_if_candidate(std::string_view route) {
  for (std::size_t i = streams_.size(); i > 0; --i) {
    streams_[i - 1]->exchange().cut_if_candidate(route);
  }
}

void Http2Connection::abandon() {
  for (auto& stream : streams_) stream->exchange().abandon();
}

void Http2Connection::close() {
  if (is_closed_) return;
  is_closed_ = true;
  watch_.want_read(false);
  watch_.want_write(false);
  abandon();
  channel_.close();
  worker_.release(*this);
}

}  // namespace banyan::proxy
