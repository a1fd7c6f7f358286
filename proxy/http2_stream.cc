// SPDX-License-Identifier: Apache-2.0
#include "proxy/http2_stream.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "proxy/http2_connection.h"
#include "proxy/worker.h"

namespace banyan::proxy {
namespace {

constexpr std::size_t kEraseBytes = 64 * 1024;

void give_back(std::string& text) {
  if (text.capacity() > kKeptCapacity) {
    text = std::string();
  } else {
    text.clear();
  }
}

}  // namespace

Http2Stream::Http2Stream(Http2Connection& connection, Worker& worker)
    : ClientStream(connection),
      connection_(connection),
      worker_(worker),
      exchange_(*this, worker) {}

Http2Stream::~Http2Stream() = default;

std::int64_t Http2Stream::now_ns() const { return worker_.loop().now().mono_ns; }

// ---- the request

void Http2Stream::begin(std::int32_t id, http::FieldSection& section, bool has_body) {
  id_ = id;
  section_.swap(section);
  const auto error =
      http::parse_http2_request(section_, has_body, connection_.read_limits(), cookies_, head_);
  if (error) {
    refused_ = &*error;
    refuse(error->status, error->code, error->message);
    refused_ = nullptr;
    return;
  }
  if (!head_.lenient.is_empty()) worker_.count_lenient(head_.lenient);
  if (has_body) await_body();
  exchange_.begin(head_, worker_.loop().now());
}

void Http2Stream::on_data(std::string_view piece) {
  if (is_refused_ || !exchange_.is_open()) {
    connection_.session().consume(id_, piece.size());
    return;
  }
  received_bytes_ += piece.size();
  const std::uint64_t most = worker_.shared().options.limits.body_bytes_max;
  if (most > 0 && received_bytes_ > most) {
    connection_.session().consume(id_, piece.size());
    pause_input();
    exchange_.on_request_error(413, "body_too_large", "the body is over its limit");
    return;
  }
  body_floor_.moved(piece.size(), body_rules());
  if (is_input_paused_ || !input_.empty()) {
    input_.append(piece);
    return;
  }
  await_body();
  exchange_.on_request_body(piece);
  connection_.session().consume(id_, piece.size());
}

void Http2Stream::on_end(http::FieldSection& trailers) {
  has_end_ = true;
  stop_awaiting_body();
  trailers_.swap(trailers);
  if (!is_input_paused_ && input_.empty()) deliver_end();
}

void Http2Stream::deliver_input() {
  while (!is_input_paused_ && !input_.empty()) {
    std::string taken;
    taken.swap(input_);
    if (exchange_.is_open()) exchange_.on_request_body(taken);
    connection_.session().consume(id_, taken.size());
  }
  if (has_end_ && !is_end_delivered_ && !is_input_paused_ && input_.empty()) deliver_end();
}

void Http2Stream::deliver_end() {
  is_end_delivered_ = true;
  if (!exchange_.is_open()) return;
  http::HeaderList trailers;
  if (auto error = http::parse_http2_trailers(trailers_, connection_.read_limits(), trailers)) {
    connection_.note_refusal(*error);
    exchange_.on_request_error(error->status, error->code, error->message);
    return;
  }
  exchange_.on_request_complete(trailers);
}

void Http2Stream::pause_input() {
  is_input_paused_ = true;
  stop_awaiting_body();
}

void Http2Stream::unpause_input() {
  if (!is_input_paused_) return;
  is_input_paused_ = false;
  if (!has_end_) await_body();
  connection_.mark(*this);
}

// Half of a conversation may be silent as long as it likes once the other half has begun; what
// bounds it then is the system's `idle`.
bool Http2Stream::is_conversation() const {
  return head_.framing == http::BodyFraming::kChunked && is_head_submitted_;
}

void Http2Stream::await_body() {
  if (is_conversation()) {
    stop_awaiting_body();
    return;
  }
  read_deadline_ns_ = now_ns() + worker_.shared().options.timeouts.body_ns;
  body_floor_.start(now_ns(), body_rules());
}

void Http2Stream::stop_awaiting_body() {
  read_deadline_ns_ = 0;
  body_floor_.stop();
}

RateFloor::Rules Http2Stream::body_rules() const {
  const ProxyOptions& options = worker_.shared().options;
  return {options.limits.rate_floor, options.timeouts.rate_grace_ns, options.timeouts.body_ns};
}

// ---- the answer

void Http2Stream::refuse(int status, std::string_view code, std::string_view message) {
  worker_.count_refused(status);
  worker_.tell_refused(connection_.peer(), status, code);
  http::ReadError error;
  if (refused_ == nullptr) {  // The head is fine and means what we do not do.
    error.status = status;
    error.code = code;
  }
  connection_.note_refusal(refused_ != nullptr ? *refused_ : error);
  is_refused_ = true;
  ErrorAnswer answer;
  answer.status = status;
  answer.code = code;
  answer.message = message;
  answer.answers_head_method = head_.method == "HEAD";
  send_error(answer);
  release_tail();
}

void Http2Stream::send_informational(int status, std::string_view, const http::HeaderList& fields) {
  if (is_gone_) return;
  http::HeaderList& kept = connection_.scratch_fields();
  kept.clear();
  for (const http::Header& field : fields) {
    if (!http::is_connection_specific(fields, field.name) && !is_content_length(field.name)) {
      kept.push_back(field);
    }
  }
  connection_.session().send_informational(id_, status, kept);
  connection_.mark(*this);
}

void Http2Stream::send_head(const ClientHead& head) {
  answer_ = head;
  has_head_ = true;
  body_left_ = head.content_length;
  if (!head.has_body || (head.is_length_known && body_left_ == 0)) is_tail_held_ = true;
  connection_.mark(*this);
}

void Http2Stream::send_body(std::string_view piece) {
  out_.append(piece);
  if (answer_.is_length_known) {
    body_left_ -= std::min<std::uint64_t>(body_left_, piece.size());
    if (body_left_ == 0) is_tail_held_ = true;
  }
  connection_.mark(*this);
}

void Http2Stream::send_end(const http::HeaderList& trailers) {
  is_tail_held_ = true;
  is_ended_ = true;
  trailers_out_ = &trailers;
}

void Http2Stream::send_error(const ErrorAnswer& answer) {
  out_ = error_body(answer);
  out_at_ = 0;
  error_fields_.clear();
  error_fields_.push_back({"content-type", "application/json"});
  if (!answer.request_id.empty()) error_fields_.push_back({"x-request-id", answer.request_id});
  if (answer.status == 503) error_fields_.push_back({"retry-after", "1"});
  answer_ = ClientHead();
  answer_.status = answer.status;
  answer_.fields = &error_fields_;
  answer_.has_body = !answer.answers_head_method;
  answer_.is_length_known = true;
  answer_.content_length = out_.size();
  if (!answer_.has_body) out_.clear();
  has_head_ = is_tail_held_ = is_ended_ = true;
  trailers_out_ = nullptr;
}

void Http2Stream::take_back_head() {
  if (is_head_submitted_) return;
  has_head_ = is_tail_held_ = is_ended_ = false;
  trailers_out_ = nullptr;
  out_.clear();
  out_at_ = 0;
  body_left_ = 0;
}

void Http2Stream::release_tail() {
  is_tail_held_ = false;
  connection_.mark(*this);
}

// All that may leave has just left when the exchange hears of progress.
void Http2Stream::flush() {
  if (!is_telling_progress_) connection_.mark(*this);
}

std::size_t Http2Stream::waiting_bytes() const {
  if (is_broken_ || !has_head_) return 0;
  const std::size_t waiting = out_.size() - out_at_;
  if (waiting > 0) return waiting;
  // The head and the end are something, too.
  return !is_head_submitted_ || (is_ended_ && !is_end_taken_) ? 1 : 0;
}

std::size_t Http2Stream::sendable_bytes() const {
  const std::size_t waiting = out_.size() - out_at_;
  if (!is_tail_held_) return waiting;
  return waiting > kTailBytes ? waiting - kTailBytes : 0;
}

bool Http2Stream::has_something_to_send() const {
  if (!has_head_ || is_gone_ || is_end_taken_) return false;
  if (sendable_bytes() > 0) return true;
  return !is_tail_held_ && (!is_head_submitted_ || is_ended_);
}

void Http2Stream::work() {
  deliver_input();
  if (is_done_ || !has_something_to_send()) return;
  if (!is_head_submitted_) {
    submit_head();
  } else {
    connection_.session().resume(id_);
  }
}

void Http2Stream::submit_head() {
  is_head_submitted_ = true;
  if (is_conversation()) stop_awaiting_body();
  http::HeaderList& fields = connection_.scratch_fields();
  fields.clear();
  bool passes_length = passes_length_field(answer_);
  for (const http::Header& field : *answer_.fields) {
    if (is_content_length(field.name) && !std::exchange(passes_length, false)) continue;
    fields.push_back(field);
  }
  if (connection().peer().writes_via) fields.push_back({"via", "1.1 banyan"});
  char digits[24];
  if (answer_.has_body && answer_.is_length_known) {
    const auto end = std::to_chars(digits, digits + sizeof digits, answer_.content_length).ptr;
    fields.push_back(
        {"content-length", std::string_view(digits, static_cast<std::size_t>(end - digits))});
  }
  const bool has_trailers = trailers_out_ != nullptr && !trailers_out_->empty();
  const bool is_all = is_ended_ && !is_tail_held_ && out_.size() == out_at_ && !has_trailers;
  connection_.session().send_head(id_, answer_.status, fields, is_all);
  if (is_all) is_end_taken_ = true;
  has_progressed_ = true;
}

net::Http2Piece Http2Stream::next_piece(std::size_t bytes_max) {
  net::Http2Piece piece;
  piece.bytes = std::min(bytes_max, sendable_bytes());
  piece.is_end = is_ended_ && !is_tail_held_ && piece.bytes == out_.size() - out_at_;
  piece.trailers = trailers_out_;
  if (piece.bytes > 0) {
    is_end_offered_ = piece.is_end;
  } else if (piece.is_end) {
    is_end_taken_ = has_progressed_ = true;
    connection_.mark(*this);
  }
  return piece;
}

void Http2Stream::take_piece(std::size_t bytes, net::OutputBuffer& out) {
  out.append(std::string_view(out_).substr(out_at_, bytes));
  out_at_ += bytes;
  if (is_end_offered_) is_end_taken_ = true;
  if (out_at_ == out_.size()) {
    give_back(out_);
    out_at_ = 0;
  } else if (out_at_ > kEraseBytes) {
    out_.erase(0, out_at_);
    out_at_ = 0;
  }
  has_progressed_ = true;
  connection_.mark(*this);
}

void Http2Stream::after_output() {
  if (is_done_) return;
  watch_stall();
  if (is_refused_) {
    if (is_end_taken_ || is_gone_) is_done_ = true;
    return;
  }
  if (!exchange_.is_open() || is_broken_) return;
  is_telling_progress_ = true;
  exchange_.on_output_progress();
  is_telling_progress_ = false;
}

// A client that opens no window has a stream of ours for as long as its deadline says. Where all
// of its streams wait for the connection, that one's deadlines count.
void Http2Stream::watch_stall() {
  const bool has_progressed = std::exchange(has_progressed_, false);
  const bool was_stalled = is_stalled();
  if (!has_something_to_send()) {
    stall_deadline_ns_ = 0;
  } else if (has_progressed || !was_stalled || !connection_.session().is_window_closed(id_)) {
    stall_deadline_ns_ = now_ns() + worker_.shared().options.timeouts.write_ns;
  }
  if (was_stalled != is_stalled()) connection_.count_stalled(is_stalled() ? 1 : -1);
}

// ---- ends and deadlines

void Http2Stream::exchange_ended(After after) {
  if (after == After::kCut && !is_end_taken_) must_reset_ = true;
  is_done_ = true;
  connection_.mark(*this);
}

void Http2Stream::detach() { drop_output(); }

void Http2Stream::drop_output() {
  is_broken_ = true;
  stop_awaiting_body();
  stop_stalling();
  out_ = std::string();
  out_at_ = 0;
  if (!input_.empty()) connection_.session().consume(id_, input_.size());
  input_ = std::string();
  connection_.mark(*this);
}

void Http2Stream::on_closed(net::Http2Error error, bool by_client) {
  is_gone_ = true;
  if (!input_.empty()) connection_.session().consume(id_, input_.size());
  input_.clear();
  if (is_end_taken_) {
    connection_.mark(*this);
    return;
  }
  if (by_client || error == net::Http2Error::kNone) {
    client_gone("client_closed");
    return;
  }
  // A body that is not as long as its Content-Length, or what else no request may hold.
  http::ReadError refusal;
  refusal.status = 400;
  refusal.code = "malformed_stream";
  connection_.note_refusal(refusal);
  client_gone(refusal.code);
}

void Http2Stream::connection_gone() {
  is_gone_ = true;
  client_gone("client_closed");
}

void Http2Stream::client_gone(std::string_view cause) {
  if (is_broken_ || is_done_) return;
  is_broken_ = true;
  stop_awaiting_body();
  stop_stalling();
  if (is_refused_ || !exchange_.is_open()) {
    is_done_ = true;
    connection_.mark(*this);
    return;
  }
  exchange_.on_client_gone(cause);
}

void Http2Stream::stop_stalling() {
  if (is_stalled()) connection_.count_stalled(-1);
  stall_deadline_ns_ = 0;
}

void Http2Stream::on_tick(std::int64_t now) {
  if (is_done_) return;
  if (is_stalled() && now >= stall_deadline_ns_) {
    if (!connection_.session().is_window_closed(id_)) {
      stall_deadline_ns_ = now + worker_.shared().options.timeouts.write_ns;
      return;
    }
    worker_.count_timeout("write");
    connection_.session().reset(id_, net::Http2Error::kCancel);
    is_gone_ = true;
    client_gone("client_stalled");
    return;
  }
  if (exchange_.is_open() && body_floor_.is_below(now, body_rules())) {
    stop_awaiting_body();
    worker_.count_timeout("body_rate");
    exchange_.on_request_error(408, "body_too_slow",
                               "the request's body came more slowly than the floor");
    return;
  }
  if (read_deadline_ns_ != 0 && now >= read_deadline_ns_) {
    read_deadline_ns_ = 0;
    if (is_refused_ || !exchange_.is_open()) return;
    worker_.count_timeout("body");
    exchange_.on_body_timeout();
    return;
  }
  if (exchange_.is_open()) exchange_.on_tick(now);
}

void Http2Stream::clear() {
  stop_awaiting_body();
  stop_stalling();
  if (!is_gone_) {
    net::Http2ServerSession& session = connection_.session();
    if (!input_.empty()) session.consume(id_, input_.size());
    if (must_reset_ || !is_end_taken_) {
      session.reset(id_, net::Http2Error::kInternal);
    } else if (!has_end_) {
      session.reset(id_,
                    net::Http2Error::kNone);  // Whole, and the rest of the request is not read.
    } else {
      session.forget(id_);
    }
  }
  section_.clear();
  trailers_.clear();
  give_back(input_);
  give_back(out_);
  out_at_ = 0;
  received_bytes_ = body_left_ = 0;
  is_refused_ = is_input_paused_ = has_end_ = is_end_delivered_ = false;
  has_head_ = is_head_submitted_ = is_tail_held_ = is_ended_ = false;
  is_end_offered_ = is_end_taken_ = has_progressed_ = must_reset_ = false;
  is_gone_ = is_done_ = is_broken_ = false;
  trailers_out_ = nullptr;
}

}  // namespace banyan::proxy
