// SPDX-License-Identifier: Apache-2.0
//
// From the request's head to the moment before the call.
#include "proxy/exchange.h"

#include <algorithm>
#include <utility>

#include "core/base/text.h"
#include "proxy/client_stream.h"
#include "proxy/max_forwards.h"
#include "proxy/subject.h"
#include "proxy/worker.h"

namespace banyan::proxy {
namespace {

Capture::Mode request_capture_mode(RecordMode record, bool has_body_rules) {
  if (record != RecordMode::kFull || has_body_rules) return Capture::Mode::kNothing;
  return Capture::Mode::kChunks;
}

std::string_view content_type_of(const http::HeaderList& fields) {
  return http::find_header(fields, "content-type").value_or(std::string_view());
}

}  // namespace

Exchange::Exchange(ClientStream& stream, Worker& worker)
    : stream_(stream),
      worker_(worker),
      request_capture_(worker.shared().capture_limits, worker.inline_budget(), worker.lane()),
      answer_capture_(worker.shared().capture_limits, worker.inline_budget(), worker.lane()) {}

Exchange::~Exchange() { abandon(); }

void Exchange::begin(const http::RequestHead& head, Instant started) {
  if (refuse_if_wrong(head)) return;
  reset(head, started);
  decide();
  is_open_ = true;
  worker_.count_opened();
  if (!reads_whole()) open_stream();
}

namespace {

// Where clients show certificates, a connection is for the name it was opened for.
bool is_misdirected(const Peer& peer, std::string_view authority) {
  if (!peer.secure || !peer.secure->asks_for_certificates) return false;
  const std::string& name = peer.secure->server_name;
  const bool has_port = !authority.empty() && authority.back() != ']' &&
                        authority.rfind(':') != std::string_view::npos;
  const std::string_view host = has_port ? authority.substr(0, authority.rfind(':')) : authority;
  return !name.empty() && !equal_ignoring_case(host, name);
}

}  // namespace

bool Exchange::refuse_if_wrong(const http::RequestHead& head) {
  if (is_misdirected(stream_.connection().peer(), head.authority)) {
    stream_.refuse(421, "misdirected_request",
                   "the request names another host than its TLS connection");
    return true;
  }
  if (head.method == "CONNECT") {
    stream_.refuse(501, "connect_unsupported", "CONNECT is not supported");
    return true;
  }
  const auto expect = http::find_header(head.fields, "expect");
  if (expect && !head.is_1_0() && !equal_ignoring_case(*expect, "100-continue")) {
    stream_.refuse(417, "expectation_failed", "only Expect: 100-continue is supported");
    return true;
  }
  if (hops_left(head).is_bad) {
    stream_.refuse(400, "bad_max_forwards", "Max-Forwards is not one number");
    return true;
  }
  if (has_passed(head, worker_.shared().log.log_uuid)) {
    stream_.refuse(508, "loop_detected", "the request has passed this proxy before");
    return true;
  }
  return false;
}

void Exchange::reset(const http::RequestHead& head, Instant started) {
  head_ = &head;
  started_ = started;
  id_ = worker_.next_exchange_id();
  error_code_ = {};
  upstream_.clear();
  first_byte_ = ended_ = Instant{};
  step_ = Step::kReadingBody;
  waiting_ = Waiting::kNothing;
  waited_ns_ = continue_deadline_ns_ = 0;
  informational_ = 0;
  body_.clear();
  body_received_ = 0;
  held_piece_.clear();
  request_trailers_.clear();
  forwarded_ = Forwarded::kNothing;
  is_streaming_ = is_request_complete_ = is_request_recorded_ = false;
  is_stream_finished_ = has_stream_bytes_out_ = false;
  was_durable_given_up_ = has_asked_twice_ = false;
  status_ = 0;
  http_version_ = 1;
  answer_fields_.clear();
  answer_trailers_.clear();
  upgrade_ = {};
  is_tunnel_ = false;
  answer_has_body_ = false;
  has_answer_head_ = is_reading_paused_ = is_client_gone_ = false;
  answered_by_us_ = was_aborted_ = was_cut_ = must_linger_ = false;
  keeps_alive_ = head.keep_alive;
  const bool has_body =
      head.framing == http::BodyFraming::kChunked ||
      (head.framing == http::BodyFraming::kContentLength && head.content_length > 0);
  wants_continue_ = head.expects_continue && !head.is_1_0() && has_body;
}

void Exchange::decide() {
  routing::RequestFacts facts;
  facts.method = head_->method;
  facts.host = head_->authority;
  facts.target = head_->target;
  facts.fields = &head_->fields;
  const std::string client = client_address(*head_, stream_.connection().peer());
  facts.client_address = client;
  facts.connection = stream_.connection().number();
  facts.memo = &session_memo_;
  worker_.routes().decide(facts, decision_);
  // The table may be replaced while the exchange is open.
  route_.assign(decision_.route_name);
  if (head_->wants_upgrade && may_upgrade(decision_.route)) {
    upgrade_ = trim(http::find_header(head_->fields, "upgrade").value_or(std::string_view()));
    decision_.decision.append("; upgrade");
  }
  ends_here_ = hops_left(*head_).ends_here();
  if (ends_here_) decision_.decision.append("; max_forwards");
  decision_.route = nullptr;
  decision_.route_name = route_;
  if (head_->wants_upgrade && decision_.mirror == MirrorDecision::kSelected) {
    decision_.mirror = MirrorDecision::kSkipped;
    decision_.skip = SkipReason::kUpgrade;
  }
  if (ends_here_ && decision_.mirror == MirrorDecision::kSelected) {
    decision_.mirror = MirrorDecision::kSkipped;
    decision_.skip = SkipReason::kNotForwarded;
  }
  system_ = decision_.primary;
  if (worker_.shared().subjects != nullptr) note_subject();
}

void Exchange::note_subject() {
  const Shared& shared = worker_.shared();
  const std::string subject = subject_of(shared.options.subject, *head_, decision_.session);
  subject_ = subject.empty() ? std::string() : shared.subjects->id_for(subject);
}

// Bodies within the inline limit are read whole before anything is forwarded.
bool Exchange::reads_whole() const {
  if (wants_continue_) return false;
  if (head_->framing != http::BodyFraming::kContentLength) {
    // In HTTP/2 a body without a length may be half of a conversation, which would wait for ever
    // if we waited for its end (decision 13).
    return head_->version_major == 1 || head_->framing == http::BodyFraming::kNone;
  }
  return head_->content_length <= worker_.shared().options.limits.inline_body_max &&
         worker_.inline_budget().used() + head_->content_length <=
             worker_.inline_budget().bytes_max();
}

bool Exchange::hold_inline(std::size_t bytes) {
  if (body_.size() + bytes > worker_.shared().options.limits.inline_body_max) return false;
  if (!worker_.inline_budget().take(bytes)) return false;
  inline_held_ += bytes;
  return true;
}

void Exchange::on_request_body(std::string_view piece) {
  if (!is_open_ || step_ >= Step::kFinishing) return;
  body_received_ += piece.size();
  if (!is_streaming_) {
    const bool fits = hold_inline(piece.size());
    if (body_.capacity() == 0 && head_->framing == http::BodyFraming::kContentLength) {
      body_.reserve(std::min<std::uint64_t>(head_->content_length, 1 << 20));
    }
    body_.append(piece);
    if (!fits) open_stream();
    return;
  }
  request_capture_.add(piece);
  if (!call_) return;  // The system refused it; what still comes is read and dropped.
  const bool is_last = head_->framing == http::BodyFraming::kContentLength &&
                       body_received_ == head_->content_length;
  if (is_last && wants_durable(Durability::kRequest) && request_capture_.has_chunks()) {
    held_piece_.assign(piece);
  } else {
    forward_piece(piece);
  }
}

void Exchange::on_request_complete(const http::HeaderList& trailers) {
  if (!is_open_ || step_ >= Step::kFinishing) return;
  is_request_complete_ = true;
  request_trailers_.assign_trailers(trailers);
  if (is_streaming_) {
    finish_stream();
  } else if (request_trailers_.fields().empty()) {
    admit_inline();
  } else {
    open_stream();  // Only a stream has a place for trailers, in the log and on the wire.
  }
}

// ---- records that open the exchange

void Exchange::open_stream() {
  is_streaming_ = true;
  stream_.pause_input();
  const auto& shared = worker_.shared();
  request_capture_.start(request_capture_mode(decision_.record, shared.redactor.has_body_rules()),
                         id_, model::Side::kRequest, subject_);
  model::Body body;
  body.kind =
      request_capture_.has_chunks() ? model::Body::Kind::kChunks : model::Body::Kind::kNotRecorded;
  body.length = head_->framing == http::BodyFraming::kContentLength ? head_->content_length : 0;
  body.is_complete = body.kind == model::Body::Kind::kChunks;
  prepare_forward();
  const model::Ticket ticket = record_request(body);
  request_capture_.add(body_);
  after_record(ticket);
}

void Exchange::admit_inline() {
  prepare_forward();
  model::Body body;
  body.length = body_.size();
  if (!body_.empty()) {
    const bool is_full = decision_.record == RecordMode::kFull;
    body.kind = is_full ? model::Body::Kind::kInline : model::Body::Kind::kNotRecorded;
    if (decision_.record != RecordMode::kOff) {
      body.digest = xxh3_128(body_, worker_.shared().capture_limits.digest_seed);
    } else {
      body.length = 0;
    }
    if (is_full) body.bytes = body_;
  }
  after_record(record_request(body));
}

void Exchange::prepare_forward() {
  ForwardFacts facts;
  facts.exchange = id_;
  facts.peer = &stream_.connection().peer();
  facts.log_uuid = worker_.shared().log.log_uuid;
  facts.host = worker_.host_for(system_, head_->authority);
  facts.upgrade = upgrade_;
  if (is_streaming_) {
    const bool has_length = head_->framing == http::BodyFraming::kContentLength;
    facts.framing = has_length ? RequestFraming::kContentLength : RequestFraming::kChunked;
    facts.content_length = head_->content_length;
  } else if (head_->framing != http::BodyFraming::kNone ||
             http::find_header(head_->fields, "content-length").has_value()) {
    facts.framing = RequestFraming::kContentLength;
    facts.content_length = body_.size();
  }
  forward_.build(*head_, facts);
}

model::Ticket Exchange::record_request(const model::Body& body) {
  model::RequestRecord record;
  record.exchange = id_;
  record.started = started_;
  record.route = route_;
  record.routing_epoch = decision_.routing_epoch;
  record.primary = decision_.primary;
  record.decision = decision_.decision;
  record.session = decision_.session;
  record.mirror = decision_.mirror;
  record.skip = decision_.skip;
  record.is_write = decision_.is_write;
  record.durability = decision_.durability;
  record.method = head_->method;
  record.http_version = model::http_version_number(head_->version_major, head_->version_minor);
  record.body = body;
  record.of.key = subject_;
  is_request_recorded_ = true;
  if (decision_.record == RecordMode::kOff) return model::append_record(worker_.lane(), record);
  const model::Redactor& redactor = worker_.shared().redactor;
  const http::HeaderList& fields = forward_.fields();
  model::RedactedMessage redacted;
  if (redactor.is_clean(head_->target, fields, body.bytes)) {
    record.target = head_->target;
    record.fields = worker_.take_field_room();
    record.fields.assign(fields.begin(), fields.end());
  } else {
    redacted = redactor.redact(id_, head_->target, fields, body.bytes, content_type_of(fields));
    record.target = redacted.target;
    record.fields = std::move(redacted.fields);
    record.sealed = redacted.sealed;
    apply_redaction(redacted, record.body);
  }
  const model::Ticket ticket = model::append_record(worker_.lane(), record);
  worker_.give_field_room(std::move(record.fields));
  return ticket;
}

// ---- durability

bool Exchange::wants_durable(Durability level) const {
  return decision_.durability >= level && !was_durable_given_up_;
}

void Exchange::after_record(model::Ticket ticket) {
  const bool has_failed = ticket.is_refused() || worker_.lane().has_failed();
  if (has_failed) {
    if (decision_.on_failure == OnFailure::kFailClosed) {
      answer_error(
          503, "log_unavailable",
          "the log cannot take the request now, and its route forwards nothing unrecorded");
      return;
    }
    was_durable_given_up_ = true;
  }
  if (wants_durable(Durability::kRequest)) {
    step_ = Step::kWaiting;
    wait_for(ticket, Waiting::kForwardHead);
  } else {
    start_call();
  }
}

void Exchange::wait_for(model::Ticket ticket, Waiting what) {
  waiting_ = what;
  wait_since_ns_ = worker_.loop().now().mono_ns;
  worker_.waits().add(ticket, *this, waited_ns_);
}

void Exchange::stop_waiting() {
  if (std::exchange(waiting_, Waiting::kNothing) != Waiting::kNothing) {
    worker_.waits().cancel(*this);
  }
}

void Exchange::on_durable(bool is_durable) {
  const Waiting what = std::exchange(waiting_, Waiting::kNothing);
  waited_ns_ += worker_.loop().now().mono_ns - wait_since_ns_;
  if (!is_durable) {
    was_durable_given_up_ = true;
    if (what != Waiting::kRelease && decision_.on_failure == OnFailure::kFailClosed) {
      answer_error(503, "log_timeout",
                   "the log could not make the request durable in time, and its route forwards "
                   "nothing unrecorded");
      return;
    }
  }
  switch (what) {
    case Waiting::kForwardHead: start_call(); break;
    case Waiting::kForwardEnd: send_stream_end(); break;
    case Waiting::kRelease: release(); break;
    case Waiting::kNothing: break;
  }
}

void Exchange::abandon() {
  stop_waiting();
  call_.reset();
  request_capture_.clear();
  answer_capture_.clear();
  worker_.inline_budget().give(std::exchange(inline_held_, 0));
  if (std::exchange(is_open_, false)) worker_.count_closed();
}

}  // namespace banyan::proxy
