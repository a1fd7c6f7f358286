// SPDX-License-Identifier: Apache-2.0
//
// A client of a plain listener that speaks both: the first bytes say which HTTP it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/net/channel.h"
#include "core/net/event_loop.h"
#include "proxy/connection.h"

namespace banyan::proxy {

class Worker;

// Reads until the bytes differ from the preface of HTTP/2, or are it; then gives its place, and
// what it has read, to an Http1Connection or Http2Connection. Loop-confined.
class PrefaceSniffer final : public Connection {
 public:
  PrefaceSniffer(Worker& worker, net::Channel channel, Peer peer, std::uint64_t number);
  ~PrefaceSniffer() override;

  void start() override;
  void refuse_over_limit() override;
  void on_tick(std::int64_t now_ns) override;
  void on_turn_end() override {}
  void drain() override;
  void shut_down() override { close(); }
  void cut_if_candidate(std::string_view) override {}
  void abandon() override {}

 private:
  void on_readable();
  void decide(bool is_http2);
  void close();

  Worker& worker_;
  net::Channel channel_;
  net::FdWatch watch_;
  std::string seen_;
  std::int64_t opened_ns_ = 0;
  std::int64_t deadline_ns_ = 0;
};

}  // namespace banyan::proxy
