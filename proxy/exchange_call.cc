// SPDX-License-Identifier: Apache-2.0
//
// Asking the primary: the request's bytes on their way, and what goes wrong with them.
#include <utility>

#include "proxy/client_stream.h"
#include "proxy/exchange.h"
#include "proxy/worker.h"

namespace banyan::proxy {
namespace {

// An origin that has said nothing to Expect: 100-continue by then gets the body anyway.
constexpr std::int64_t kContinueWaitNs = 1'000'000'000;

struct FailureAnswer {
  int status;
  std::string_view message;
};

FailureAnswer answer_for(net::UpstreamFailureKind kind) {
  switch (kind) {
    case net::UpstreamFailureKind::kConnectFailed:
      return {502, "the system behind this proxy cannot be reached"};
    case net::UpstreamFailureKind::kTlsFailed:
      return {502, "no trusted TLS connection to the system behind this proxy"};
    case net::UpstreamFailureKind::kConnectTimeout:
      return {504, "the system behind this proxy did not accept a connection in time"};
    case net::UpstreamFailureKind::kOverloaded:
    case net::UpstreamFailureKind::kCircuitOpen:
      return {503, "all connections to the system behind this proxy are in use"};
    case net::UpstreamFailureKind::kFirstByteTimeout:
    case net::UpstreamFailureKind::kIdleTimeout:
      return {504, "the system behind this proxy did not answer in time"};
    case net::UpstreamFailureKind::kRequestStall:
      return {504, "the system behind this proxy stopped reading the request"};
    case net::UpstreamFailureKind::kReset:
      return {502, "the system behind this proxy closed the connection without an answer"};
    case net::UpstreamFailureKind::kBadAnswer: break;
  }
  return {502, "the system behind this proxy sent no valid answer"};
}

}  // namespace

void Exchange::start_call() {
  if (ends_here_) return answer_as_last_hop();
  step_ = Step::kCalling;
  net::UpstreamRequest request;
  request.head = worker_.take_head_room();
  forward_.write(*head_, wants_continue_, request.head);
  request.streams_body = is_streaming_;
  request.is_chunked = is_streaming_ && head_->framing != http::BodyFraming::kContentLength;
  request.method = head_->method;
  request.upgrades = !upgrade_.empty();
  if (!is_streaming_) {
    request.may_retry = http::is_idempotent_method(head_->method);
    const bool may_ask_again = decision_.falls_back_to_legacy && system_ == System::kCandidate;
    request.body = may_ask_again ? body_ : std::exchange(body_, std::string());
  }
  net::UpstreamPool& pool = worker_.pool(system_);
  if (pool.options().http2 != net::UpstreamHttp2::kOff) {
    request.accepts_trailers = http::list_field_contains(head_->fields, "TE", "trailers");
  }
  if (pool.options().proxy_header != net::ProxyHeader::kNone) {
    request.client_address = stream_.connection().peer().client_end;
    request.listener_address = stream_.connection().peer().listener_end;
  }
  call_ = pool.start(std::move(request), *this);
  if (wants_continue_) {
    continue_deadline_ns_ = worker_.loop().now().mono_ns + kContinueWaitNs;
  }
  if (is_streaming_) pump_stream();
}

// What was read before the stream was opened goes first; then the client may send on.
void Exchange::pump_stream() {
  if (!body_.empty()) {
    const std::string before = std::exchange(body_, std::string());
    worker_.inline_budget().give(std::exchange(inline_held_, 0));
    forward_piece(before);
  }
  if (is_request_complete_) {
    finish_stream();
  } else if (call_ && !call_->is_write_full()) {
    stream_.unpause_input();
  }
}

void Exchange::forward_piece(std::string_view piece) {
  has_stream_bytes_out_ = true;
  call_->write_body(piece);
  if (call_ && call_->is_write_full()) stream_.pause_input();
}

void Exchange::on_writable() {
  if (is_open_ && (!is_request_complete_ || is_tunnel_)) stream_.unpause_input();
}

void Exchange::finish_stream() {
  model::RedactedMessage trailers;
  if (request_capture_.has_chunks() && !request_trailers_.fields().empty()) {
    trailers = worker_.shared().redactor.redact(id_, {}, request_trailers_.fields(), {}, {});
  }
  const model::Ticket ticket = request_capture_.finish_request(true, trailers.fields);
  if (!call_) return;
  if (!ticket.is_refused() && wants_durable(Durability::kRequest)) {
    wait_for(ticket, Waiting::kForwardEnd);
  } else {
    send_stream_end();
  }
}

void Exchange::send_stream_end() {
  if (!call_) return;
  is_stream_finished_ = true;
  if (!held_piece_.empty()) call_->write_body(std::exchange(held_piece_, std::string()));
  if (call_) call_->finish_body(request_trailers_.fields());
}

// How much of the request the system has got, while its call still lives.
void Exchange::note_forwarded() {
  if (!call_) return;
  const bool is_all_handed_over = !is_streaming_ || is_stream_finished_;
  if (!call_->any_byte_sent()) {
    if (!has_asked_twice_) forwarded_ = Forwarded::kNothing;
  } else if (is_all_handed_over && call_->is_request_sent()) {
    forwarded_ = Forwarded::kWhole;
  } else {
    forwarded_ = Forwarded::kPart;
  }
}

void Exchange::drop_call() {
  note_forwarded();
  if (call_) worker_.take_back_head_room(*call_);
  call_.reset();
}

// ---- Expect: 100-continue

void Exchange::on_informational(const http::ResponseHead& head) {
  if (!head.lenient.is_empty()) worker_.count_lenient(head.lenient);
  constexpr int kInformationalMax = 16;
  if (head.status == 101 || ++informational_ > kInformationalMax) {
    drop_call();
    answer_error(502, "bad_answer", "the system behind this proxy sent no valid answer");
    return;
  }
  if (is_client_gone_ || head_->is_1_0()) return;
  if (head.status == 100) {
    if (wants_continue_) send_own_continue();
    return;
  }
  stream_.send_informational(head.status, head.reason, head.fields);
}

void Exchange::send_own_continue() {
  wants_continue_ = false;
  continue_deadline_ns_ = 0;
  stream_.send_informational(100, http::reason_phrase(100), {});
}

void Exchange::on_tick(std::int64_t now_ns) {
  if (continue_deadline_ns_ == 0 || now_ns < continue_deadline_ns_) return;
  continue_deadline_ns_ = 0;
  if (wants_continue_ && !has_answer_head_ && body_received_ == 0) send_own_continue();
}

// ---- failures

bool Exchange::may_fall_back(const net::UpstreamFailure& failure) const {
  if (!decision_.falls_back_to_legacy || system_ != System::kCandidate || has_asked_twice_) {
    return false;
  }
  if (has_answer_head_ || is_client_gone_ || has_stream_bytes_out_) return false;
  if (!failure.any_byte_sent) return true;
  return !decision_.is_write && !is_streaming_ && !failure.any_byte_received;
}

void Exchange::on_failure(const net::UpstreamFailure& failure) {
  if (!is_open_) return;
  const Step step = step_;
  if (failure.refusal != nullptr) note_refusal(*failure.refusal);
  drop_call();
  if (failure.is_request_sent) {
    forwarded_ = Forwarded::kWhole;
  } else if (failure.any_byte_sent) {
    forwarded_ = Forwarded::kPart;
  }
  if (is_client_gone_) {
    abort(net::to_string(failure.kind));
    return;
  }
  if (step == Step::kAnswering && stream_.has_head_left()) {
    cut_answer();
    return;
  }
  if (may_fall_back(failure)) {
    worker_.count_fallback();
    has_asked_twice_ = true;
    system_ = System::kLegacy;
    forward_.set_host(worker_.host_for(system_, head_->authority));
    start_call();
    return;
  }
  const FailureAnswer answer = answer_for(failure.kind);
  answer_error(answer.status, net::to_string(failure.kind), answer.message);
}

}  // namespace banyan::proxy
