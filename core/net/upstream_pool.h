// SPDX-License-Identifier: Apache-2.0
//
// The inside of UpstreamPool: which connection a call gets. Internal; confined to its loop. Nothing
// in here calls a handler, so it may run inside any callback.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/net/upstream.h"
#include "core/net/upstream_connection.h"

namespace banyan::net {

class UpstreamPoolImpl {
 public:
  UpstreamPoolImpl(EventLoop& loop, UpstreamOptions options);
  ~UpstreamPoolImpl();

  EventLoop& loop() { return loop_; }
  const UpstreamOptions& options() const { return options_; }
  UpstreamStats& stats() { return stats_; }
  UpstreamStats snapshot() const;

  // An idle connection, a new one, a place in the line, or a deferred failure.
  void acquire(UpstreamCallImpl& call);
  // A new connection, for a retry: another idle one may be as stale as the last.
  void open_for(UpstreamCallImpl& call);
  void leave_line(UpstreamCallImpl& call);

  // From connections. finishing: on_complete is being called, the connection is free right after
  // it.
  void set_finishing(UpstreamConnection* connection) { finishing_ = connection; }
  void now_idle(UpstreamConnection& connection);
  void closed(UpstreamConnection& connection);
  void address_refused(std::size_t address);
  void address_worked(std::size_t address) { refused_until_ns_[address] = 0; }
  void close_idle();

 private:
  std::size_t next_address();
  void serve_line();
  void check_line();
  UpstreamCallImpl& take_from_line();
  void enter_line(UpstreamCallImpl& call, bool at_front);

  EventLoop& loop_;
  UpstreamOptions options_;
  UpstreamStats stats_;
  std::unordered_map<UpstreamConnection*, std::unique_ptr<UpstreamConnection>> connections_;
  std::vector<UpstreamConnection*> idle_;  // last in, first out: the warm ones, so others can age
  std::deque<UpstreamCallImpl*> line_;
  UpstreamConnection* finishing_ = nullptr;
  std::vector<std::int64_t> refused_until_ns_;
  std::size_t round_robin_ = 0;
  Timer line_timer_;
};

}  // namespace banyan::net
