// SPDX-License-Identifier: Apache-2.0
//
// The small HTTP/1.1 server of the admin port. Everything is bounded: connections, heads, bodies,
// and the time each step may take. A connection handles one request at a time; pipelined ones wait.
// Loop-confined.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "admin/http_types.h"
#include "admin/options.h"
#include "core/net/event_loop.h"
#include "core/net/socket.h"

namespace banyan::admin {

// Names a request that waits for its answer; one whose connection died names nothing.
struct RequestId {
  std::uint64_t connection = 0;
  std::uint64_t number = 0;  // of the request on it
  bool operator==(const RequestId&) const = default;
};

class HttpServer {
 public:
  using Handler = std::function<void(RequestId, HttpRequest)>;
  HttpServer(net::EventLoop& loop, net::Listening listening, const AdminOptions& options,
             Handler handler);
  ~HttpServer();

  // Once per request, now or later. False where nobody waits for it any more.
  bool respond(RequestId id, const HttpResponse& response);
  // Answers with a head and an open end; push() adds to it until the client leaves.
  bool respond_stream(RequestId id, const HttpResponse& head);
  // Bytes that wait for the subscriber; nullopt once it is gone.
  std::optional<std::size_t> stream_waiting(std::uint64_t connection) const;
  void push(std::uint64_t connection, std::string_view bytes);

  std::size_t connections() const { return connections_.size(); }
  std::uint64_t connections_refused() const { return refused_; }

 private:
  class Connection;
  void on_acceptable();
  void admit(net::Accepted accepted);
  bool evict_idle();
  void remove(std::uint64_t id);
  void sweep();

  net::EventLoop& loop_;
  net::Listening listening_;
  const AdminOptions options_;
  Handler handler_;
  std::map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  std::uint64_t next_id_ = 1;
  std::uint64_t refused_ = 0;
  bool is_accepting_paused_ = false;
  net::Timer sweeper_;
  net::FdWatch acceptor_;
};

}  // namespace banyan::admin
