// SPDX-License-Identifier: Apache-2.0
#include "proxy/worker.h"

#include <algorithm>
#include <utility>

#include "core/obs/log.h"
#include "proxy/handshake.h"
#include "proxy/http1_connection.h"
#include "proxy/http2_connection.h"
#include "proxy/preface_sniffer.h"

namespace banyan::proxy {
namespace {

constexpr std::int64_t kTickMaxNs = 250'000'000;
constexpr std::int64_t kTickMinNs = 10'000'000;
constexpr std::int64_t kAcceptPauseNs = 100'000'000;
constexpr int kAcceptsPerTurn = 16;
// Connections over the limit that wait to see their 503; past it they are closed without a word.
constexpr std::size_t kOverLimitOpenMax = 64;

net::UpstreamOptions share_of(const net::UpstreamOptions& options, int workers) {
  net::UpstreamOptions share = options;
  const auto count = static_cast<std::size_t>(workers);
  share.connections_max = std::max<std::size_t>(1, options.connections_max / count);
  share.waiting_max = std::max<std::size_t>(1, options.waiting_max / count);
  share.calls_max = std::max<std::size_t>(1, options.calls_max / count);
  return share;
}

// For PROXY headers towards systems. Whom a balancer named has no port that we know.
void name_ends(int fd, Peer& peer) {
  net::SocketAddress client = net::remote_end(fd);
  if (client.host() != peer.address) client = net::socket_address_of(peer.address, 0);
  peer.client_end = std::move(client.bytes);
  peer.listener_end = net::local_end(fd).bytes;
}

// Deadlines are kept by one coarse tick, fine enough for the shortest of them.
std::int64_t tick_of(const TimeoutOptions& timeouts) {
  const std::int64_t shortest =
      std::min({timeouts.handshake_ns, timeouts.head_ns, timeouts.body_ns, timeouts.keep_alive_ns,
                timeouts.write_ns, timeouts.rate_grace_ns});
  return std::clamp(shortest / 4, kTickMinNs, kTickMaxNs);
}

}  // namespace

Result<std::unique_ptr<Worker>> Worker::create(Shared& shared, int index) {
  auto loop = net::EventLoop::create();
  if (!loop.ok()) return loop.error();
  return std::unique_ptr<Worker>(new Worker(shared, index, std::move(*loop)));
}

Worker::Worker(Shared& shared, int index, std::unique_ptr<net::EventLoop> loop)
    : shared_(shared),
      index_(index),
      loop_(std::move(loop)),
      scratch_(std::make_unique<char[]>(kScratchBytes)),
      legacy_host_(shared.options.legacy.authority),
      candidate_host_(shared.options.candidate.authority),
      traffic_(shared.metrics),
      inline_budget_(shared.options.limits.inline_bytes_total_max /
                     static_cast<std::uint64_t>(shared.workers)),
      lane_number_(shared.log.next_lane_number()) {
  if (shared.access != nullptr) access_ = shared.access->open_lane();
  // One post for many wakes; what became durable after the exchange of the flag posts again.
  lane_ = shared.log.open_lane([this] {
    if (is_wake_posted_.exchange(true, std::memory_order_acq_rel)) return;
    const bool is_posted = loop_->post([this] {
      is_wake_posted_.store(false, std::memory_order_release);
      waits_->check();
    });
    if (!is_posted) is_wake_posted_.store(false, std::memory_order_release);
  });
  waits_ = std::make_unique<DurableWaits>(
      *loop_, *lane_, shared.options.durable_wait_ns,
      shared.metrics.histogram("banyan_proxy_durable_wait_seconds",
                               "Time exchanges waited for a record to be durable."));
  legacy_ = std::make_unique<net::UpstreamPool>(
      *loop_, share_of(shared.options.legacy.upstream, shared.workers));
  candidate_ = std::make_unique<net::UpstreamPool>(
      *loop_, share_of(shared.options.candidate.upstream, shared.workers));
  turn_end_ = loop_->at_turn_end([this] { end_turn(); });
  tick_ns_ = tick_of(shared.options.timeouts);
  ticker_ = std::make_unique<net::Timer>(*loop_, [this] { tick(); });
  accept_pause_ = std::make_unique<net::Timer>(*loop_, [this] { resume_accepting(); });
}

Worker::~Worker() {
  join();
  listeners_.clear();
  for (auto& connection : connections_) connection->abandon();
  connections_.clear();
  // The lane goes first: its wake must not run into a loop that is gone.
  waits_.reset();
  lane_.reset();
}

void Worker::add_listener(ListenerPlan plan) {
  auto listener = std::make_unique<Listener>();
  listener->fd = std::move(plan.fd);
  listener->name = std::move(plan.name);
  listener->facts = std::move(plan.facts);
  listener->is_inherited = plan.is_inherited;
  Listener* const raw = listener.get();
  listener->watch = std::make_unique<net::FdWatch>(
      *loop_, raw->fd.get(), [this, raw](net::FdWatch::Ready) { accept_some(*raw); });
  listeners_.push_back(std::move(listener));
}

void Worker::start() {
  thread_ = std::thread([this] { run(); });
}

void Worker::run() {
  for (auto& listener : listeners_) listener->watch->want_read(true);
  loop_->run();
  has_ended_.store(true, std::memory_order_release);
}

void Worker::join() {
  if (thread_.joinable()) {
    loop_->stop();
    thread_.join();
  }
}

// ---- connections

void Worker::accept_some(Listener& listener) {
  for (int i = 0; i < kAcceptsPerTurn && listener.fd.is_open(); ++i) {
    net::Accepted accepted;
    switch (net::accept_from(listener.fd.get(), accepted)) {
      case net::AcceptOutcome::kAccepted: admit(listener, std::move(accepted)); break;
      case net::AcceptOutcome::kNothing: return;
      case net::AcceptOutcome::kExhausted: pause_accepting(); return;
    }
  }
}

void Worker::admit(const Listener& listener, net::Accepted accepted) {
  accepted_.fetch_add(1, std::memory_order_relaxed);
  const ListenerFacts& facts = *listener.facts;
  const std::string address = accepted.peer.host();
  // Behind a balancer the client's name comes with the PROXY header.
  Peer peer = facts.has_proxy_header ? Peer() : make_peer(address, facts.trusted, facts.writes_via);
  const bool is_within = shared_.connections.enter(peer.address);
  if (!is_within && over_limit_open_ >= kOverLimitOpenMax) {
    count_refused(503);
    return;
  }
  // Worker in the high bits: the number is unique in the process.
  const std::uint64_t number = (static_cast<std::uint64_t>(index_ + 1) << 48) | ++connection_count_;
  net::Channel channel(std::move(accepted.fd));
  std::unique_ptr<Connection> connection;
  if (facts.has_proxy_header || facts.tls != nullptr) {
    connection = std::make_unique<Handshake>(*this, std::move(channel), address, std::move(peer),
                                             number, facts);
  } else {
    connection = open_connection(std::move(channel), std::move(peer), number, facts);
  }
  Connection& raw = *connection;
  raw.slot = connections_.size();
  raw.counts_as_open = is_within;
  connections_.push_back(std::move(connection));
  if (!ticker_->is_running()) ticker_->start(tick_ns_);
  if (is_within) {
    raw.start();
  } else {
    ++over_limit_open_;
    raw.refuse_over_limit();
  }
}

bool Worker::names_clients() const {
  return legacy_->options().proxy_header != net::ProxyHeader::kNone ||
         candidate_->options().proxy_header != net::ProxyHeader::kNone;
}

void Worker::forget_turn_end(const Connection& connection) {
  if (!connection.is_in_turn_end_list) return;
  const auto at = std::find(at_turn_end_.begin(), at_turn_end_.end(), &connection);
  if (at != at_turn_end_.end()) *at = nullptr;
}

Connection& Worker::take_place(Connection& old, std::unique_ptr<Connection> next) {
  forget_turn_end(old);
  Connection& raw = *next;
  raw.slot = old.slot;
  raw.counts_as_open = std::exchange(old.counts_as_open, false);
  loop_->destroy_later(std::exchange(connections_[raw.slot], std::move(next)));
  return raw;
}

void Worker::replace(Connection& old, std::unique_ptr<Connection> next) {
  Connection& raw = take_place(old, std::move(next));
  raw.start();
  if (is_draining_ && !raw.is_closed()) raw.drain();
}

std::unique_ptr<Connection> Worker::open_connection(net::Channel channel, Peer peer,
                                                    std::uint64_t number,
                                                    const ListenerFacts& facts) {
  if (names_clients()) name_ends(channel.fd(), peer);
  if (channel.alpn() == "h2") {
    return std::make_unique<Http2Connection>(*this, std::move(channel), std::move(peer), number);
  }
  if (facts.speaks_http2 && !channel.is_secure()) {
    return std::make_unique<PrefaceSniffer>(*this, std::move(channel), std::move(peer), number);
  }
  return std::make_unique<Http1Connection>(*this, std::move(channel), std::move(peer), number);
}

void Worker::release(Connection& connection) {
  forget_turn_end(connection);
  if (connection.counts_as_open) {
    shared_.connections.leave(connection.peer().address);
  } else {
    --over_limit_open_;
  }
  const std::size_t slot = connection.slot;
  auto owned = std::move(connections_[slot]);
  if (slot + 1 != connections_.size()) {
    connections_[slot] = std::move(connections_.back());
    connections_[slot]->slot = slot;
  }
  connections_.pop_back();
  loop_->destroy_later(std::move(owned));
  end_if_drained();
}

void Worker::pause_accepting() {
  shared_.metrics
      .counter("banyan_proxy_accept_pauses_total",
               "Times accepting paused because descriptors or memory ran out.")
      .add();
  for (auto& listener : listeners_) listener->watch->want_read(false);
  accept_pause_->start(kAcceptPauseNs);
}

void Worker::resume_accepting() {
  for (auto& listener : listeners_) {
    if (listener->fd.is_open()) listener->watch->want_read(true);
  }
}

void Worker::add_to_turn_end(Connection& connection) {
  if (connection.is_in_turn_end_list) return;
  connection.is_in_turn_end_list = true;
  at_turn_end_.push_back(&connection);
}

void Worker::end_turn() {
  // By index: work at the end of a turn may bring more of it.
  for (std::size_t i = 0; i < at_turn_end_.size(); ++i) {
    Connection* const connection = at_turn_end_[i];
    if (connection == nullptr) continue;
    connection->is_in_turn_end_list = false;
    at_turn_end_[i] = nullptr;
    connection->on_turn_end();
  }
  at_turn_end_.clear();
}

void Worker::tick() {
  const std::int64_t now = loop_->now().mono_ns;
  // From the back: closing one moves the last into its place.
  for (std::size_t i = connections_.size(); i > 0; --i) {
    if (i <= connections_.size()) connections_[i - 1]->on_tick(now);
  }
  if (!connections_.empty()) ticker_->start(tick_ns_);
}

// ---- stop and cut

void Worker::begin_drain() {
  loop_->post([this] { drain_on_loop(); });
}

void Worker::drain_on_loop() {
  if (std::exchange(is_draining_, true)) return;
  for (auto& listener : listeners_) {
    accept_rest(*listener);
    listener->watch.reset();
    listener->fd.reset();
  }
  accept_pause_->stop();
  for (std::size_t i = connections_.size(); i > 0; --i) {
    if (i <= connections_.size()) connections_[i - 1]->drain();
  }
  end_if_drained();
}

// Who has connected already is still served; at an inherited socket the next process serves them.
void Worker::accept_rest(Listener& listener) {
  net::Accepted accepted;
  while (!listener.is_inherited &&
         net::accept_from(listener.fd.get(), accepted) == net::AcceptOutcome::kAccepted) {
    admit(listener, std::move(accepted));
  }
}

void Worker::shut_down() {
  loop_->post([this] { shut_down_on_loop(); });
}

void Worker::shut_down_on_loop() {
  drain_on_loop();
  for (std::size_t i = connections_.size(); i > 0; --i) {
    if (i <= connections_.size()) connections_[i - 1]->shut_down();
  }
  end_if_drained();
}

void Worker::end_if_drained() {
  if (is_draining_ && connections_.empty()) loop_->stop();
}

void Worker::cut(std::string route) {
  loop_->post([this, route = std::move(route)] {
    for (std::size_t i = connections_.size(); i > 0; --i) {
      if (i <= connections_.size()) connections_[i - 1]->cut_if_candidate(route);
    }
  });
}

// ---- reload, watchdog

void Worker::take_over(std::vector<ListenerPlan> plans, bool renews_upstreams) {
  if (is_draining_) return;
  const ProxyOptions& options = shared_.options;
  legacy_host_ = options.legacy.authority;
  candidate_host_ = options.candidate.authority;
  waits_->set_patience(options.durable_wait_ns);
  legacy_->reconfigure(share_of(options.legacy.upstream, shared_.workers), renews_upstreams);
  candidate_->reconfigure(share_of(options.candidate.upstream, shared_.workers), renews_upstreams);
  tick_ns_ = tick_of(options.timeouts);
  if (ticker_->is_running()) ticker_->start(tick_ns_);
  take_over_listeners(std::move(plans));
}

void Worker::take_over_listeners(std::vector<ListenerPlan> plans) {
  for (std::size_t i = listeners_.size(); i > 0; --i) {
    Listener& listener = *listeners_[i - 1];
    const auto plan = std::find_if(plans.begin(), plans.end(), [&listener](const auto& one) {
      return one.name == listener.name && !one.fd.is_open();
    });
    if (plan == plans.end()) {
      accept_rest(listener);
      retired_facts_.push_back(listener.facts);
      listener.watch.reset();
      loop_->destroy_later(std::move(listeners_[i - 1]));
      listeners_.erase(listeners_.begin() + static_cast<std::ptrdiff_t>(i - 1));
    } else if (plan->facts != listener.facts) {
      retired_facts_.push_back(std::exchange(listener.facts, plan->facts));
    }
  }
  for (ListenerPlan& plan : plans) {
    if (!plan.fd.is_open()) continue;
    add_listener(std::move(plan));
    listeners_.back()->watch->want_read(true);
  }
}

void Worker::ask_beat(std::uint64_t number) {
  loop_->post([this, number] { beat_.store(number, std::memory_order_release); });
}

// ---- counters

std::string_view Worker::host_for(System system, std::string_view authority) const {
  const bool is_legacy = system == System::kLegacy;
  const SystemOptions& options = is_legacy ? shared_.options.legacy : shared_.options.candidate;
  if (!options.host.empty()) return options.host;
  if (!authority.empty()) return authority;
  return is_legacy ? legacy_host_ : candidate_host_;
}

std::string Worker::take_head_room() {
  if (head_rooms_.empty()) return {};
  std::string room = std::move(head_rooms_.back());
  head_rooms_.pop_back();
  return room;
}

void Worker::take_back_head_room(net::UpstreamCall& call) {
  std::string body;
  std::string head;
  call.take_buffers(head, body);
  if (head.capacity() > kKeptCapacity || head_rooms_.size() >= kHeadRoomsMax) return;
  head.clear();
  head_rooms_.push_back(std::move(head));
}

void Worker::count_opened() {
  exchanges_.fetch_add(1, std::memory_order_relaxed);
  exchanges_open_.fetch_add(1, std::memory_order_relaxed);
}

void Worker::count_refused(int status) {
  refused_.fetch_add(1, std::memory_order_relaxed);
  traffic_.count_refused(status);
  if (shared_.on_refused) shared_.on_refused(status);
}

void Worker::tell_refused(const Peer& peer, int status, std::string_view code) {
  if (!keeps_access()) return;
  AccessEntry entry;
  entry.started_wall_ns = loop_->now().wall_ns;
  entry.client = entry.peer = peer.address;
  entry.status = status;
  entry.answered_by = "banyan";
  entry.error = code;
  set_tls(peer, entry);
  access_->write(entry);
}

void Worker::note_refusal(Refusal refusal) {
  shared_.metrics
      .counter("banyan_http_refused_total",
               "Messages that the strict reading refused, by who sent them and why.",
               {{"from", std::string(refusal.from)}, {"reason", std::string(refusal.reason)}})
      .add();
  refusal.wall_ns = loop_->now().wall_ns;
  shared_.refusals.add(std::move(refusal));
}

void Worker::count_lenient(http::Leniencies lenient) {
  for (std::size_t i = 0; i < http::kLeniencyCount; ++i) {
    if (!lenient.has(static_cast<http::Leniency>(i))) continue;
    shared_.metrics
        .counter("banyan_http_lenient_total",
                 "Messages accepted only because a leniency of [http] lenient excuses them.",
                 {{"leniency", std::string(http::kLeniencyNames[i])}})
        .add();
  }
}

void Worker::count_timeout(std::string_view what) {
  shared_.metrics
      .counter("banyan_proxy_client_timeouts_total", "Clients that were too slow, by deadline.",
               {{"deadline", std::string(what)}})
      .add();
}

void Worker::count_http2_breach(std::string_view kind) {
  shared_.metrics
      .counter("banyan_proxy_http2_breaches_total",
               "HTTP/2 connections that Banyan ended because of what the client sent.",
               {{"kind", std::string(kind)}})
      .add();
}

void Worker::count_http2_refused_stream() {
  shared_.metrics
      .counter("banyan_proxy_http2_refused_streams_total",
               "Streams of HTTP/2 that Banyan told the client to ask again elsewhere.")
      .add();
}

void Worker::count_fallback() {
  shared_.metrics
      .counter("banyan_proxy_fallbacks_total",
               "Exchanges that asked legacy because the candidate failed.")
      .add();
}

void Worker::count_upgrade() {
  shared_.metrics
      .counter("banyan_proxy_upgrades_total", "Connections that became tunnels behind a 101.")
      .add();
}

void Worker::add_stats(ProxyStats& stats) const {
  stats.connections_accepted += accepted_.load(std::memory_order_relaxed);
  stats.exchanges += exchanges_.load(std::memory_order_relaxed);
  stats.exchanges_open += exchanges_open_.load(std::memory_order_relaxed);
  stats.refused += refused_.load(std::memory_order_relaxed);
  stats.durable_waits += waits_->waits();
  stats.durable_timeouts += waits_->timeouts();
}

}  // namespace banyan::proxy
