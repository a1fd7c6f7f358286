// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "admin/http_server.h"
#include "core/http/message_reader.h"
#include "core/net/event_loop.h"
#include "core/net/socket.h"

namespace banyan::admin {

// One client of the admin port. It never dies inside its own calls: it marks itself closed, and the
// server removes it with destroy_later(). Loop-confined.
class HttpServer::Connection {
 public:
  enum class State {
    kIdle,       // between requests
    kReading,    // some bytes of a request are here
    kBusy,       // a request waits for its answer
    kStreaming,  // an open end, until the client leaves
    kLingering,  // the last answer is out; what still comes is thrown away, so that it arrives
    kClosed,
  };

  Connection(HttpServer& server, std::uint64_t id, net::Accepted accepted);

  bool respond(std::uint64_t number, const HttpResponse& response);
  bool respond_stream(std::uint64_t number, const HttpResponse& head);
  void push(std::string_view bytes);

  State state() const { return state_; }
  std::size_t waiting_bytes() const { return output_.waiting_bytes(); }
  std::int64_t since_mono_ns() const { return since_mono_ns_; }  // of the state
  // Closes what is past its time.
  void check_deadlines(std::int64_t now_mono_ns);

 private:
  void on_ready(net::FdWatch::Ready ready);
  void on_readable();
  void process();
  void take_event(http::ReadEvent event);
  void on_head();
  void on_request();
  void refuse_and_close(const http::ReadError& error);
  void send(std::string_view bytes);
  void settle(net::OutputBuffer::Outcome outcome);
  void end_of_answer();
  void enter(State state);
  void close();

  HttpServer& server_;
  const std::uint64_t id_;
  net::UniqueFd fd_;
  const std::string peer_;
  std::string local_host_;
  http::RequestReader reader_;
  net::OutputBuffer output_;
  std::string input_;  // read and not yet parsed; at most one scratch buffer
  std::string body_;
  State state_ = State::kIdle;
  std::int64_t since_mono_ns_ = 0;
  std::int64_t stalled_since_ns_ = 0;  // the client does not read; 0: it does
  std::uint64_t stalled_at_bytes_ = 0;
  std::uint64_t number_ = 0;
  bool closes_after_ = false;
  bool is_head_request_ = false;
  bool is_processing_ = false;
  net::FdWatch watch_;
};

}  // namespace banyan::admin
