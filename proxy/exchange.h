// SPDX-License-Identifier: Apache-2.0
//
// One request and its answer: admit → record → call → answer → close (README.md has the states and
// every early exit). Exactly one REQUEST opens it in the log, exactly one RESPONSE or OUTCOME
// closes it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/clock.h"
#include "core/base/ids.h"
#include "core/http/message.h"
#include "core/model/record.h"
#include "core/model/record_io.h"
#include "core/net/upstream.h"
#include "proxy/answer_head.h"
#include "proxy/capture.h"
#include "proxy/durable_waits.h"
#include "proxy/field_store.h"
#include "proxy/forward_head.h"
#include "proxy/traffic_metrics.h"
#include "routing/routing_table.h"

namespace banyan::proxy {

class ClientStream;
class Worker;

// A member of its client's stream, reused from request to request. Loop-confined. Any function may
// end the exchange, and with it the stream.
class Exchange final : private net::UpstreamCallHandler, private DurableWaiter {
 public:
  Exchange(ClientStream& stream, Worker& worker);
  ~Exchange() override;

  bool is_open() const { return is_open_; }

  // From the stream, in the order of the client's bytes. `head` stays valid until the exchange
  // ended. begin() may refuse; then the exchange never opened.
  void begin(const http::RequestHead& head, Instant started);
  void on_request_body(std::string_view piece);
  void on_request_complete(const http::HeaderList& trailers);
  [[gnu::cold]] void on_request_error(int status, std::string_view code, std::string_view message);
  // Behind a 101 (exchange_tunnel.cc): bytes of the client as they are, and the end of them.
  void on_tunnel_input(std::string_view bytes);
  void on_tunnel_end();
  [[gnu::cold]] void on_body_timeout();
  // `cause` is a literal.
  [[gnu::cold]] void on_client_gone(std::string_view cause = "client_closed");
  // Bytes left, or may have left, for the client.
  void on_output_progress();
  void on_tick(std::int64_t now_ns);
  // Drops everything without a record; only when the process ends without its records anyway.
  void abandon();

  // From outside.
  [[gnu::cold]] void cut_if_candidate(std::string_view route);
  [[gnu::cold]] void shut_down();

 private:
  enum class Waiting { kNothing, kForwardHead, kForwardEnd, kRelease };
  enum class Step {
    kReadingBody,  // an inline body
    kWaiting,      // for durability, before the call
    kCalling,      // the primary is asked; the head of its answer is not here
    kAnswering,    // the head is here
    kFinishing,    // the whole answer is here, a slow client has not taken it
    kReleasing,    // the closing record is written; the last bytes leave
  };

  // Before the call (exchange.cc).
  bool refuse_if_wrong(const http::RequestHead& head);
  void reset(const http::RequestHead& head, Instant started);
  void decide();
  void note_subject();
  bool reads_whole() const;
  bool hold_inline(std::size_t bytes);
  void open_stream();
  void admit_inline();
  void prepare_forward();
  model::Ticket record_request(const model::Body& body);
  void after_record(model::Ticket ticket);
  void wait_for(model::Ticket ticket, Waiting what);
  void stop_waiting();
  void on_durable(bool is_durable) override;

  // The call (exchange_call.cc).
  void start_call();
  [[gnu::cold]] void answer_as_last_hop();
  void forward_piece(std::string_view piece);
  void pump_stream();
  void finish_stream();
  void send_stream_end();
  void note_forwarded();
  void drop_call();
  bool may_fall_back(const net::UpstreamFailure& failure) const;
  void send_own_continue();
  void on_informational(const http::ResponseHead& head) override;
  bool may_upgrade(const routing::Route* route) const;
  void on_upgraded(const http::ResponseHead& head) override;
  void note_refusal(const http::ReadError& refusal);
  void on_writable() override;
  [[gnu::cold]] void on_failure(const net::UpstreamFailure& failure) override;

  // The answer and the ends (exchange_answer.cc).
  void on_head(const http::ResponseHead& head) override;
  void on_body(std::string_view piece) override;
  void on_last_body(std::string_view piece) override;
  void on_complete(const http::HeaderList& trailers) override;
  void write_head(const http::ResponseHead& head);
  bool try_finish();
  void finish_with(model::Ticket ticket);
  void release();
  [[gnu::cold]] void answer_error(int status, std::string_view code, std::string_view message);
  [[gnu::cold]] void cut_answer();
  [[gnu::cold]] void abort(std::string_view cause);
  void end();
  void tell_access(AnsweredBy by);
  void close_request_records();
  model::Ticket record_response(Delivery delivery);
  model::Ticket record_outcome(OutcomeKind kind, int status, std::string_view cause);
  bool wants_durable(Durability level) const;

  ClientStream& stream_;
  Worker& worker_;

  bool is_open_ = false;
  Step step_ = Step::kReadingBody;
  Waiting waiting_ = Waiting::kNothing;
  ExchangeId id_;
  Instant started_;
  Instant first_byte_;
  Instant ended_;
  const http::RequestHead* head_ = nullptr;
  routing::RouteDecision decision_;
  routing::SessionMemo session_memo_;  // of the connection, kept from one exchange to the next
  std::string route_;
  std::string subject_;  // key id of whose data this is; "" for nobody
  ForwardHead forward_;
  System system_ = System::kLegacy;  // that is asked
  std::unique_ptr<net::UpstreamCall> call_;
  std::int64_t wait_since_ns_ = 0;
  std::int64_t waited_ns_ = 0;
  std::int64_t continue_deadline_ns_ = 0;
  int informational_ = 0;

  // The request's body.
  std::string body_;  // inline, or what came before its stream was opened
  std::uint64_t inline_held_ = 0;
  std::uint64_t body_received_ = 0;
  std::string held_piece_;  // the last piece, until its CHUNK is durable
  FieldStore request_trailers_;
  Capture request_capture_;
  Forwarded forwarded_ = Forwarded::kNothing;
  bool is_streaming_ = false;
  bool is_request_complete_ = false;
  bool is_request_recorded_ = false;
  bool is_stream_finished_ = false;
  bool has_stream_bytes_out_ = false;
  bool wants_continue_ = false;
  bool was_durable_given_up_ = false;
  std::string_view upgrade_;  // protocol that is asked for; of the head
  bool is_tunnel_ = false;
  bool ends_here_ = false;  // by Max-Forwards: we answer, nobody is asked
  bool has_asked_twice_ = false;

  // The answer.
  std::string_view error_code_;  // a literal; of an answer of our own
  std::string upstream_;         // address that gave the head; kept where there is an access log
  int status_ = 0;
  std::uint8_t http_version_ = 1;  // of the answer, as records say it
  FieldStore answer_fields_;
  FieldStore answer_trailers_;
  Capture answer_capture_;
  bool answer_has_body_ = false;
  bool has_answer_head_ = false;
  bool is_reading_paused_ = false;
  bool keeps_alive_ = false;
  bool is_client_gone_ = false;
  bool answered_by_us_ = false;
  bool was_aborted_ = false;
  bool was_cut_ = false;
  bool must_linger_ = false;
};

}  // namespace banyan::proxy
