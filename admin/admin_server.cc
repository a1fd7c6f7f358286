// SPDX-License-Identifier: Apache-2.0
#include "admin/admin_server.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <set>
#include <thread>

#include "admin/api.h"
#include "admin/json_shapes.h"
#include "admin/service_metrics.h"
#include "admin/token.h"
#include "comparator/comparator.h"
#include "comparator/findings.h"
#include "core/json/json_writer.h"
#include "core/obs/log.h"
#include "ledger/ledger.h"
#include "recorder/recorder.h"
#include "replay/mirror.h"
#include "routing/routing_control.h"

namespace banyan::admin {
namespace {

constexpr std::int64_t kTickNs = 500'000'000;
constexpr int kTicksPerBeat = 30;
constexpr std::size_t kFoldRecords = 2000;
constexpr std::size_t kKnownFindingsMax = 10'000;
constexpr std::int64_t kCountEveryNs = 1'000'000'000;
constexpr std::int64_t kJudgeEveryNs = 2'000'000'000;
constexpr std::int64_t kJudgeIdleNs = 30'000'000'000;

std::string host_of_address(std::string_view address) {
  const auto parts = net::split_host_port(address);
  return parts.ok() ? std::string(parts->host) : std::string();
}

}  // namespace

struct AdminServer::Impl {
  Impl(AdminOptions options_in, AdminFacts facts_in, const AdminServices& services_in,
       std::unique_ptr<net::EventLoop> loop_in, net::Listening listening, std::string token)
      : options(std::move(options_in)),
        facts(std::move(facts_in)),
        services(services_in),
        loop(std::move(loop_in)),
        address(listening.address),
        gate(std::move(token), host_of_address(listening.address),
             options.auth_failures_per_second),
        events(options.events_subscribers_max, options.event_bytes_max),
        worker(options.store_queue_max, [this] { return fold_findings(); }),
        api(options, facts, services, store_facts, *loop, worker, events, gate, rollbacks),
        server(std::make_unique<HttpServer>(
            *loop, std::move(listening), options,
            [this](RequestId id, HttpRequest request) { api.handle(id, std::move(request)); })),
        ticker(std::make_unique<net::Timer>(*loop, [this] { tick(); })),
        metrics(services, facts, store_facts, worker) {
    events.attach(*server);
    api.attach(*server);
    ticker->start(kTickNs);
  }

  // Findings by state, and what was compared.
  using Seen = std::array<std::uint64_t, 4>;

  // Store thread: keeps the findings caught up, counts them, tells of new ones.
  bool fold_findings() {
    const auto more = services.findings.catch_up(services.log(), kFoldRecords,
                                                 comparator::FindingsStore::Writing::kLazily);
    if (!more.ok()) {
      ++store_facts.findings_failures;
      if (!store_facts.findings_are_behind.exchange(true)) {
        obs::log_error("admin", "the findings cannot be kept up to date: " + more.error().message);
      }
      return false;
    }
    store_facts.findings_are_behind = false;
    const std::int64_t now = services.clock.mono_ns();
    if (counted_mono_ns == 0 || now - counted_mono_ns >= kCountEveryNs) {
      counted_mono_ns = now;
      count_findings();
    }
    return *more;
  }

  void count_findings() {
    comparator::FindingFilter filter;
    filter.limit = kKnownFindingsMax;
    filter.with_exemplars = false;
    const auto findings = services.findings.list(filter);
    if (!findings.ok()) return;
    std::uint64_t counts[3] = {};
    for (const comparator::Finding& finding : *findings) {
      ++counts[static_cast<int>(finding.state)];
      const bool is_new = known_findings.insert(finding.id).second;
      if (is_new && knows_findings && finding.state == comparator::FindingState::kOpen) {
        tell_of(finding.id);
      }
    }
    knows_findings = true;
    judge_routes(*findings, {counts[0], counts[1], counts[2]});
    store_facts.findings_open = counts[0];
    store_facts.findings_accepted = counts[1];
    store_facts.findings_bug = counts[2];
  }

  // For status: where something is new, at most a fiftieth of the store thread's time; and now and
  // then where nothing is, since acceptances end and configs change.
  void judge_routes(const std::vector<comparator::Finding>& findings, Seen seen) {
    if (services.comparator != nullptr) seen.back() = services.comparator->stats().compared;
    const std::int64_t now = services.clock.mono_ns();
    if (now < judged_next_mono_ns) return;
    const bool is_new = seen != judged_seen;
    if (!is_new && !judges_again && now < judged_next_mono_ns + kJudgeIdleNs) return;
    api.note_readiness(findings);
    const std::int64_t took = services.clock.mono_ns() - now;
    judged_next_mono_ns = now + std::max(kJudgeEveryNs, 50 * took);
    judged_seen = seen;
    judges_again = is_new;  // what is compared reaches the findings' file within a second
  }

  void tell_of(const std::string& id) {
    const auto finding = services.findings.get(id);
    if (!finding.ok()) return;
    std::string text;
    json::JsonWriter json(text);
    write_finding(json, *finding);
    (void)loop->post([this, text = std::move(text)] { events.publish("finding", text); });
  }

  // On whichever thread changed a route.
  void on_route_change(const routing::RouteStatus& route) {
    if (route.is_rolled_back && route.dials.candidate_share == 0) rollbacks.note(route.name);
    const ledger::LedgerSnapshot ledger = services.ledger.snapshot();
    const auto found = ledger.routes.find(route.name);
    std::string text;
    json::JsonWriter json(text);
    write_route(json, route, found == ledger.routes.end() ? ledger::Account() : found->second);
    (void)loop->post([this, text = std::move(text)] { events.publish("route", text); });
  }

  void tick() {
    api.check_patience(loop->now().mono_ns);
    api.note_rates(loop->now().mono_ns);
    if (services.mirror != nullptr) {
      const replay::MirrorStats stats = services.mirror->stats();
      std::string text;
      json::JsonWriter json(text);
      json.begin_object().member("paused", stats.is_paused);
      json.member("waiting_for", stats.waiting_for).end_object();
      if (text != mirror_state) {
        mirror_state = text;
        events.publish("mirror", text);
      }
    }
    if (++ticks % kTicksPerBeat == 0) events.beat();
    ticker->start(kTickNs);
  }

  void start() {
    services.routing.set_change_listener(
        [this](const routing::RouteStatus& route) { on_route_change(route); });
    worker.start();
    loop_thread = std::thread([this] {
      pthread_setname_np(pthread_self(), "admin");
      loop->run();
    });
  }

  void stop() {
    services.routing.set_change_listener({});
    if (loop_thread.joinable()) {
      loop->stop();
      loop_thread.join();
    }
    api.abandon_all();
    worker.stop();
    metrics.close();
  }

  const AdminOptions options;
  const AdminFacts facts;
  const AdminServices services;
  std::unique_ptr<net::EventLoop> loop;
  const std::string address;
  Gate gate;
  Events events;
  RollbackGuard rollbacks;
  StoreFacts store_facts;
  std::int64_t counted_mono_ns = 0;      // store thread
  std::int64_t judged_next_mono_ns = 0;  // store thread
  Seen judged_seen{};                    // store thread
  bool judges_again = false;             // store thread
  std::set<std::string> known_findings;  // store thread
  bool knows_findings = false;           // store thread
  StoreWorker worker;
  Api api;
  std::unique_ptr<HttpServer> server;
  std::unique_ptr<net::Timer> ticker;
  ServiceMetrics metrics;
  std::string mirror_state;  // loop
  int ticks = 0;             // loop
  std::thread loop_thread;
};

AdminServer::AdminServer() = default;

AdminServer::~AdminServer() {
  if (impl_) stop();
}

Result<std::unique_ptr<AdminServer>> AdminServer::open(AdminOptions options, AdminFacts facts,
                                                       AdminServices services) {
  std::string token;
  if (options.needs_token) {
    auto known = open_admin_token(services.files, options.data_dir);
    if (!known.ok()) return known.error();
    token = *std::move(known);
  }
  auto listening = net::listen_on(options.address, false, 64);
  if (!listening.ok()) {
    Error error = listening.error();
    error.message = "[admin] address: " + error.message;
    return error;
  }
  // Config refuses this too; here it is the second lock.
  if (!options.needs_token && !is_loopback_name(host_of_address(listening->address))) {
    return make_error(
        ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
        "[admin] auth = \"none\" is allowed on loopback only, not on " + options.address);
  }
  auto loop = net::EventLoop::create();
  if (!loop.ok()) return loop.error();
  std::unique_ptr<AdminServer> server(new AdminServer());
  server->impl_ = std::make_unique<Impl>(std::move(options), std::move(facts), services,
                                         *std::move(loop), *std::move(listening), std::move(token));
  return server;
}

void AdminServer::start() { impl_->start(); }
void AdminServer::stop() { impl_->stop(); }
std::string AdminServer::address() const { return impl_->address; }

}  // namespace banyan::admin
