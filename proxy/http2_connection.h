// SPDX-License-Identifier: Apache-2.0
//
// A client that speaks HTTP/2: one session, and a stream with an exchange of its own per request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/http/message.h"
#include "core/http/message_reader.h"
#include "core/net/channel.h"
#include "core/net/event_loop.h"
#include "core/net/http2_server_session.h"
#include "proxy/connection.h"
#include "proxy/http2_stream.h"
#include "proxy/rate_floor.h"

namespace banyan::proxy {

class Worker;

// One recv a turn, and one send at its end with all frames of the turn. Loop-confined.
class Http2Connection final : public Connection, private net::Http2SessionHandler {
 public:
  // `already_read`: of this client, by whoever had the channel before.
  Http2Connection(Worker& worker, net::Channel channel, Peer peer, std::uint64_t number,
                  std::string_view already_read = {});
  ~Http2Connection() override;

  void start() override;
  void refuse_over_limit() override;
  void on_tick(std::int64_t now_ns) override;
  void on_turn_end() override;
  void drain() override;
  void shut_down() override;
  void cut_if_candidate(std::string_view route) override;
  void abandon() override;

  // ---- for its streams
  net::Http2ServerSession& session() { return session_; }
  const http::ReadLimits& read_limits() const;
  // It has work at the end of this turn.
  void mark(Http2Stream& stream);
  // So many more, or fewer, of its streams wait for the client to take their answer.
  void count_stalled(int change) { stalled_streams_ += change; }
  void note_refusal(const http::ReadError& error);
  // For fields on their way into the session.
  http::HeaderList& scratch_fields() { return scratch_fields_; }

 private:
  net::Http2StreamHandler* on_request(std::int32_t stream, http::FieldSection& section,
                                      bool has_body) override;
  void on_malformed_request() override;

  void on_ready(net::FdWatch::Ready ready);
  void on_readable();
  void take_input(std::string_view bytes);
  void set_writing();
  void mark_for_turn_end();
  bool work_once();
  void write();
  void watch_client();
  void note_taken(std::int64_t now_ns);
  bool owes_client() const;
  void sweep();
  void recycle(Http2Stream& stream);
  void count_breach();
  bool is_last_request() const;
  void refuse_unseen(int status, std::string_view code);
  void end_session(net::Http2Error error);
  void begin_linger();
  void on_gone();
  void close();
  void on_idle();
  bool tick_deadlines(std::int64_t now_ns);
  RateFloor::Rules answer_rules() const;
  std::int64_t now_ns() const;

  Worker& worker_;
  net::Channel channel_;
  net::FdWatch watch_;
  net::Http2ServerSession session_;
  net::OutputBuffer out_;
  http::HeaderList scratch_fields_;
  std::string_view already_read_;                      // until start()
  std::vector<std::unique_ptr<Http2Stream>> streams_;  // open
  std::vector<std::unique_ptr<Http2Stream>> free_;
  std::vector<Http2Stream*> marked_, working_;
  std::uint64_t lingered_bytes_ = 0;
  std::uint64_t requests_ = 0;
  int stalled_streams_ = 0;
  RateFloor answer_floor_;
  std::uint64_t taken_bytes_ = 0;  // by the client, when it was last looked at
  std::int64_t opened_ns_ = 0;
  std::int64_t idle_deadline_ns_ = 0;   // 0: none; streams are open
  std::int64_t head_deadline_ns_ = 0;   // 0: no head is half here
  std::int64_t write_deadline_ns_ = 0;  // 0: nothing waits for the client
  std::int64_t end_deadline_ns_ = 0;    // the last word after announce_end()
  bool is_writing_ = false;             // waits for write readiness
  bool works_next_turn_ = false;        // write readiness brings the turn
  bool is_ending_ = false;              // GOAWAY is said
  bool is_lingering_ = false;
  bool is_gone_ = false;  // no socket any more; detached exchanges may go on
  bool is_breach_counted_ = false;
  bool is_working_ = false;
};

}  // namespace banyan::proxy
