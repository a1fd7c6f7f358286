// SPDX-License-Identifier: Apache-2.0
//
// The answer on its way to the client, and every end of an exchange. The closing record is always
// appended before the last bytes are handed to the kernel: a client that acts upon an answer can
// then not be recorded as having acted before it.
#include <algorithm>
#include <utility>

#include "proxy/client_stream.h"
#include "proxy/exchange.h"
#include "proxy/max_forwards.h"
#include "proxy/worker.h"

namespace banyan::proxy {
namespace {

// Of an answer that a slow client has not taken; past it we stop reading from the system.
constexpr std::size_t kWaitingBytesMax = 256 * 1024;

Capture::Mode answer_capture_mode(RecordMode record, bool has_body_rules) {
  switch (record) {
    case RecordMode::kFull:
      return has_body_rules ? Capture::Mode::kInlineOrNone : Capture::Mode::kInlineFirst;
    case RecordMode::kHead: return Capture::Mode::kMeasureOnly;
    case RecordMode::kOff: break;
  }
  return Capture::Mode::kNothing;
}

AnsweredBy answered_by(System system) {
  return system == System::kLegacy ? AnsweredBy::kLegacy : AnsweredBy::kCandidate;
}

}  // namespace

void Exchange::on_head(const http::ResponseHead& head) {
  if (!is_open_) return;
  if (!head.lenient.is_empty()) worker_.count_lenient(head.lenient);
  step_ = Step::kAnswering;
  has_answer_head_ = true;
  first_byte_ = worker_.loop().now();
  if (worker_.keeps_access()) upstream_.assign(call_->address());
  status_ = head.status;
  http_version_ = model::http_version_number(head.version_major, head.version_minor);
  continue_deadline_ns_ = 0;
  answer_fields_.assign_end_to_end(head.fields);
  answer_capture_.start(
      answer_capture_mode(decision_.record, worker_.shared().redactor.has_body_rules()), id_,
      model::Side::kPrimary, subject_);
  if (!is_client_gone_) write_head(head);
}

void Exchange::write_head(const http::ResponseHead& head) {
  // An answer before the end of the request: what the client still sends must not be taken for its
  // next request.
  if (!is_request_complete_) must_linger_ = true;
  keeps_alive_ = keeps_alive_ && is_request_complete_ && !stream_.connection().is_draining();
  ClientHead out = client_head(head, answer_fields_.fields(), head_->method == "HEAD");
  out.keeps_alive = keeps_alive_;
  answer_has_body_ = out.has_body;
  stream_.send_head(out);
}

void Exchange::on_body(std::string_view piece) {
  if (!is_open_ || piece.empty()) return;
  answer_capture_.add(piece);
  if (is_client_gone_ || !answer_has_body_) return;
  stream_.send_body(piece);
  if (!is_reading_paused_ && stream_.waiting_bytes() > kWaitingBytesMax) {
    is_reading_paused_ = true;
    call_->pause_reading();
  }
}

// Goes into the record and to the client from where it lies.
void Exchange::on_last_body(std::string_view piece) {
  if (!is_open_ || piece.empty()) return;
  answer_capture_.lend(piece);
  if (!is_client_gone_ && answer_has_body_) stream_.lend_body(piece);
}

void Exchange::on_complete(const http::HeaderList& trailers) {
  if (!is_open_) return;
  answer_trailers_.assign_trailers(trailers);
  stop_waiting();  // An answer before the end of the request may have come during its wait.
  drop_call();
  step_ = Step::kFinishing;
  if (is_client_gone_) {
    ended_ = worker_.shared().clock.now();
    record_response(Delivery::kClientLeft);
    was_aborted_ = true;
    end();
    return;
  }
  stream_.send_end(answer_trailers_.fields());
  if (try_finish()) return;
  answer_capture_.keep_lent();
  stream_.keep_lent();
}

void Exchange::on_output_progress() {
  if (!is_open_) return;
  switch (step_) {
    case Step::kAnswering:
      if (is_reading_paused_ && stream_.waiting_bytes() < kWaitingBytesMax / 2 && call_) {
        is_reading_paused_ = false;
        call_->resume_reading();
      }
      break;
    case Step::kFinishing: (void)try_finish(); break;
    case Step::kReleasing:
      if (waiting_ == Waiting::kNothing && stream_.waiting_bytes() == 0) end();
      break;
    default: break;
  }
}

// The last piece may leave once all before it has left and the record is written. False where it
// has to wait; else the exchange may be over.
bool Exchange::try_finish() {
  if (stream_.has_waiting_beyond_tail()) {
    stream_.flush();
    if (stream_.has_waiting_beyond_tail()) return false;
  }
  if (stream_.is_broken()) return false;  // The turn's end tells that the client has left.
  ended_ = worker_.shared().clock.now();
  finish_with(record_response(Delivery::kWhole));
  return true;
}

void Exchange::finish_with(model::Ticket ticket) {
  step_ = Step::kReleasing;
  if (wants_durable(Durability::kResponse) && !ticket.is_refused() &&
      !worker_.lane().has_failed()) {
    stream_.keep_lent();
    wait_for(ticket, Waiting::kRelease);
  } else {
    release();
  }
}

void Exchange::release() {
  stream_.release_tail();
  if (stream_.waiting_bytes() == 0) end();
}

// ---- ends that are not a whole answer

void Exchange::answer_error(int status, std::string_view code, std::string_view message) {
  stop_waiting();
  drop_call();
  if (has_answer_head_) stream_.take_back_head();
  has_answer_head_ = false;
  close_request_records();
  if (is_client_gone_) {
    abort(code);
    return;
  }
  error_code_ = code;
  status_ = status;
  answered_by_us_ = true;
  must_linger_ = !is_request_complete_;
  keeps_alive_ = head_->keep_alive && is_request_complete_ && !stream_.connection().is_draining();
  const std::string exchange = id_.to_string();
  ErrorAnswer answer;
  answer.status = status;
  answer.code = code;
  answer.message = message;
  answer.exchange = exchange;
  answer.request_id = forward_.request_id();
  answer.keeps_alive = keeps_alive_;
  answer.answers_head_method = head_->method == "HEAD";
  stream_.send_error(answer);
  ended_ = worker_.shared().clock.now();
  finish_with(record_outcome(OutcomeKind::kBanyan, status, code));
}

// OPTIONS: this hop is here, and takes what the next one takes. TRACE: reflecting a request would
// show a client what it cannot see else, credentials of its own and fields of hops before us.
void Exchange::answer_as_last_hop() {
  close_request_records();
  const bool is_trace = head_->method == "TRACE";
  http::HeaderList fields = {{"X-Request-Id", forward_.request_id()}};
  std::string body;
  if (is_trace) {
    error_code_ = "trace_refused";
    body = refused_trace_body(id_.to_string());
    fields.push_back({"Allow", "OPTIONS"});
    fields.push_back({"Content-Type", "application/json"});
  }
  answer_fields_.assign_end_to_end(fields);
  status_ = is_trace ? 405 : 200;
  answered_by_us_ = true;
  must_linger_ = !is_request_complete_;
  keeps_alive_ = head_->keep_alive && is_request_complete_ && !stream_.connection().is_draining();
  ClientHead head;
  head.status = status_;
  head.reason = http::reason_phrase(status_);
  head.fields = &answer_fields_.fields();
  head.is_length_known = true;
  head.content_length = body.size();
  head.keeps_alive = keeps_alive_;
  stream_.send_head(head);
  if (!body.empty()) stream_.send_body(body);
  stream_.send_end(answer_trailers_.fields());  // None; they are referred to until the end.
  ended_ = worker_.shared().clock.now();
  finish_with(record_outcome(OutcomeKind::kBanyan, status_, "max_forwards"));
}

void Exchange::on_request_error(int status, std::string_view code, std::string_view message) {
  if (!is_open_ || step_ >= Step::kFinishing) return;
  if (stream_.has_head_left()) {
    cut_answer();
  } else {
    answer_error(status, code, message);
  }
}

void Exchange::on_body_timeout() {
  if (!is_open_) return;
  on_request_error(408, "body_timeout", "the request's body did not arrive in time");
}

// The client has a part of the answer and must see that there is no more.
void Exchange::cut_answer() {
  stop_waiting();
  drop_call();
  close_request_records();
  ended_ = worker_.shared().clock.now();
  record_response(Delivery::kTruncated);
  stream_.release_tail();
  was_cut_ = true;
  end();
}

void Exchange::on_client_gone(std::string_view cause) {
  if (!is_open_) return;
  is_client_gone_ = true;
  if (step_ == Step::kReleasing) {
    stop_waiting();
    end();
    return;
  }
  if (step_ == Step::kFinishing) {
    ended_ = worker_.shared().clock.now();
    record_response(Delivery::kClientLeft);
    was_aborted_ = true;
    end();
    return;
  }
  if (is_tunnel_) {
    drop_call();
    ended_ = worker_.shared().clock.now();
    record_response(Delivery::kClientLeft);
    was_aborted_ = true;
    end();
    return;
  }
  note_forwarded();
  const bool must_see_end =
      is_request_complete_ && decision_.is_write && call_ && forwarded_ != Forwarded::kNothing;
  if (!must_see_end) {
    abort(cause);
    return;
  }
  if (std::exchange(is_reading_paused_, false)) call_->resume_reading();
  stream_.detach();
}

void Exchange::abort(std::string_view cause) {
  stop_waiting();
  drop_call();
  close_request_records();
  ended_ = worker_.shared().clock.now();
  record_outcome(OutcomeKind::kAborted, 0, cause);
  status_ = 0;
  was_aborted_ = true;
  end();
}

void Exchange::cut_if_candidate(std::string_view route) {
  if (!is_open_ || system_ != System::kCandidate || (!route.empty() && route != route_)) return;
  if (step_ == Step::kFinishing || step_ == Step::kReleasing) return;
  if (has_answer_head_ && stream_.has_head_left()) {
    cut_answer();
  } else {
    answer_error(503, "cut", "the exchange was ended by a rollback; try again");
  }
}

void Exchange::shut_down() {
  if (!is_open_) return;
  if (is_client_gone_) {
    abort("shutdown");
  } else if (step_ == Step::kReleasing || step_ == Step::kFinishing) {
    on_client_gone();
  } else if (has_answer_head_ && stream_.has_head_left()) {
    cut_answer();
  } else {
    was_durable_given_up_ = true;
    answer_error(503, "shutting_down", "the proxy is stopping; try again");
  }
}

void Exchange::end() {
  const AnsweredBy by = answered_by_us_ ? AnsweredBy::kBanyan
                        : was_aborted_  ? AnsweredBy::kNobody
                                        : answered_by(system_);
  worker_.count_ended({route_, head_->method, by, status_, ended_.mono_ns - started_.mono_ns});
  if (worker_.keeps_access()) tell_access(by);
  abandon();
  if (body_.capacity() > ClientStream::kTailBytes) body_ = std::string();
  using After = ClientStream::After;
  if (was_cut_) {
    stream_.exchange_ended(After::kCut);
  } else {
    const bool must_linger = must_linger_ || (answered_by_us_ && !keeps_alive_);
    stream_.exchange_ended(must_linger ? After::kLinger : After::kNext);
  }
}

// ---- records that close the exchange

// What has to stand in the log before the closing record, whatever the request had come to.
void Exchange::close_request_records() {
  if (is_request_recorded_) {
    request_capture_.finish_request(false, {});
    return;
  }
  prepare_forward();
  model::Body body;
  body.length = body_received_;
  body.is_complete = false;
  body.kind = model::Body::Kind::kNotRecorded;
  if (decision_.record == RecordMode::kFull && !body_.empty()) {
    body.kind = model::Body::Kind::kInline;
    body.bytes = body_;
  }
  record_request(body);
}

model::Ticket Exchange::record_response(Delivery delivery) {
  const bool is_whole = delivery != Delivery::kTruncated;
  close_request_records();
  model::ResponseRecord record;
  record.exchange = id_;
  record.route = route_;
  record.started = started_;
  record.is_write = decision_.is_write;
  record.delivery = delivery;
  record.of.key = subject_;
  model::Answer& answer = record.answer;
  answer.system = system_;
  answer.status = static_cast<std::uint16_t>(status_);
  answer.http_version = http_version_;
  answer.first_byte = first_byte_;
  answer.ended = ended_;
  answer.body = answer_capture_.finish_answer(is_whole);
  if (decision_.record == RecordMode::kOff) return model::append_record(worker_.lane(), record);
  const model::Redactor& redactor = worker_.shared().redactor;
  const http::HeaderList& fields = answer_fields_.fields();
  model::RedactedMessage redacted;
  if (redactor.is_clean({}, fields, answer.body.bytes)) {
    answer.fields = worker_.take_field_room();
    answer.fields.assign(fields.begin(), fields.end());
  } else {
    redacted = redactor.redact(id_, {}, fields, answer.body.bytes,
                               http::find_header(fields, "content-type").value_or(""));
    answer.fields = std::move(redacted.fields);
    apply_redaction(redacted, answer.body);
  }
  model::RedactedMessage trailers;
  if (!answer_trailers_.fields().empty()) {
    trailers = worker_.shared().redactor.redact(id_, {}, answer_trailers_.fields(), {}, {});
    answer.trailers = std::move(trailers.fields);
  }
  const model::Ticket ticket = model::append_record(worker_.lane(), record);
  worker_.give_field_room(std::move(answer.fields));
  return ticket;
}

model::Ticket Exchange::record_outcome(OutcomeKind kind, int status, std::string_view cause) {
  model::OutcomeRecord record;
  record.exchange = id_;
  record.route = route_;
  record.ended = ended_;
  record.kind = kind;
  record.status = static_cast<std::uint16_t>(status);
  record.forwarded = forwarded_;
  record.cause = cause;
  return model::append_record(worker_.lane(), record);
}

}  // namespace banyan::proxy
