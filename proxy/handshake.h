// SPDX-License-Identifier: Apache-2.0
//
// A socket that is not ready for HTTP yet: first the PROXY header of a balancer, then TLS, as its
// listener asks for. Gives its place to the connection that speaks HTTP.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/net/channel.h"
#include "core/net/event_loop.h"
#include "core/net/proxy_header_reader.h"
#include "proxy/connection.h"
#include "proxy/shared.h"

namespace banyan::proxy {

class Worker;

// Loop-confined. One deadline for all of it (timeouts.handshake). Nobody hears why it failed but
// the counters, and a client that speaks plain HTTP to a TLS port.
class Handshake final : public Connection {
 public:
  // `address` is the other end of the socket; `peer` knows none where a PROXY header will tell.
  Handshake(Worker& worker, net::Channel channel, std::string address, Peer peer,
            std::uint64_t number, const ListenerFacts& facts);

  void start() override;
  void refuse_over_limit() override;
  void on_tick(std::int64_t now_ns) override;
  void on_turn_end() override {}
  void drain() override;
  void shut_down() override { close(); }
  void cut_if_candidate(std::string_view) override {}
  void abandon() override {}

 private:
  void on_ready(net::FdWatch::Ready ready);
  void read_proxy_header();
  void refuse_proxy_header(std::string_view reason);
  void begin_tls();
  void shake();
  void fail_tls();
  void count_tls_failure(std::string_view reason);
  bool learn_secure_facts(Peer& peer) const;
  void become_http();
  void close();

  Worker& worker_;
  const ListenerFacts& facts_;
  net::Channel channel_;
  std::string address_;  // the socket's, then the client's
  std::optional<net::FdWatch> watch_;
  std::optional<net::ProxyHeaderReader> proxy_header_;  // while it is awaited
  std::int64_t deadline_ns_ = 0;
  bool has_received_ = false;
};

}  // namespace banyan::proxy
