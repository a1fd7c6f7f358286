// SPDX-License-Identifier: Apache-2.0
//
// Rules: those in force, trials on recorded history, and changes of the saved ones. On the store
// thread, as trials read the log and changes write a file.
#include "admin/api.h"
#include "admin/body.h"
#include "admin/log_search.h"
#include "admin/rules_service.h"
#include "comparator/rule_options.h"
#include "comparator/rule_trial.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"

namespace banyan::admin {
namespace {

HttpResponse no_rules() { return error_response(501, "no_rules", "this process keeps no rules"); }

Result<comparator::CompareRuleOptions> rule_of(const json::Value& body, const Clock& clock) {
  const auto bad = [](std::string message) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient, std::move(message));
  };
  const json::Value* given = body.find("rule");
  if (given == nullptr) return bad("\"rule\" is missing: an object as in [[compare]]");
  auto rule = comparator::read_rule(*given);
  if (!rule.ok()) return rule;
  if (!rule->id.empty()) return bad("a rule gets its id when it is saved");
  if (comparator::texts_of(*rule).empty()) {
    return bad("the rule asks for nothing; name paths to ignore, unordered lists or tolerances");
  }
  if (comparator::has_expired(rule->expires_wall_ns, clock.wall_ns())) {
    return bad("the rule has expired already (" + format_time(rule->expires_wall_ns) + ")");
  }
  return rule;
}

Status range_of(const json::Value& body, const Clock& clock, comparator::TrialOptions& options) {
  for (const auto& [name, place] :
       {std::pair{"from", &options.from_wall_ns}, std::pair{"to", &options.to_wall_ns}}) {
    const auto text = string_member(body, name, 64);
    if (!text.ok()) return text.status();
    if (!*text || (*text)->empty()) continue;
    const auto time = parse_time(**text, clock.wall_ns());
    if (!time) {
      return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient,
                        std::string(name) + " must be an RFC 3339 time or -15m");
    }
    *place = *time;
  }
  return {};
}

}  // namespace

HttpResponse Api::get_rules(const Call&) const {
  if (services_.rules == nullptr) return no_rules();
  HttpResponse response;
  const bool counts = services_.comparator != nullptr;
  response.body = rules_to_json(services_.rules->in_force(),
                                counts ? services_.comparator->rule_uses() : RuleUses(),
                                counts ? facts_.started_wall_ns : 0, services_.clock.wall_ns());
  return response;
}

Result<comparator::TrialReport> Api::trial_of(const json::Value& body) const {
  auto rule = rule_of(body, services_.clock);
  if (!rule.ok()) return rule.error();
  comparator::TrialOptions options;
  options.rule = *std::move(rule);
  options.present = services_.rules->in_force().all();
  options.patience_ns = options_.search_patience_ns;
  options.endpoint_name = [this](std::string_view endpoint) {
    return services_.findings.endpoint_name(endpoint);
  };
  BANYAN_RETURN_IF_ERROR(range_of(body, services_.clock, options));
  return comparator::try_rule(services_.log(), services_.clock, options, {});
}

HttpResponse Api::try_rule(const Call& call) const {
  if (services_.rules == nullptr) return no_rules();
  const Status members = check_members(call.body, {"rule", "from", "to"});
  if (!members.ok()) return error_response(members.error());
  const auto report = trial_of(call.body);
  if (!report.ok()) return error_response(report.error());
  HttpResponse response;
  response.body = report->to_json();
  return response;
}

HttpResponse Api::post_rule(const Call& call) const {
  if (services_.rules == nullptr) return no_rules();
  const Status members = check_members(call.body, {"rule", "from", "to", "force", "by"});
  if (!members.ok()) return error_response(members.error());
  const auto force = bool_member(call.body, "force");
  if (!force.ok()) return error_response(force.error());
  const auto cause = cause_of(call.body);
  if (!cause.ok()) return error_response(cause.error());
  const auto report = trial_of(call.body);
  if (!report.ok()) return error_response(report.error());
  if (trim(report->rule.reason).empty())
    return invalid_argument("a rule that is saved needs a reason");
  HttpResponse response;
  json::JsonWriter json(response.body);
  if (report->is_refused() && !force->value_or(false)) {
    response.status = 409;
    json.begin_object().key("error").begin_object().member("code", "rule_refused");
    json.member("message", "the rule is too broad: " + report->refusals.front().message);
    json.member("hint", "narrow it; to save it all the same, force it").end_object();
    json.key("trial").begin_object();
    report->write(json);
    json.end_object().end_object();
    return response;
  }
  comparator::SavedRule rule;
  rule.rule = report->rule;
  rule.by = cause->by;
  rule.saved_wall_ns = services_.clock.wall_ns();
  for (const auto& refusal : report->refusals) rule.forced.push_back(refusal.message);
  const auto saved = services_.rules->add(std::move(rule));
  if (!saved.ok()) return error_response(saved.error());
  json.begin_object().member("schema", "banyan/rule/1").key("rule");
  json.raw(rule_to_json(*saved, services_.clock.wall_ns()));
  json.key("trial").begin_object();
  report->write(json);
  json.end_object().end_object();
  return response;
}

HttpResponse Api::delete_rule(const Call& call) const {
  if (services_.rules == nullptr) return no_rules();
  const Status members = check_members(call.body, {"by", "reason"});
  if (!members.ok()) return error_response(members.error());
  const auto cause = cause_of(call.body);
  if (!cause.ok()) return error_response(cause.error());
  const std::string& id = call.captures.at(0);
  if (id.starts_with("config-")) {
    return error_response(409, "rule_of_config", "this rule stands in the config file",
                          "remove it there and reload");
  }
  const auto removed = services_.rules->remove(id, cause->by);
  if (!removed.ok()) return error_response(removed.error());
  HttpResponse response;
  json::JsonWriter json(response.body);
  json.begin_object().member("schema", "banyan/rule/1").key("rule");
  json.raw(rule_to_json(*removed, services_.clock.wall_ns())).end_object();
  return response;
}

}  // namespace banyan::admin
