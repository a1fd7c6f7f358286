// SPDX-License-Identifier: Apache-2.0
//
// The inside of UpstreamPool: which connection a call gets. Internal; confined to its loop. Nothing
// in here calls a handler, so it may run inside any callback.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/net/upstream.h"
#include "core/net/upstream_call.h"
#include "core/net/upstream_link.h"

namespace banyan::net {

class Channel;

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
  // The same for one that has been admitted.
  void place_call(UpstreamCallImpl& call);
  // A new connection, for a retry: another idle one may be as stale as the last.
  void open_for(UpstreamCallImpl& call);
  // Connecting failed; whether another address is worth a try.
  bool may_try_another(const UpstreamCallImpl& call, UpstreamFailureKind last);
  void leave_line(UpstreamCallImpl& call);
  void call_opened() { ++calls_open_; }
  void call_closed() { --calls_open_; }

  // From connections. finishing: on_complete is being called, the connection is free right after
  // it.
  void set_finishing(Http1Link* link) { finishing_ = link; }
  void now_idle(Http1Link& link);
  // Its send_due() is called at the end of this turn.
  void send_at_turn_end(Http1Link& link) { due_.push_back(&link); }
  void forget_send(Http1Link& link);
  void closed(UpstreamLink& link);
  // `dial` is done; it becomes a link that takes the calls, or as many of them as it can.
  void connected(Dial& dial, ShelfPlace place, std::string source, Channel channel,
                 bool speaks_http2, const std::vector<UpstreamCallImpl*>& riders);
  void dial_failed(const std::vector<UpstreamCallImpl*>& riders, UpstreamFailureKind kind,
                   const std::string& message);
  // Once more, as nothing came of the first time.
  [[gnu::cold]] void retry(UpstreamCallImpl& call);
  // The same for one whose connection works, but did not process it.
  void retry_unprocessed(UpstreamCallImpl& call);
  // A stream of the link ended.
  void has_room(Http2Link& link);
  // The link takes no new calls from here on.
  void leaves(Http2Link& link);
  // What an address did, for Endpoints to judge.
  void answered(UpstreamShelf& shelf, int status) {
    endpoints_->answered(*shelf.endpoint, status, loop_.now().mono_ns);
  }
  void failed(UpstreamShelf& shelf, UpstreamFailureKind kind, std::string_view detail) {
    endpoints_->failed(*shelf.endpoint, kind, detail, loop_.now().mono_ns);
  }
  // An address lost a fresh connection before any byte of an answer. True if another one is there;
  // then this one has been blamed (`why`) and rests, so that a retry goes elsewhere.
  [[gnu::cold]] bool passes_over(UpstreamShelf& shelf, std::string_view why);
  // The address wants HTTP/1.1, and gets it from here on, for as long as it is the system's.
  void needs_http1(UpstreamShelf& shelf);
  void close_idle();
  void reconfigure(UpstreamOptions options, bool renews_connections);

 private:
  // The shelves are those of the newest addresses from here on.
  const EndpointSet& refresh_shelves() {
    const EndpointSet& set = endpoints_->load(held_);
    if (&set != shelves_of_) rebuild_shelves(set);
    return set;
  }
  [[gnu::cold]] void rebuild_shelves(const EndpointSet& set);
  // The shelf of the least loaded address; null where the system has none.
  UpstreamShelf* choose_shelf();
  void open_on(UpstreamShelf& shelf, UpstreamCallImpl& call);
  bool take_idle(UpstreamShelf& shelf, UpstreamCallImpl& call);
  bool take_shared(UpstreamShelf& shelf, UpstreamCallImpl& call);
  bool ride_along(UpstreamShelf& shelf, UpstreamCallImpl& call);
  bool may_speak_http2(const UpstreamShelf& shelf) const;
  [[gnu::cold]] bool close_an_idle_one();
  static void close_idle_of(UpstreamShelf& shelf);
  void forget(UpstreamLink& link);
  bool take_idle_of_any(UpstreamCallImpl& call);
  [[gnu::cold]] void refuse(UpstreamCallImpl& call, UpstreamFailureKind kind, const char* why);
  void serve_line();
  void check_line();
  void send_due();
  UpstreamCallImpl& take_from_line();
  void enter_line(UpstreamCallImpl& call, bool at_front);

  EventLoop& loop_;
  UpstreamOptions options_;
  const std::shared_ptr<Endpoints> endpoints_;
  UpstreamStats stats_;
  std::unordered_map<UpstreamLink*, std::unique_ptr<UpstreamLink>> connections_;
  std::shared_ptr<const EndpointSet> held_;
  const EndpointSet* shelves_of_ = nullptr;              // held_, once the shelves are its
  std::vector<std::shared_ptr<UpstreamShelf>> shelves_;  // in the order of held_
  std::deque<UpstreamCallImpl*> line_;
  Http1Link* finishing_ = nullptr;
  std::size_t calls_open_ = 0;
  Dice dice_;
  Timer line_timer_;
  std::vector<Http1Link*> due_;  // null: was closed in the same turn
  std::unique_ptr<EventLoop::TurnEndHook> sender_;
};

}  // namespace banyan::net
