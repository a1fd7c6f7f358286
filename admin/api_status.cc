// SPDX-License-Identifier: Apache-2.0
//
// Status, readiness and the mirror's switch: all from memory.
#include "admin/api.h"
#include "admin/config_service.h"
#include "admin/json_shapes.h"
#include "admin/upstream_json.h"
#include "comparator/comparator.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"
#include "core/net/endpoints.h"
#include "core/obs/log.h"
#include "ledger/ledger.h"
#include "proxy/proxy.h"
#include "recorder/recorder.h"
#include "replay/mirror.h"
#include "routing/routing_control.h"

namespace banyan::admin {
namespace {

void write_system(json::JsonWriter& json, std::string_view name,
                  const std::vector<std::string>& urls, const net::Endpoints* endpoints) {
  json.key(name).begin_object();
  write_strings(json, "urls", urls);
  // Loops measure by the system's clock, whatever clock the services were given.
  if (endpoints != nullptr) {
    write_upstream(json, endpoints->status(SystemClock::instance().mono_ns()));
  }
  json.end_object();
}

void write_counts(json::JsonWriter& json, std::string_view name,
                  const std::map<std::string, std::uint64_t>& counts) {
  json.key(name).begin_object();
  for (const auto& [reason, count] : counts) json.member(reason, count);
  json.end_object();
}

void write_log(json::JsonWriter& json, const recorder::RecorderStats& stats) {
  json.key("log").begin_object().member("records", stats.records_appended);
  json.member("bytes", stats.log_bytes).member("segments", stats.segments);
  json.member("written", stats.written_offset).member("durable", stats.durable_offset);
  json.member("refused", stats.records_refused).member("syncs", stats.syncs);
  json.member("last_sync", seconds(stats.last_sync_ns))
      .member("max_sync", seconds(stats.max_sync_ns));
  json.member("direct_io", stats.is_direct).key("oldest");
  if (stats.oldest_append_wall_ns == 0)
    json.null();
  else
    json.string(format_time(static_cast<std::int64_t>(stats.oldest_append_wall_ns)));
  json.member("failed", stats.has_failed).member("failure", stats.failure).end_object();
}

void write_mirror(json::JsonWriter& json, const replay::Mirror* mirror, const RateMeter& rate) {
  json.key("mirror");
  if (mirror == nullptr) {
    json.null();
    return;
  }
  const replay::MirrorStats stats = mirror->stats();
  json.begin_object().member("paused", stats.is_paused).member("pending", stats.pending);
  json.member("pending_writes", stats.pending_writes).member("in_flight", stats.in_flight);
  json.member("mirrored", stats.mirrored).member("no_answer", stats.no_answer);
  json.member("mirrored_per_second", rate.per_second());
  write_counts(json, "skipped", stats.skipped);
  write_counts(json, "dropped", stats.dropped);
  json.member("lag", seconds(stats.lag_ns)).member("lag_records", stats.lag_records);
  json.member("waiting_for", stats.waiting_for).end_object();
}

void write_comparator(json::JsonWriter& json, const comparator::Comparator* comparator,
                      const RateMeter& rate) {
  json.key("comparator");
  if (comparator == nullptr) {
    json.null();
    return;
  }
  const comparator::ComparatorStats stats = comparator->stats();
  json.begin_object().member("compared", stats.compared).member("equal", stats.equal);
  json.member("tolerated", stats.tolerated).member("different", stats.different);
  json.member("incomparable", stats.incomparable).member("joins_open", stats.joins_open);
  json.member("compared_per_second", rate.per_second());
  json.member("lag_records", stats.lag_records).end_object();
}

// "client: bare_lf" and so on; the samples are at GET refusals.
std::map<std::string, std::uint64_t> refused_by_reason(const proxy::Proxy& proxy) {
  std::map<std::string, std::uint64_t> counts;
  for (const proxy::Refusals::Reason& reason : proxy.refusals()) {
    counts[reason.from + ": " + reason.reason] = reason.count;
  }
  return counts;
}

void write_proxy(json::JsonWriter& json, const proxy::Proxy* proxy, const RateMeter& rate) {
  json.key("listeners").begin_array();
  if (proxy != nullptr) {
    for (const std::string& address : proxy->addresses()) json.string(address);
  }
  json.end_array().key("proxy");
  if (proxy == nullptr) {
    json.null();
    return;
  }
  const proxy::ProxyStats stats = proxy->stats();
  json.begin_object().member("connections_open", stats.connections_open);
  json.member("connections_accepted", stats.connections_accepted);
  json.member("exchanges_open", stats.exchanges_open).member("exchanges", stats.exchanges);
  json.member("requests_per_second", rate.per_second());
  write_counts(json, "refused_by_reason", refused_by_reason(*proxy));
  json.member("refused", stats.refused).member("durable_waits", stats.durable_waits);
  json.member("durable_timeouts", stats.durable_timeouts).end_object();
}

}  // namespace

Api::Health Api::health() const {
  Health health;
  const recorder::RecorderStats log = services_.recorder.stats();
  if (services_.proxy != nullptr && services_.proxy->addresses().empty()) {
    health.is_ready = false;
    health.alarms.emplace_back("no listener is bound");
  }
  if (log.has_failed) {
    const bool fails_open = services_.config != nullptr
                                ? services_.config->status()->every_route_fails_open
                                : facts_.every_route_fails_open;
    health.is_ready = health.is_ready && fails_open;
    health.alarms.push_back("the log cannot be written: " + log.failure);
  }
  if (services_.routing.has_unpersisted_change()) {
    health.alarms.emplace_back("a routing change is in force but not yet on disk: " +
                               services_.routing.persist_error());
  }
  if (log.records_refused > 0) {
    health.alarms.push_back(std::to_string(log.records_refused) +
                            " records could not be kept (see GAP records)");
  }
  if (store_facts_.findings_are_behind.load()) {
    health.alarms.emplace_back("the findings cannot be kept up to date; see the operator's log");
  }
  if (services_.config != nullptr) {
    const auto config = services_.config->status();
    if (config->last_reload && config->last_reload->result != ReloadReport::Result::kOk) {
      health.alarms.push_back("the last reload failed, the config of before is in force: " +
                              config->last_reload->message);
    }
    for (const std::string& system : config->unverified_systems) {
      health.alarms.push_back("system " + system +
                              ": its certificate is not verified (tls.verify = false); whoever "
                              "sits on the way can answer in its place");
    }
  }
  if (services_.add_alarms) services_.add_alarms(health.alarms);
  for (const routing::RouteStatus& route : services_.routing.list()) {
    if (!route.conflict.empty()) {
      health.alarms.push_back("route " + route.name + ": " + route.conflict);
    }
  }
  return health;
}

void Api::note_rates(std::int64_t now_mono_ns) {
  if (services_.proxy != nullptr) requests_.note(now_mono_ns, services_.proxy->stats().exchanges);
  if (services_.mirror != nullptr) mirrored_.note(now_mono_ns, services_.mirror->stats().mirrored);
  if (services_.comparator != nullptr) {
    compared_.note(now_mono_ns, services_.comparator->stats().compared);
  }
}

std::string Api::status_json() const {
  const Health now = health();
  const ledger::LedgerSnapshot ledger = services_.ledger.snapshot();
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("schema", "banyan/status/1").member("version", facts_.version);
  json.member("started", format_time(facts_.started_wall_ns));
  json.member("uptime", seconds(services_.clock.wall_ns() - facts_.started_wall_ns));
  json.member("data_dir", facts_.data_dir).member("epoch", services_.recorder.epoch().value);
  json.member("log_uuid", services_.recorder.log_uuid());
  write_strings(json, "roles", facts_.roles);
  json.member("ready", now.is_ready);
  write_strings(json, "alarms", now.alarms);
  write_config(json);
  write_proxy(json, services_.proxy, requests_);
  const auto config = services_.config != nullptr ? services_.config->status() : nullptr;
  json.key("systems").begin_object();
  write_system(json, "legacy", config ? config->legacy_urls : facts_.legacy_urls,
               services_.legacy.get());
  write_system(json, "candidate", config ? config->candidate_urls : facts_.candidate_urls,
               services_.candidate.get());
  json.end_object();
  json.member("routing_epoch", services_.routing.epoch());
  json.key("routes").begin_array();
  const StoreFacts::Words readiness = store_facts_.readiness();
  for (const routing::RouteStatus& route : services_.routing.list()) {
    const auto found = ledger.routes.find(route.name);
    write_route(json, route, found == ledger.routes.end() ? ledger::Account() : found->second,
                readiness_of(readiness.get(), route.name));
  }
  json.end_array();
  write_log(json, services_.recorder.stats());
  write_mirror(json, services_.mirror, mirrored_);
  write_comparator(json, services_.comparator, compared_);
  json.key("findings").begin_object().member("open", store_facts_.findings_open.load());
  json.member("accepted", store_facts_.findings_accepted.load());
  json.member("bug", store_facts_.findings_bug.load()).end_object();
  json.key("ledger").begin_object().member("admitted", ledger.total.admitted);
  json.member("open", ledger.total.open).member("balanced", ledger.is_balanced()).end_object();
  json.key("admin").begin_object();
  json.member("store_queue", static_cast<std::uint64_t>(worker_.depth()));
  json.member("subscribers", static_cast<std::uint64_t>(events_.subscribers()));
  json.member("refused", gate_.refused()).member("log_lines_lost", obs::log_lines_lost());
  json.end_object().end_object();
  return out;
}

HttpResponse Api::get_status(const Call&) const {
  HttpResponse response;
  response.body = status_json();
  return response;
}

HttpResponse Api::get_refusals(const Call&) const {
  if (services_.proxy == nullptr) {
    return error_response(501, "role_not_running", "this process does not run the proxy",
                          "start it with the proxy role");
  }
  HttpResponse response;
  json::JsonWriter json(response.body);
  json.begin_object().member("schema", "banyan/refusals/1").key("refusals").begin_array();
  for (const proxy::Refusals::Reason& reason : services_.proxy->refusals()) {
    json.begin_object().member("from", reason.from).member("reason", reason.reason);
    json.member("count", reason.count).key("samples").begin_array();
    for (const proxy::Refusal& sample : reason.samples) {
      json.begin_object().member("time", format_time(sample.wall_ns));
      json.member("status", sample.status).member("peer", sample.peer);
      json.member("position", sample.position).member("bytes", sample.sample).end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return response;
}

HttpResponse Api::set_mirror_paused(bool paused) const {
  if (services_.mirror == nullptr) {
    return error_response(501, "role_not_running", "this process does not run the mirror",
                          "start it with the mirror role");
  }
  services_.mirror->pause(paused);
  HttpResponse response;
  json::JsonWriter json(response.body);
  json.begin_object().member("schema", "banyan/mirror/1").member("paused", paused);
  write_mirror(json, services_.mirror, mirrored_);
  json.end_object();
  return response;
}

HttpResponse Api::pause_mirror(const Call&) const { return set_mirror_paused(true); }
HttpResponse Api::resume_mirror(const Call&) const { return set_mirror_paused(false); }

}  // namespace banyan::admin
