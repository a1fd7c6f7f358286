// SPDX-License-Identifier: Apache-2.0
//
// Endpoints that may block on a disk: they run on the store thread.
#include <algorithm>

#include "admin/api.h"
#include "admin/body.h"
#include "admin/config_service.h"
#include "admin/json_shapes.h"
#include "admin/log_scan.h"
#include "admin/log_search.h"
#include "admin/report.h"
#include "comparator/findings.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"
#include "ledger/ledger.h"
#include "recorder/recorder.h"
#include "replay/runs.h"
#include "routing/routing_control.h"

namespace banyan::admin {
namespace {

constexpr std::int64_t kCatchUpPatienceNs = 2'000'000'000;
constexpr std::size_t kCatchUpRecords = 5000;
constexpr std::size_t kListMax = 10'000;
constexpr std::size_t kDetailsMax = 100;  // findings told in full with their issue

Result<std::size_t> limit_of(const Target& target, std::size_t otherwise, std::size_t most) {
  const std::string_view text = target.parameter("limit");
  if (text.empty()) return otherwise;
  const auto limit = parse_u64(text);
  if (!limit || *limit == 0 || *limit > most) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient,
                      "limit must be a number from 1 to " + std::to_string(most));
  }
  return static_cast<std::size_t>(*limit);
}

HttpResponse finding_response(const Result<comparator::Finding>& finding) {
  if (!finding.ok()) return error_response(finding.error());
  HttpResponse response;
  json::JsonWriter json(response.body);
  write_finding(json, *finding);
  return response;
}

HttpResponse issue_response(const comparator::FindingsStore& findings,
                            const Result<comparator::Issue>& issue) {
  if (!issue.ok()) return error_response(issue.error());
  std::vector<comparator::Finding> details;
  for (const std::string& id : issue->findings) {
    if (details.size() == kDetailsMax) break;
    auto finding = findings.get(id);
    if (!finding.ok()) return error_response(finding.error());
    details.push_back(*std::move(finding));
  }
  HttpResponse response;
  json::JsonWriter json(response.body);
  write_issue(json, *issue, &details);
  return response;
}

HttpResponse run_response(const Result<replay::RunStatus>& run) {
  if (!run.ok()) return error_response(run.error());
  HttpResponse response;
  json::JsonWriter json(response.body);
  write_run(json, *run);
  return response;
}

HttpResponse no_runs() {
  return error_response(501, "role_not_running", "this process does not run replays",
                        "start it with the mirror role");
}

HttpResponse text_answer(const Result<std::string>& json) {
  if (!json.ok()) return error_response(json.error());
  HttpResponse response;
  response.body = *json;
  return response;
}

// "2026-12-31", RFC 3339, or a duration from now: "7d".
Result<std::int64_t> parse_until(std::string_view text, std::int64_t now_ns) {
  if (const auto time = parse_time(text, now_ns)) return *time;
  if (const auto duration = parse_duration_ns(text)) return now_ns + *duration;
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient,
                    "until must be a date, an RFC 3339 time or a duration like 7d");
}

Result<replay::RunSpec> spec_of(const json::Value& body, model::LogAccess& log,
                                const Clock& clock) {
  BANYAN_RETURN_IF_ERROR(
      check_members(body, {"kind", "to", "from", "from_time", "to_time", "filter", "route", "only",
                           "speed", "concurrency", "dry_run", "reason", "by"}));
  std::string texts[8];
  static constexpr const char* kNames[8] = {"kind",    "to",     "from",  "from_time",
                                            "to_time", "filter", "route", "only"};
  for (int i = 0; i < 8; ++i) {
    auto text = string_member(body, kNames[i], 4096);
    if (!text.ok()) return text.error();
    if (*text) texts[i] = **text;
  }
  const auto bad = [](std::string message) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient, std::move(message));
  };
  const auto& [kind, to, from, from_time, to_time, filter, route, only] = texts;
  replay::RunSpec spec;
  if (kind == "reconcile")
    spec.kind = replay::RunKind::kReconcile;
  else if (!kind.empty() && kind != "replay")
    return bad("kind must be replay or reconcile");
  if (!to.empty()) {
    const auto system = parse_system(to);
    if (!system) return bad("to must be legacy or candidate");
    spec.to = *system;
  }
  if (!only.empty()) {
    const auto parsed = parse_run_only(only);
    if (!parsed) return bad("only must be all, missed, failed or different");
    spec.only = *parsed;
  }
  spec.filter = filter;
  spec.route = route;
  // A time may stand in `from` too: then records before it inside the nearest place are left out.
  const std::string& begin = from_time.empty() ? from : from_time;
  if (!begin.empty()) {
    auto place = parse_place(log, clock, begin);
    if (!place.ok()) return place.error();
    spec.from = *std::move(place);
    if (!parse_u64(begin)) spec.from_wall_ns = parse_time(begin, clock.wall_ns()).value_or(0);
  }
  if (!to_time.empty()) {
    const auto time = parse_time(to_time, clock.wall_ns());
    if (!time) return bad("to_time must be an RFC 3339 time or -15m");
    spec.to_wall_ns = *time;
  }
  if (const json::Value* speed = body.find("speed")) {
    if (speed->type == json::Value::Type::kString && speed->text == "max") {
      spec.speed = 0;
    } else {
      const auto number = number_member(body, "speed", 0.001, 1e6);
      if (!number.ok()) return bad("speed must be a number from 0.001 to 1000000, or \"max\"");
      if (*number) spec.speed = **number;
    }
  }
  const auto concurrency = number_member(body, "concurrency", 1, 1024);
  if (!concurrency.ok()) return concurrency.error();
  if (*concurrency) spec.concurrency = static_cast<std::size_t>(**concurrency);
  const auto dry_run = bool_member(body, "dry_run");
  if (!dry_run.ok()) return dry_run.error();
  spec.is_dry_run = dry_run->value_or(false);
  return spec;
}

}  // namespace

// What was decided a moment ago should be in the answer; a long backlog is not waited for.
Status Api::catch_up_findings() const {
  const Patience patience(kCatchUpPatienceNs);
  while (!patience.is_over()) {
    const auto more = services_.findings.catch_up(services_.log(), kCatchUpRecords);
    if (!more.ok()) return more.status();
    if (!*more) break;
  }
  return {};
}

HttpResponse Api::get_history(const Call& call) const {
  const auto limit = limit_of(call.target, 100, 1000);
  if (!limit.ok()) return error_response(limit.error());
  return text_answer(route_history_json(services_.log(), services_.clock,
                                        call.target.parameter("route"), *limit,
                                        options_.search_patience_ns));
}

HttpResponse Api::get_findings(const Call& call) const {
  comparator::FindingFilter filter;
  const auto limit = limit_of(call.target, 1000, kListMax);
  if (!limit.ok()) return error_response(limit.error());
  filter.limit = *limit;
  filter.route = call.target.parameter("route");
  if (const std::string_view state = call.target.parameter("state"); !state.empty()) {
    filter.state = parse_finding_state(state);
    if (!filter.state) return invalid_argument("state must be open, accepted or bug");
  }
  const Status caught_up = catch_up_findings();
  if (!caught_up.ok()) return error_response(caught_up.error());
  const auto findings = services_.findings.list(filter);
  if (!findings.ok()) return error_response(findings.error());
  const auto issues = services_.findings.issues(filter);
  if (!issues.ok()) return error_response(issues.error());
  const auto explanation = services_.findings.explain(filter.route);
  if (!explanation.ok()) return error_response(explanation.error());
  HttpResponse response;
  response.body = findings_to_json(*issues, *findings, *explanation);
  return response;
}

HttpResponse Api::get_finding(const Call& call) const {
  const std::string& id = call.captures.at(0);
  if (comparator::is_issue_id(id)) {
    return issue_response(services_.findings, services_.findings.get_issue(id));
  }
  const auto finding = services_.findings.get(id);
  if (!finding.ok()) return error_response(finding.error());
  // Without the log it is a finding all the same.
  const auto special = services_.findings.special(finding->id, services_.log());
  HttpResponse response;
  json::JsonWriter json(response.body);
  write_finding(json, *finding, special.ok() ? &*special : nullptr);
  return response;
}

HttpResponse Api::patch_finding(const Call& call) const {
  const Status members = check_members(call.body, {"state", "reason", "until", "by"});
  if (!members.ok()) return error_response(members.error());
  const auto state = string_member(call.body, "state", 20);
  if (!state.ok()) return error_response(state.error());
  const auto parsed = parse_finding_state(state->value_or(""));
  if (!parsed) return invalid_argument("state must be open, accepted or bug");
  const auto cause = cause_of(call.body);
  if (!cause.ok()) return error_response(cause.error());
  if (*parsed == comparator::FindingState::kAccepted && trim(cause->reason).empty()) {
    return invalid_argument("accepting a finding needs a reason");
  }
  const auto until = string_member(call.body, "until", 64);
  if (!until.ok()) return error_response(until.error());
  std::int64_t until_wall_ns = 0;
  if (*until && !(*until)->empty()) {
    const auto time = parse_until(**until, services_.clock.wall_ns());
    if (!time.ok()) return error_response(time.error());
    until_wall_ns = *time;
  }
  const std::string& id = call.captures.at(0);
  if (comparator::is_issue_id(id)) {
    return issue_response(
        services_.findings,
        services_.findings.set_issue_state(id, *parsed, cause->by, cause->reason, until_wall_ns));
  }
  return finding_response(
      services_.findings.set_state(id, *parsed, cause->by, cause->reason, until_wall_ns));
}

HttpResponse Api::get_exchange(const Call& call) const {
  const auto exchange = ExchangeId::parse(call.captures.at(0));
  if (!exchange || exchange->is_null()) {
    return invalid_argument("an exchange id is 32 hex digits, not all of them 0");
  }
  std::optional<model::Cursor::Place> hint;
  // Only a hint: without it the log is searched.
  if (auto located = services_.findings.locate(*exchange); located.ok()) hint = *located;
  return text_answer(exchange_json(services_.log(), *exchange, hint,
                                   call.target.parameter("records") == "1",
                                   options_.search_patience_ns));
}

HttpResponse Api::get_log(const Call& call) const {
  const auto limit = limit_of(call.target, 100, kPageRecordsMax);
  if (!limit.ok()) return error_response(limit.error());
  LogQuery query;
  query.from = call.target.parameter("from");
  query.to = call.target.parameter("to");
  query.filter = call.target.parameter("filter");
  query.limit = *limit;
  return text_answer(
      log_page_json(services_.log(), services_.clock, query, options_.search_patience_ns));
}

HttpResponse Api::get_replays(const Call&) const {
  HttpResponse response;
  response.body = runs_to_json(services_.runs != nullptr ? services_.runs->list()
                                                         : std::vector<replay::RunStatus>());
  return response;
}

HttpResponse Api::post_replay(const Call& call) const {
  if (services_.runs == nullptr) return no_runs();
  const auto spec = spec_of(call.body, services_.log(), services_.clock);
  if (!spec.ok()) return error_response(spec.error());
  return run_response(services_.runs->start(*spec));
}

HttpResponse Api::get_replay(const Call& call) const {
  if (services_.runs == nullptr) return no_runs();
  const auto id = parse_u64(call.captures.at(0));
  if (!id) return invalid_argument("a replay's id is a number");
  return run_response(services_.runs->get(*id));
}

HttpResponse Api::cancel_replay(const Call& call) const {
  if (services_.runs == nullptr) return no_runs();
  const auto id = parse_u64(call.captures.at(0));
  if (!id) return invalid_argument("a replay's id is a number");
  return run_response(services_.runs->cancel(*id));
}

HttpResponse Api::resume_replay(const Call& call) const {
  if (services_.runs == nullptr) return no_runs();
  const auto id = parse_u64(call.captures.at(0));
  if (!id) return invalid_argument("a replay's id is a number");
  return run_response(services_.runs->resume(*id));
}

Status Api::assess(const std::vector<comparator::Finding>& findings,
                   std::vector<comparator::RouteReadiness>& out) const {
  const auto counts = services_.findings.readiness_counts();
  if (!counts.ok()) return counts.status();
  std::vector<std::string> routes;
  for (const routing::RouteStatus& route : services_.routing.list()) routes.push_back(route.name);
  const auto config = services_.config != nullptr ? services_.config->status() : nullptr;
  out = comparator::assess_readiness(config ? config->readiness : comparator::ReadinessOptions(),
                                     routes, *counts, findings);
  return {};
}

void Api::note_readiness(const std::vector<comparator::Finding>& findings) const {
  std::vector<comparator::RouteReadiness> judged;
  if (!assess(findings, judged).ok()) return;
  auto words = std::make_shared<std::map<std::string, std::string>>();
  for (const comparator::RouteReadiness& route : judged) {
    (*words)[route.route] = to_string(route.state.readiness);
  }
  store_facts_.set_readiness(std::move(words));
}

HttpResponse Api::get_report(const Call& call) const {
  std::string_view name = call.target.parameter("format");
  const auto format = parse_report_format(name.empty() ? "json" : name);
  if (!format) return invalid_argument("format must be text, json, html, markdown or junit");
  const std::string_view gate = call.target.parameter("gate");
  if (!gate.empty() && gate != "ready") return invalid_argument("gate must be ready");
  const Status caught_up = catch_up_findings();
  if (!caught_up.ok()) return error_response(caught_up.error());
  comparator::FindingFilter filter;
  filter.limit = kListMax;
  auto findings = services_.findings.list(filter);
  if (!findings.ok()) return error_response(findings.error());
  auto latency = services_.findings.latency();
  if (!latency.ok()) return error_response(latency.error());
  auto issues = services_.findings.issues(filter);
  if (!issues.ok()) return error_response(issues.error());
  auto explanation = services_.findings.explain("");
  if (!explanation.ok()) return error_response(explanation.error());
  ReportData data;
  data.explanation = *std::move(explanation);
  data.version = facts_.version;
  data.data_dir = facts_.data_dir;
  data.generated_wall_ns = services_.clock.wall_ns();
  data.log_from_wall_ns =
      static_cast<std::int64_t>(services_.recorder.stats().oldest_append_wall_ns);
  data.log_to_wall_ns = data.generated_wall_ns;
  data.ledger = services_.ledger.snapshot();
  const Status judged = assess(*findings, data.readiness);
  if (!judged.ok()) return error_response(judged.error());
  const auto config = services_.config != nullptr ? services_.config->status() : nullptr;
  data.gate_needs_readiness = gate == "ready" || (config && config->readiness.gate);
  data.issues = *std::move(issues);
  data.findings = *std::move(findings);
  data.latency = *std::move(latency);
  for (const routing::RouteStatus& route : services_.routing.list()) {
    data.routes.push_back({route.name, route.stage, route.dials});
  }
  HttpResponse response;
  response.content_type = content_type_of(*format);
  response.body = render_report(data, *format);
  return response;
}

}  // namespace banyan::admin
