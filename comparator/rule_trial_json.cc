// SPDX-License-Identifier: Apache-2.0
#include "comparator/rule_options.h"
#include "comparator/rule_trial.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

void write_time(json::JsonWriter& json, std::string_view name, std::int64_t wall_ns) {
  json.key(name);
  if (wall_ns == 0)
    json.null();
  else
    json.string(format_time(wall_ns));
}

void write_verdicts(json::JsonWriter& json, std::string_view name,
                    const std::array<std::uint64_t, 4>& counts) {
  json.key(name).begin_object();
  for (const Verdict verdict :
       {Verdict::kEqual, Verdict::kTolerated, Verdict::kDifferent, Verdict::kIncomparable}) {
    json.member(to_string(verdict), counts[static_cast<std::size_t>(verdict)]);
  }
  json.end_object();
}

void write_finding(json::JsonWriter& json, const TrialFinding& finding) {
  json.begin_object().member("id", finding.id).member("route", finding.route);
  json.member("endpoint", finding.endpoint).member("path", finding.path);
  json.member("kind", finding.kind).member("transition", finding.transition);
  json.member("hidden", finding.hidden).member("left", finding.left);
  json.member("vanishes", finding.left == 0).end_object();
}

}  // namespace

void TrialReport::write(json::JsonWriter& json) const {
  json.key("rule").begin_object();
  write_rule(json, rule);
  json.end_object();
  write_time(json, "from", from_wall_ns);
  write_time(json, "to", to_wall_ns);
  json.member("complete", is_complete);
  json.key("exchanges").begin_object().member("read", exchanges).member("in_routes", in_routes);
  json.member("hidden", exchanges_hidden).member("changed", exchanges_changed).end_object();
  json.key("differences").begin_object().member("hidden", hidden);
  json.member("appeared", appeared).end_object();
  write_verdicts(json, "before", before);
  write_verdicts(json, "after", after);
  json.member("findings_hidden", findings_hidden).key("findings").begin_array();
  for (const TrialFinding& finding : findings) write_finding(json, finding);
  json.end_array().key("changed").begin_array();
  for (const TrialExchange& one : changed) {
    json.begin_object().member("id", one.id).member("before", to_string(one.before));
    json.member("after", to_string(one.after)).end_object();
  }
  json.end_array().key("fields").begin_object().member("differed", fields_differed);
  json.member("never_differed", fields_never_differed).member("not_listed", fields_overflow);
  json.member("bodies_unread", bodies_unread).key("never").begin_array();
  for (const TrialField& field : never_differed) {
    json.begin_object().member("route", field.route).member("path", field.path);
    json.member("pairs", field.pairs).end_object();
  }
  json.end_array().end_object().key("refusals").begin_array();
  for (const TrialRefusal& refusal : refusals) {
    json.begin_object().member("code", refusal.code).member("message", refusal.message);
    json.end_object();
  }
  json.end_array();
}

std::string TrialReport::to_json() const {
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("schema", "banyan/rule-trial/1");
  write(json);
  json.end_object();
  return out;
}

}  // namespace banyan::comparator
