// SPDX-License-Identifier: Apache-2.0
//
// A client that speaks HTTP/1: its bytes, its parser, its deadlines. One exchange at a time; what a
// client pipelines waits, bounded, until the answer before it has left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "core/http/message_reader.h"
#include "core/net/channel.h"
#include "core/net/event_loop.h"
#include "proxy/client_stream.h"
#include "proxy/connection.h"
#include "proxy/exchange.h"
#include "proxy/rate_floor.h"

namespace banyan::proxy {

class Worker;

// Loop-confined.
class Http1Connection final : public Connection, private ClientStream {
 public:
  // `already_read`: of this client, by whoever had the channel before.
  Http1Connection(Worker& worker, net::Channel channel, Peer peer, std::uint64_t number,
                  std::string_view already_read = {});
  ~Http1Connection() override;

  void start() override;
  [[gnu::cold]] void refuse_over_limit() override;
  void on_tick(std::int64_t now_ns) override;
  void on_turn_end() override;
  void drain() override;
  void shut_down() override;
  void cut_if_candidate(std::string_view route) override;
  void abandon() override;

 private:
  // From the exchange (http1_output.cc, but for input and ends).
  [[gnu::cold]] void refuse(int status, std::string_view code, std::string_view message) override;
  void pause_input() override;
  void unpause_input() override;
  void send_informational(int status, std::string_view reason,
                          const http::HeaderList& fields) override;
  void send_head(const ClientHead& head) override;
  void send_body(std::string_view piece) override;
  void lend_body(std::string_view piece) override;
  void keep_lent() override;
  void send_end(const http::HeaderList& trailers) override;
  void send_error(const ErrorAnswer& answer) override;
  bool can_upgrade() const override { return true; }
  void send_upgrade(std::string_view protocol, const http::HeaderList& fields) override;
  bool has_head_left() const override { return left_position() > head_position_; }
  void take_back_head() override;
  void release_tail() override;
  void flush() override;
  std::size_t waiting_bytes() const override { return out_.size() - out_at_ + lent_.size(); }
  void exchange_ended(After after) override;
  [[gnu::cold]] void detach() override;

  void on_ready(net::FdWatch::Ready ready);
  bool owes_nothing() const;  // to its client: no request is open or half here
  void on_readable();
  void set_reading(bool wanted);
  void receive_next_turn();
  void on_writable();
  void take_input(std::string_view bytes);
  void take_tunnel_input(std::string_view bytes);
  void resume_tunnel();
  void resume_input();
  void parse(std::string_view& input);
  bool may_parse() const;
  void keep_leftover(std::string_view rest);
  void on_end_of_input();
  void apply_end_of_input();
  [[gnu::cold]] void on_gone();
  [[gnu::cold]] void on_read_timeout();
  void wait_for_more();
  [[gnu::cold]] void begin_linger();
  void mark_for_turn_end();
  [[gnu::cold]] void note_broken();
  void close();
  std::int64_t now_ns() const;

  // Output.
  void send_piece(std::string_view piece);
  net::Sent send_waiting(std::size_t bytes);
  void note_sent(std::size_t bytes);
  void hold_tail() { is_tail_held_ = true; }
  void flush_at_turn_end();
  void forget_answer();
  void want_write();
  bool client_is_1_0() const;
  // In the stream of all bytes, to know what of an answer has left.
  std::uint64_t appended_position() const { return sent_bytes_ + waiting_bytes(); }
  // Left, or encrypted already.
  std::uint64_t left_position() const { return sent_bytes_ + channel_.committed_bytes(); }

  // What a connection needs only while something is said on it: an idle one owns none of it.
  struct Talk {
    Talk(Http1Connection& connection, Worker& worker);
    http::RequestReader reader;
    Exchange exchange;
  };
  Talk& talk();
  bool has_exchange() const { return talk_ != nullptr && talk_->exchange.is_open(); }
  bool is_last_request() const;
  bool is_idle() const;
  void forget_talk();
  [[gnu::cold]] void note_refusal(const http::ReadError& error);
  RateFloor::Rules body_rules() const;
  RateFloor::Rules answer_rules() const;
  void note_taken(std::int64_t now);

  Worker& worker_;
  net::Channel channel_;
  net::FdWatch watch_;
  std::unique_ptr<Talk> talk_;
  std::string leftover_;
  std::string out_;
  std::size_t out_at_ = 0;
  std::string_view lent_;  // behind out_, and not ours
  std::uint64_t sent_bytes_ = 0;
  static constexpr std::uint64_t kNoHead = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t head_position_ = kNoHead;  // of the answer's first byte
  ClientFraming framing_ = ClientFraming::kNoBody;
  std::uint64_t body_left_ = 0;  // where the length is known
  std::uint64_t lingered_bytes_ = 0;
  std::uint64_t requests_ = 0;
  RateFloor body_floor_;
  RateFloor answer_floor_;
  std::uint64_t taken_bytes_ = 0;  // of sent_bytes_, by the client, when it was last looked at
  std::int64_t opened_ns_ = 0;
  std::int64_t read_deadline_ns_ = 0;   // 0: none
  std::int64_t write_deadline_ns_ = 0;  // 0: none
  bool is_lingering_ = false;
  bool is_tunnel_ = false;  // behind a 101: what the client sends is not HTTP
  bool is_parsing_ = false;
  bool is_input_paused_ = false;
  bool is_request_complete_ = false;
  bool has_partial_head_ = false;
  bool is_tail_held_ = false;
  bool has_body_begun_ = false;
  bool keeps_alive_ = false;  // as the head of the answer said
  bool is_gone_told_ = false;
  bool saw_end_of_input_ = false;
  bool is_reading_ = false;          // as the watch was told
  bool receives_next_turn_ = false;  // what the channel holds; write readiness brings the turn
  bool wants_flush_ = false;
  bool wants_input_ = false;
  bool wants_write_ = false;
};

}  // namespace banyan::proxy
