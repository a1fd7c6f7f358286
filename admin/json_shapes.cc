// SPDX-License-Identifier: Apache-2.0
#include "admin/json_shapes.h"

#include "admin/report_formats.h"
#include "core/base/text.h"

namespace banyan::admin {
namespace {

void write_dial_members(json::JsonWriter& json, const model::Dials& dials) {
  json.member("candidate_percent", percent_of_share(dials.candidate_share));
  json.member("mirror_percent", percent_of_share(dials.mirror_share));
  json.member("mirror_writes", dials.mirror_writes);
}

void write_time(json::JsonWriter& json, std::string_view name, std::int64_t wall_ns) {
  json.key(name);
  if (wall_ns == 0 || wall_ns == INT64_MAX)
    json.null();
  else
    json.string(format_time(wall_ns));
}

}  // namespace

void write_strings(json::JsonWriter& json, std::string_view name,
                   const std::vector<std::string>& values) {
  json.key(name).begin_array();
  for (const std::string& value : values) json.string(value);
  json.end_array();
}

double seconds(std::int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; }
double percent_of_share(std::uint32_t share) { return static_cast<double>(share) / 100.0; }

std::string_view to_string(comparator::FindingState state) {
  switch (state) {
    case comparator::FindingState::kOpen: return "open";
    case comparator::FindingState::kAccepted: return "accepted";
    case comparator::FindingState::kBug: return "bug";
  }
  return "open";
}

std::optional<comparator::FindingState> parse_finding_state(std::string_view text) {
  if (text == "open") return comparator::FindingState::kOpen;
  if (text == "accepted") return comparator::FindingState::kAccepted;
  if (text == "bug") return comparator::FindingState::kBug;
  return std::nullopt;
}

std::string_view to_string(replay::RunKind kind) {
  return kind == replay::RunKind::kReplay ? "replay" : "reconcile";
}

std::string_view to_string(replay::RunOnly only) {
  switch (only) {
    case replay::RunOnly::kAll: return "all";
    case replay::RunOnly::kMissed: return "missed";
    case replay::RunOnly::kFailed: return "failed";
    case replay::RunOnly::kDifferent: return "different";
  }
  return "all";
}

std::optional<replay::RunOnly> parse_run_only(std::string_view text) {
  if (text == "all") return replay::RunOnly::kAll;
  if (text == "missed") return replay::RunOnly::kMissed;
  if (text == "failed") return replay::RunOnly::kFailed;
  if (text == "different") return replay::RunOnly::kDifferent;
  return std::nullopt;
}

std::string_view to_string(replay::RunState state) {
  switch (state) {
    case replay::RunState::kRunning: return "running";
    case replay::RunState::kDone: return "done";
    case replay::RunState::kCancelled: return "cancelled";
    case replay::RunState::kFailed: return "failed";
    case replay::RunState::kInterrupted: return "interrupted";
  }
  return "failed";
}

void write_dials(json::JsonWriter& json, std::string_view name, const model::Dials& dials) {
  json.key(name).begin_object();
  write_dial_members(json, dials);
  json.end_object();
}

void write_route(json::JsonWriter& json, const routing::RouteStatus& route,
                 const ledger::Account& account, std::string_view readiness) {
  json.begin_object().member("name", route.name);
  write_dial_members(json, route.dials);
  json.member("stage", route.stage);
  write_dials(json, "configured", route.configured);
  json.member("conflict", route.conflict).member("rolled_back", route.is_rolled_back);
  json.key("changed").begin_object();
  write_time(json, "at", route.changed_wall_ns);
  json.member("by", route.changed_by).member("reason", route.changed_reason).end_object();
  json.key("requests").begin_object();
  json.member("legacy", account.answered.legacy).member("candidate", account.answered.candidate);
  json.end_object();
  json.member("differing", account.compared.different);
  if (!readiness.empty()) json.member("readiness", readiness);
  json.end_object();
}

std::string_view readiness_of(const std::map<std::string, std::string>* readiness,
                              const std::string& route) {
  if (readiness == nullptr) return {};
  const auto found = readiness->find(route);
  return found == readiness->end() ? std::string_view() : found->second;
}

// What witnesses say: docs/noise.md.
void write_standing(json::JsonWriter& json, const comparator::Finding& finding) {
  const comparator::NoiseCounts& counts = finding.noise;
  const comparator::NoiseJudgement& judged = finding.judged;
  json.member("standing", to_string(judged.standing));
  json.key("evidence").begin_object();
  json.member("pairs", counts.pairs).member("both", counts.both);
  json.member("candidate_only", counts.candidate_only).member("legacy_only", counts.legacy_only);
  json.member("held", counts.held).member("cleared", counts.cleared);
  json.member("legacy_changed", counts.legacy_changed);
  json.member("raced", counts.raced).member("watched", counts.watched);
  json.member("overlapped", counts.overlapped);
  if (!counts.race.write.is_null()) {
    json.key("race").begin_object();
    json.member("exchange", counts.race.exchange.to_string());
    json.member("write", counts.race.write.to_string());
    json.member("after_ms", static_cast<double>(counts.race.after_ns) / 1e6).end_object();
  }
  if (counts.sides.candidate + counts.sides.legacy + counts.sides.again > 0) {
    json.key("sides").begin_object().member("shape", counts.shape);
    json.member("candidate", counts.sides.candidate).member("legacy", counts.sides.legacy);
    json.member("again", counts.sides.again).member("log_evidence", counts.log_sides).end_object();
  }
  json.member("log_evidence", judged.log_evidence);
  json.member("needs", to_string(judged.needs));
  json.member("needed", judged.needed);
  json.member("text", comparator::noise_sentence(counts, judged)).end_object();
}

void write_finding(json::JsonWriter& json, const comparator::Finding& finding,
                   const comparator::FindingsStore::SpecialReport* special) {
  json.begin_object().member("id", finding.id).member("issue", finding.issue);
  json.member("state", to_string(finding.state));
  json.member("route", finding.route).member("endpoint", finding.endpoint);
  if (!finding.endpoints.empty()) write_strings(json, "endpoints", finding.endpoints);
  json.member("path", finding.path).member("kind", finding.kind);
  json.member("transition", finding.transition).member("count", finding.count);
  json.member("exchanges", finding.exchanges);
  write_time(json, "first_seen", finding.first_seen_wall_ns);
  write_time(json, "last_seen", finding.last_seen_wall_ns);
  write_strings(json, "exemplars", finding.exemplars);
  json.key("example").begin_object().member("at", finding.example_at);
  json.member("legacy", finding.example_legacy).member("candidate", finding.example_candidate);
  json.end_object();
  json.member("reason", finding.reason).member("changed_by", finding.changed_by);
  write_time(json, "until", finding.accepted_until_wall_ns);
  json.member("tolerated_by", finding.tolerated_by);
  write_standing(json, finding);
  if (special != nullptr) {
    json.key("special").begin_array();
    for (const comparator::Special& one : special->special) {
      json.begin_object().member("what", one.what).member("differing", one.differing);
      json.member("all", one.all).member("odds_at_least", one.odds_at_least).end_object();
    }
    json.end_array().key("special_of").begin_object();
    json.member("differing", static_cast<std::uint64_t>(special->differing));
    json.member("others", static_cast<std::uint64_t>(special->others)).end_object();
  }
  json.end_object();
}

void write_issue(json::JsonWriter& json, const comparator::Issue& issue,
                 const std::vector<comparator::Finding>* details) {
  json.begin_object().member("id", issue.id).member("label", issue.label);
  json.member("kind", issue.kind).member("transition", issue.transition);
  json.member("standing", to_string(issue.standing));
  json.member("open", static_cast<std::uint64_t>(issue.open));
  json.member("accepted", static_cast<std::uint64_t>(issue.accepted));
  json.member("bug", static_cast<std::uint64_t>(issue.bug));
  json.member("count", issue.count).member("exchanges", issue.exchanges);
  write_time(json, "first_seen", issue.first_seen_wall_ns);
  write_time(json, "last_seen", issue.last_seen_wall_ns);
  json.member("route_count", static_cast<std::uint64_t>(issue.route_count));
  write_strings(json, "routes", issue.routes);
  json.member("endpoint_count", static_cast<std::uint64_t>(issue.endpoint_count));
  write_strings(json, "endpoints", issue.endpoints);
  json.member("path_count", static_cast<std::uint64_t>(issue.path_count));
  write_strings(json, "paths", issue.paths);
  json.member("finding_count", static_cast<std::uint64_t>(issue.finding_count));
  write_strings(json, "findings", issue.findings);
  if (details != nullptr) {
    json.key("details").begin_array();
    for (const comparator::Finding& finding : *details) write_finding(json, finding);
    json.end_array();
  }
  json.end_object();
}

void write_issues(json::JsonWriter& json, const std::vector<comparator::Issue>& issues) {
  json.key("issues").begin_array();
  for (const comparator::Issue& issue : issues) write_issue(json, issue);
  json.end_array();
}

void write_run(json::JsonWriter& json, const replay::RunStatus& run) {
  // Ids are 64-bit numbers; as text no reader rounds them.
  json.begin_object().member("id", std::to_string(run.id)).member("kind", to_string(run.spec.kind));
  json.member("to", to_string(run.spec.to)).member("state", to_string(run.state));
  json.member("from", run.spec.from.to_string());
  write_time(json, "from_time", run.spec.from_wall_ns);
  write_time(json, "to_time", run.spec.to_wall_ns);
  json.member("filter", run.spec.filter).member("route", run.spec.route);
  json.member("only", to_string(run.spec.only));
  json.key("speed");
  if (run.spec.speed == 0)
    json.string("max");
  else
    json.number(run.spec.speed);
  json.member("concurrency", static_cast<std::uint64_t>(run.spec.concurrency));
  json.member("dry_run", run.spec.is_dry_run);
  json.member("considered", run.considered).member("selected", run.selected);
  json.member("sent", run.sent).member("answered", run.answered).member("no_answer", run.no_answer);
  json.member("skipped", run.skipped).member("equal", run.equal);
  json.member("tolerated", run.tolerated).member("different", run.different);
  json.member("incomparable", run.incomparable).member("total", run.total_estimate);
  json.member("remaining", run.remaining).key("remaining_list").begin_array();
  for (const replay::RunStatus::Remaining& item : run.remaining_list) {
    json.begin_object().member("exchange", item.exchange).member("route", item.route);
    json.member("method", item.method).member("target", item.target).member("why", item.why);
    json.end_object();
  }
  json.end_array();
  write_time(json, "started", run.started_wall_ns);
  write_time(json, "ended", run.ended_wall_ns);
  json.member("message", run.message).end_object();
}

void write_difference(json::JsonWriter& json, const model::Difference& difference) {
  json.begin_object().member("path", difference.path).member("at", difference.at);
  json.member("kind", to_string(difference.kind)).member("legacy", difference.legacy);
  json.member("candidate", difference.candidate).member("rule", difference.rule);
  json.member("transition", difference.transition).end_object();
}

std::string routes_to_json(const std::vector<routing::RouteStatus>& routes,
                           const ledger::LedgerSnapshot& ledger,
                           const std::map<std::string, std::string>* readiness) {
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("schema", "banyan/routes/1").key("routes").begin_array();
  for (const routing::RouteStatus& route : routes) {
    const auto found = ledger.routes.find(route.name);
    write_route(json, route, found == ledger.routes.end() ? ledger::Account() : found->second,
                readiness_of(readiness, route.name));
  }
  json.end_array().end_object();
  return out;
}

std::string findings_to_json(const std::vector<comparator::Issue>& issues,
                             const std::vector<comparator::Finding>& findings,
                             const comparator::Explanation& explanation) {
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("schema", "banyan/findings/1");
  write_issues(json, issues);
  json.key("findings").begin_array();
  for (const comparator::Finding& finding : findings) write_finding(json, finding);
  json.end_array();
  write_explanation(json, explanation);
  json.end_object();
  return out;
}

std::string runs_to_json(const std::vector<replay::RunStatus>& runs) {
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("schema", "banyan/replays/1").key("replays").begin_array();
  for (const replay::RunStatus& run : runs) write_run(json, run);
  json.end_array().end_object();
  return out;
}

std::string record_to_json(const model::SourcedRecord& sourced, const model::AnyRecord* record) {
  std::string out;
  json::JsonWriter json(out);
  write_record(json, sourced, record);
  return out;
}

}  // namespace banyan::admin
