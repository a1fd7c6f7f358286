// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "core/net/channel.h"
#include "core/net/event_loop.h"
#include "core/net/socket.h"
#include "core/net/upstream.h"
#include "proxy/connection.h"
#include "proxy/durable_waits.h"
#include "proxy/shared.h"
#include "proxy/traffic_metrics.h"

namespace banyan::proxy {

// One thread: a loop, its listeners, its connections, its pools and its lane of the log. Nothing of
// it leaves the thread but counters; the functions for other threads say so and post to the loop.
class Worker {
 public:
  static Result<std::unique_ptr<Worker>> create(Shared& shared, int index);
  ~Worker();

  // One listener as a worker gets it. `name` is its configured address; without `fd` it is one that
  // exists already and takes other facts.
  struct ListenerPlan {
    std::string name;
    std::shared_ptr<const ListenerFacts> facts;
    net::UniqueFd fd;
    bool is_inherited = false;  // others hold the socket too: who waits there is not ours alone
  };

  // Before start().
  void add_listener(ListenerPlan plan);
  void start();
  // On the loop, at a standstill: what of the options the worker keeps in a form of its own.
  // Listeners that are not in the plans close.
  void take_over(std::vector<ListenerPlan> plans, bool renews_upstreams);

  // Any thread.
  void begin_drain();  // no new connections; ends by itself when the last one is gone
  void shut_down();    // cuts what is left
  void cut(std::string route);
  // For a watchdog: beat() is answered by `number` soon, if the loop turns.
  void ask_beat(std::uint64_t number);
  std::uint64_t beat() const { return beat_.load(std::memory_order_acquire); }
  // Runs `task` on the loop; false once it has ended.
  bool post(std::function<void()> task) { return loop_->post(std::move(task)); }
  bool has_ended() const { return has_ended_.load(std::memory_order_acquire); }
  void join();
  void add_stats(ProxyStats& stats) const;

  // For connections and exchanges, on the loop.
  net::EventLoop& loop() { return *loop_; }
  Shared& shared() { return shared_; }
  model::RecordSink& lane() { return *lane_; }
  DurableWaits& waits() { return *waits_; }
  ByteBudget& inline_budget() { return inline_budget_; }
  // Room for the fields of one record, given back behind it.
  http::HeaderList take_field_room() { return std::move(field_room_); }
  void give_field_room(http::HeaderList room) { field_room_ = std::move(room); }
  // An empty string with room for a head; it comes back from the call that had it.
  std::string take_head_room();
  void take_back_head_room(net::UpstreamCall& call);
  net::UpstreamPool& pool(System system) {
    return system == System::kLegacy ? *legacy_ : *candidate_;
  }
  const routing::RoutingTable& routes() { return shared_.routing.load(held_routes_); }
  // What Host says to this system, for a request with this authority.
  std::string_view host_for(System system, std::string_view authority) const;
  ExchangeId next_exchange_id() {
    return ExchangeId::make(shared_.log.node, shared_.log.epoch, lane_number_, ++exchange_count_);
  }
  void add_to_turn_end(Connection& connection);
  void release(Connection& connection);
  // `next` takes the place of `old` (same peer, same socket) and starts; `old` only dies.
  void replace(Connection& old, std::unique_ptr<Connection> next);
  // A system wants to know whom its connections serve.
  bool names_clients() const;
  // The same without starting it.
  Connection& take_place(Connection& old, std::unique_ptr<Connection> next);
  // What speaks with a client once its socket is ready for HTTP.
  std::unique_ptr<Connection> open_connection(net::Channel channel, Peer peer, std::uint64_t number,
                                              const ListenerFacts& facts);
  static constexpr std::size_t kScratchBytes = 64 * 1024;
  char* scratch() { return scratch_.get(); }

  void count_opened();
  void count_closed() { exchanges_open_.fetch_sub(1, std::memory_order_relaxed); }
  void count_ended(const TrafficMetrics::Ended& ended) { traffic_.count(ended); }
  [[gnu::cold]] void count_refused(int status);
  // Beside the count by status: by reason, with a masked sample.
  [[gnu::cold]] void note_refusal(Refusal refusal);
  [[gnu::cold]] void count_lenient(http::Leniencies lenient);
  [[gnu::cold]] void count_timeout(std::string_view what);
  [[gnu::cold]] void count_fallback();
  // Whether anybody reads what goes to access().
  bool keeps_access() const { return access_ != nullptr && access_->is_on(); }
  AccessLane& access() { return *access_; }
  // A request that was refused before admission.
  [[gnu::cold]] void tell_refused(const Peer& peer, int status, std::string_view code);
  void count_upgrade();
  void count_http2_breach(std::string_view kind);
  void count_http2_refused_stream();

 private:
  struct Listener {
    net::UniqueFd fd;
    std::string name;
    std::shared_ptr<const ListenerFacts> facts;
    bool is_inherited = false;
    std::unique_ptr<net::FdWatch> watch;
  };
  Worker(Shared& shared, int index, std::unique_ptr<net::EventLoop> loop);
  void run();
  void accept_some(Listener& listener);
  void admit(const Listener& listener, net::Accepted accepted);
  void forget_turn_end(const Connection& connection);
  void pause_accepting();
  void resume_accepting();
  void tick();
  void end_turn();
  void end_if_drained();
  void drain_on_loop();
  void accept_rest(Listener& listener);
  void take_over_listeners(std::vector<ListenerPlan> plans);
  void shut_down_on_loop();

  Shared& shared_;
  const int index_;
  std::unique_ptr<net::EventLoop> loop_;
  std::unique_ptr<char[]> scratch_;
  std::shared_ptr<const routing::RoutingTable> held_routes_;
  std::string legacy_host_, candidate_host_;  // for requests that name none
  TrafficMetrics traffic_;
  std::unique_ptr<AccessLane> access_;
  // What connections may still point at; a reload replaces few of them.
  std::vector<std::shared_ptr<const ListenerFacts>> retired_facts_;
  ByteBudget inline_budget_;
  http::HeaderList field_room_;
  static constexpr std::size_t kHeadRoomsMax = 64;
  std::vector<std::string> head_rooms_;  // of calls that ended, for the next ones
  const std::uint16_t lane_number_;
  std::uint64_t exchange_count_ = 0;
  std::uint64_t connection_count_ = 0;
  std::atomic<bool> is_wake_posted_{false};
  std::unique_ptr<model::RecordSink> lane_;
  std::unique_ptr<DurableWaits> waits_;
  std::unique_ptr<net::UpstreamPool> legacy_, candidate_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> at_turn_end_;
  std::unique_ptr<net::EventLoop::TurnEndHook> turn_end_;
  std::unique_ptr<net::Timer> ticker_;
  std::unique_ptr<net::Timer> accept_pause_;
  std::int64_t tick_ns_ = 0;
  std::size_t over_limit_open_ = 0;
  bool is_draining_ = false;
  std::atomic<bool> has_ended_{false};
  std::atomic<std::uint64_t> beat_{0};
  std::atomic<std::uint64_t> accepted_{0}, exchanges_{0}, exchanges_open_{0}, refused_{0};
  std::thread thread_;
};

}  // namespace banyan::proxy
