// SPDX-License-Identifier: Apache-2.0
//
// One client's connection: its bytes, its parser, its deadlines. One exchange at a time; what a
// client pipelines waits, bounded, until the answer before it has left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/http/message_reader.h"
#include "core/net/event_loop.h"
#include "core/net/socket.h"
#include "proxy/exchange.h"
#include "proxy/forward_head.h"

namespace banyan::proxy {

class Worker;

// Loop-confined. Its worker owns it; after close() it is destroyed at the end of the turn, and the
// only question it then answers is is_closed().
class ClientConnection {
 public:
  // How a connection goes on after an exchange.
  enum class After {
    kKeepAlive,
    kClose,
    kLinger,  // the client may still be sending: read on for a while, so that it sees the answer
    kReset,   // the cut must be visible (a body that only the close would end)
  };

  ClientConnection(Worker& worker, net::UniqueFd fd, Peer peer, std::uint64_t number);
  ~ClientConnection();

  // From the worker.
  void start();
  void refuse_over_limit();
  void on_tick(std::int64_t now_ns);
  void on_turn_end();
  // No exchange after the present one; closes if there is none.
  void drain();
  void close();
  Exchange& exchange() { return exchange_; }
  std::size_t slot = 0;  // in the worker's list
  bool is_in_turn_end_list = false;
  bool counts_as_open = false;  // holds a place among the connections

  // From its exchange.
  bool is_closed() const { return is_closed_; }
  bool is_draining() const { return is_draining_; }
  // Writing failed; the exchange hears of it by on_client_gone() at the end of the turn.
  bool is_broken() const { return is_broken_; }
  const Peer& peer() const { return peer_; }
  std::uint64_t number() const { return number_; }
  // Answers a request that is not admitted, and closes.
  void refuse(int status, std::string_view code, std::string_view message);
  void pause_input();
  void unpause_input();
  void exchange_ended(After after);
  // The client is gone, the exchange goes on without it.
  void detach();

  // Output. Bytes are appended to buffer() or given to send_piece(), and leave at the turn's end or
  // by flush(). With a held tail the last 64 KiB stay until release_tail().
  std::string& buffer() { return out_; }
  void send_piece(std::string_view piece);
  void flush_at_turn_end();
  void hold_tail() { is_tail_held_ = true; }
  void release_tail() { is_tail_held_ = false; }
  void flush();
  std::size_t waiting_bytes() const { return out_.size() - out_at_; }
  bool has_waiting_beyond_tail() const { return waiting_bytes() > kTailBytes; }
  // Positions in the stream of all bytes, to know what of an answer has left.
  std::uint64_t appended_position() const { return sent_bytes_ + waiting_bytes(); }
  std::uint64_t sent_position() const { return sent_bytes_; }
  // Takes back what was appended from `position` on; it must not have been sent.
  void take_back(std::uint64_t position);

  static constexpr std::size_t kTailBytes = 64 * 1024;

 private:
  void on_ready(net::FdWatch::Ready ready);
  void on_readable();
  void on_writable();
  void take_input(std::string_view bytes);
  void resume_input();
  void parse(std::string_view& input);
  bool may_parse() const;
  void keep_leftover(std::string_view rest);
  void on_end_of_input();
  void apply_end_of_input();
  void on_gone();
  void on_read_timeout();
  void wait_for_more();
  void begin_linger();
  void mark_for_turn_end();
  void note_broken();
  std::int64_t now_ns() const;

  Worker& worker_;
  net::UniqueFd fd_;
  const Peer peer_;
  const std::uint64_t number_;
  net::FdWatch watch_;
  http::RequestReader reader_;
  std::string leftover_;
  std::string out_;
  std::size_t out_at_ = 0;
  std::uint64_t sent_bytes_ = 0;
  std::uint64_t lingered_bytes_ = 0;
  std::int64_t read_deadline_ns_ = 0;   // 0: none
  std::int64_t write_deadline_ns_ = 0;  // 0: none
  bool is_closed_ = false;
  bool is_draining_ = false;
  bool is_lingering_ = false;
  bool is_parsing_ = false;
  bool is_input_paused_ = false;
  bool is_request_complete_ = false;
  bool has_partial_head_ = false;
  bool is_tail_held_ = false;
  bool is_broken_ = false;  // writing failed
  bool is_gone_told_ = false;
  bool saw_end_of_input_ = false;
  bool wants_flush_ = false;
  bool wants_input_ = false;
  bool wants_write_ = false;
  Exchange exchange_;
};

}  // namespace banyan::proxy
