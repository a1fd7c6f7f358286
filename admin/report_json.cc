// SPDX-License-Identifier: Apache-2.0
#include "admin/json_shapes.h"
#include "admin/report_formats.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"

namespace banyan::admin {
namespace {

void add_time(json::JsonWriter& json, std::string_view name, std::int64_t wall_ns) {
  json.key(name);
  if (wall_ns > 0) {
    json.string(format_time(wall_ns));
  } else {
    json.null();
  }
}

void add_strings(json::JsonWriter& json, std::string_view name,
                 const std::vector<std::string>& values) {
  json.key(name).begin_array();
  for (const std::string& value : values) json.string(value);
  json.end_array();
}

void add_finding(json::JsonWriter& json, const comparator::Finding& finding) {
  json.begin_object();
  json.member("id", finding.id)
      .member("issue", finding.issue)
      .member("state", name_of(finding.state));
  json.member("route", finding.route).member("endpoint", finding.endpoint);
  json.member("path", finding.path).member("kind", finding.kind);
  json.member("transition", finding.transition).member("count", finding.count);
  json.member("exchanges", finding.exchanges);
  add_time(json, "first_seen", finding.first_seen_wall_ns);
  add_time(json, "last_seen", finding.last_seen_wall_ns);
  add_strings(json, "exemplars", finding.exemplars);
  add_strings(json, "endpoints", finding.endpoints);
  json.key("example").begin_object().member("at", finding.example_at);
  json.member("legacy", finding.example_legacy).member("candidate", finding.example_candidate);
  json.end_object();
  json.member("reason", finding.reason).member("changed_by", finding.changed_by);
  add_time(json, "accepted_until", finding.accepted_until_wall_ns);
  json.member("tolerated_by", finding.tolerated_by);
  json.end_object();
}

// [lower, upper] in seconds; null where the sample is too small to say.
void add_range(json::JsonWriter& json, std::string_view name,
               const comparator::LatencyRange& range) {
  json.key(name).begin_array();
  for (const auto& bound : {range.lower_ms, range.upper_ms}) {
    if (bound) {
      json.number(*bound / 1000);
    } else {
      json.null();
    }
  }
  json.end_array();
}

void add_latency(json::JsonWriter& json, const comparator::EndpointLatency& one) {
  json.begin_object();
  json.member("route", one.route).member("endpoint", one.endpoint).member("pairs", one.pairs);
  json.key("legacy").begin_object().member("p50", one.legacy_p50_ms / 1000);
  json.member("p95", one.legacy_p95_ms / 1000).member("p99", one.legacy_p99_ms / 1000);
  add_range(json, "p50_range", one.legacy_p50_range);
  add_range(json, "p95_range", one.legacy_p95_range);
  add_range(json, "p99_range", one.legacy_p99_range);
  json.end_object().key("candidate").begin_object();
  json.member("p50", one.candidate_p50_ms / 1000).member("p95", one.candidate_p95_ms / 1000);
  json.member("p99", one.candidate_p99_ms / 1000);
  add_range(json, "p50_range", one.candidate_p50_range);
  add_range(json, "p95_range", one.candidate_p95_range);
  add_range(json, "p99_range", one.candidate_p99_range);
  json.end_object();
  json.end_object();
}

}  // namespace

void write_explanation(json::JsonWriter& json, const comparator::Explanation& explanation) {
  json.key("explained").begin_object();
  json.member("exchanges", explanation.exchanges).member("explained", explanation.explained());
  json.key("steps").begin_array();
  for (const auto& step : explanation.steps) {
    json.begin_object().member("issue", step.issue).member("finding", step.finding);
    json.member("findings", static_cast<std::uint64_t>(step.findings));
    json.member("explained", step.explained);
    json.end_object();
  }
  json.end_array().end_object();
}

std::string render_json(const ReportData& data) {
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("schema", "banyan/report/1").member("version", data.version);
  json.member("data_dir", data.data_dir);
  add_time(json, "generated", data.generated_wall_ns);
  add_time(json, "log_from", data.log_from_wall_ns);
  add_time(json, "log_to", data.log_to_wall_ns);
  const ReportGate gate = gate_of(data);
  json.key("gate").begin_object().member("passed", gate.passed);
  add_strings(json, "reasons", gate.reasons);
  json.member("needs_readiness", data.gate_needs_readiness);
  json.end_object().key("routes").begin_array();
  for (const ReportRoute& route : data.routes) {
    json.begin_object().member("name", route.name).member("stage", route.stage);
    json.member("candidate_percent", route.dials.candidate_share / 100.0);
    json.member("mirror_percent", route.dials.mirror_share / 100.0);
    json.member("mirror_writes", route.dials.mirror_writes).end_object();
  }
  json.end_array();
  write_readiness(json, data);
  write_issues(json, data.issues);
  json.key("findings").begin_array();
  for (const comparator::Finding& finding : data.findings) add_finding(json, finding);
  json.end_array();
  write_explanation(json, data.explanation);
  json.key("latency").begin_array();
  for (const comparator::EndpointLatency& one : data.latency) add_latency(json, one);
  json.end_array().key("slower").begin_array();
  for (const comparator::EndpointLatency* one : slower_endpoints(data)) add_latency(json, *one);
  json.end_array().key("ledger").raw(data.ledger.to_json());
  json.end_object();
  out += '\n';
  return out;
}

}  // namespace banyan::admin
