// SPDX-License-Identifier: Apache-2.0
//
// One request of a client that speaks HTTP/2, and its answer on their way through the session.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/http/http2_head.h"
#include "core/net/http2_server_session.h"
#include "proxy/client_stream.h"
#include "proxy/exchange.h"
#include "proxy/rate_floor.h"

namespace banyan::proxy {

class Http2Connection;
class Worker;

// Belongs to its connection, which uses it again for later requests. What it wants to send waits
// here until the connection's turn ends. Loop-confined.
class Http2Stream final : public ClientStream, public net::Http2StreamHandler {
 public:
  Http2Stream(Http2Connection& connection, Worker& worker);
  ~Http2Stream();

  // ---- from its connection
  void begin(std::int32_t id, http::FieldSection& section, bool has_body);
  Exchange& exchange() { return exchange_; }
  // Gives the session what may leave, and the exchange what it paused for.
  void work();
  // After the session has collected frames.
  void after_output();
  void on_tick(std::int64_t now_ns);
  // The client holds a part of the answer back.
  bool is_stalled() const { return stall_deadline_ns_ != 0; }
  void connection_gone();
  // Neither an exchange nor an answer is left.
  bool is_done() const { return is_done_; }
  // Ready for the next request; says goodbye to the session's stream.
  void clear();
  std::size_t slot = 0;  // in the connection's list
  bool is_marked = false;

  // ---- from the exchange
  void refuse(int status, std::string_view code, std::string_view message) override;
  void pause_input() override;
  void unpause_input() override;
  void send_informational(int status, std::string_view reason,
                          const http::HeaderList& fields) override;
  void send_head(const ClientHead& head) override;
  void send_body(std::string_view piece) override;
  void send_end(const http::HeaderList& trailers) override;
  void send_error(const ErrorAnswer& answer) override;
  bool has_head_left() const override { return is_head_submitted_; }
  void take_back_head() override;
  void release_tail() override;
  void flush() override;
  std::size_t waiting_bytes() const override;
  void exchange_ended(After after) override;
  void detach() override;

 private:
  // From the session.
  void on_data(std::string_view piece) override;
  void on_end(http::FieldSection& trailers) override;
  void on_closed(net::Http2Error error, bool by_client) override;
  net::Http2Piece next_piece(std::size_t bytes_max) override;
  void take_piece(std::size_t bytes, net::OutputBuffer& out) override;

  void deliver_input();
  void deliver_end();
  void submit_head();
  std::size_t sendable_bytes() const;
  bool has_something_to_send() const;
  void client_gone(std::string_view cause);
  void drop_output();
  void await_body();
  void stop_awaiting_body();
  bool is_conversation() const;
  RateFloor::Rules body_rules() const;
  void watch_stall();
  void stop_stalling();
  std::int64_t now_ns() const;

  Http2Connection& connection_;
  Worker& worker_;
  std::int32_t id_ = 0;

  // The request.
  http::FieldSection section_, trailers_;
  std::string cookies_;
  http::RequestHead head_;
  std::string input_;  // while paused; at most a stream's window
  std::uint64_t received_bytes_ = 0;
  std::int64_t read_deadline_ns_ = 0;  // 0: none
  RateFloor body_floor_;
  const http::ReadError* refused_ = nullptr;  // in begin()
  bool is_refused_ = false;
  bool is_input_paused_ = false;
  bool has_end_ = false;  // of the request
  bool is_end_delivered_ = false;

  // The answer.
  ClientHead answer_;
  http::HeaderList error_fields_;
  const http::HeaderList* trailers_out_ = nullptr;
  std::string out_;
  std::size_t out_at_ = 0;
  std::uint64_t body_left_ = 0;         // where the length is known
  std::int64_t stall_deadline_ns_ = 0;  // 0: nothing waits for the client
  bool has_head_ = false;
  bool is_head_submitted_ = false;
  bool is_tail_held_ = false;
  bool is_ended_ = false;        // all of the answer is here
  bool is_end_offered_ = false;  // to the session, which has not taken it yet
  bool is_end_taken_ = false;
  bool has_progressed_ = false;
  bool is_telling_progress_ = false;
  bool must_reset_ = false;  // the cut must be visible
  bool is_gone_ = false;     // the session knows the stream no more
  bool is_done_ = false;
  Exchange exchange_;
};

}  // namespace banyan::proxy
