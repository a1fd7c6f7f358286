// SPDX-License-Identifier: Apache-2.0
//
// Endpoints and where they run: what is in memory on the admin loop, what may block on the store
// thread. Rollback is always the loop's. Loop-confined, but for the work it hands to the store
// thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "admin/admin_server.h"
#include "admin/events.h"
#include "admin/gate.h"
#include "admin/http_server.h"
#include "admin/http_types.h"
#include "admin/rate_meter.h"
#include "admin/rollback_guard.h"
#include "admin/store_worker.h"
#include "comparator/findings.h"
#include "comparator/rule_trial.h"
#include "core/base/mutex.h"
#include "core/json/json_writer.h"
#include "core/json/value.h"
#include "core/net/event_loop.h"
#include "routing/routing_control.h"

namespace banyan::admin {

// What the store thread leaves for the loop to tell.
struct StoreFacts {
  std::atomic<std::uint64_t> findings_open{0}, findings_accepted{0}, findings_bug{0};
  std::atomic<std::uint64_t> findings_failures{0};  // times the findings could not be kept up
  std::atomic<bool> findings_are_behind{false};

  // A word for each route, as of the last time somebody judged; null before the first.
  using Words = std::shared_ptr<const std::map<std::string, std::string>>;
  Words readiness() const EXCLUDES(mutex) {
    MutexLock lock(mutex);
    return words;
  }
  void set_readiness(Words next) EXCLUDES(mutex) {
    MutexLock lock(mutex);
    words = std::move(next);
  }

 private:
  mutable Mutex mutex;
  Words words GUARDED_BY(mutex);
};

// One request on its way through the endpoints.
struct Call {
  HttpRequest request;
  Target target;
  std::vector<std::string> captures;  // what {} stood for
  json::Value body;                   // of changes: an object, empty where there was none
};

class Api {
 public:
  Api(const AdminOptions& options, const AdminFacts& facts, const AdminServices& services,
      StoreFacts& store_facts, net::EventLoop& loop, StoreWorker& worker, Events& events,
      Gate& gate, RollbackGuard& rollbacks);
  void attach(HttpServer& server) { server_ = &server; }

  void handle(RequestId id, HttpRequest request);
  // Answers for store work whose patience ended.
  void check_patience(std::int64_t now_mono_ns);
  // Samples the counters whose rates the status shows; about twice a second.
  void note_rates(std::int64_t now_mono_ns);
  // At the end: what waits for the store thread never runs.
  void abandon_all();

  struct Health {
    bool is_ready = true;
    std::vector<std::string> alarms;  // of them some make it not ready
  };
  Health health() const;
  // Store thread: judges the routes, for status.
  void note_readiness(const std::vector<comparator::Finding>& findings) const;
  std::string status_json() const;

 private:
  using Handler = HttpResponse (Api::*)(const Call&) const;
  enum class Where { kLoop, kStore, kDials, kEvents };
  struct Endpoint {
    std::string_view method;
    std::string_view pattern;  // "routes/{}/rollback", below /api/v1
    Where where;
    Handler handler;
  };
  static const std::vector<Endpoint>& endpoints();
  static bool match(std::string_view pattern, const std::vector<std::string>& segments,
                    std::vector<std::string>& captures);

  void dispatch(RequestId id, Call call);
  void run(RequestId id, const Endpoint& endpoint, Call call);
  void defer(RequestId id, std::function<HttpResponse()> work);
  bool may_raise(const Call& call) const;
  HttpResponse guarded_dials(const Endpoint& endpoint, const Call& call,
                             const RollbackGuard::Mark& mark) const;
  HttpResponse public_answer(std::string_view path) const;

  HttpResponse get_refusals(const Call& call) const;
  HttpResponse get_status(const Call& call) const;
  HttpResponse get_routes(const Call& call) const;
  HttpResponse get_route(const Call& call) const;
  HttpResponse patch_route(const Call& call) const;
  HttpResponse reset_route(const Call& call) const;
  HttpResponse rollback(const Call& call) const;
  HttpResponse get_history(const Call& call) const;
  HttpResponse explain(const Call& call) const;
  HttpResponse get_findings(const Call& call) const;
  HttpResponse get_finding(const Call& call) const;
  HttpResponse patch_finding(const Call& call) const;
  HttpResponse get_exchange(const Call& call) const;
  HttpResponse get_ledger(const Call& call) const;
  HttpResponse get_log(const Call& call) const;
  HttpResponse get_replays(const Call& call) const;
  HttpResponse post_replay(const Call& call) const;
  HttpResponse get_replay(const Call& call) const;
  HttpResponse cancel_replay(const Call& call) const;
  HttpResponse resume_replay(const Call& call) const;
  HttpResponse pause_mirror(const Call& call) const;
  HttpResponse resume_mirror(const Call& call) const;
  HttpResponse get_report(const Call& call) const;
  HttpResponse post_erasure(const Call& call) const;
  HttpResponse post_reload(const Call& call) const;
  HttpResponse get_rules(const Call& call) const;
  HttpResponse try_rule(const Call& call) const;
  HttpResponse post_rule(const Call& call) const;
  HttpResponse delete_rule(const Call& call) const;
  Result<comparator::TrialReport> trial_of(const json::Value& body) const;
  void write_config(json::JsonWriter& json) const;
  HttpResponse route_response(const routing::RouteStatus& route) const;
  HttpResponse set_mirror_paused(bool paused) const;
  Status catch_up_findings() const;
  Status assess(const std::vector<comparator::Finding>& findings,
                std::vector<comparator::RouteReadiness>& out) const;

  const AdminOptions& options_;
  const AdminFacts& facts_;
  const AdminServices& services_;
  StoreFacts& store_facts_;
  net::EventLoop& loop_;
  StoreWorker& worker_;
  Events& events_;
  Gate& gate_;
  RollbackGuard& rollbacks_;
  HttpServer* server_ = nullptr;
  RateMeter requests_;
  RateMeter mirrored_;
  RateMeter compared_;

  struct Pending {
    RequestId id;
    std::shared_ptr<StoreTask> task;
    std::int64_t deadline_mono_ns = 0;
  };
  std::map<std::uint64_t, Pending> pending_;
  std::uint64_t next_pending_ = 1;
};

}  // namespace banyan::admin
