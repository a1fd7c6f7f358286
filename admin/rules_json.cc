// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "admin/rules_service.h"
#include "comparator/compare.h"
#include "comparator/rule_options.h"
#include "core/base/text.h"
#include "core/json/json_writer.h"

namespace banyan::admin {
namespace {

comparator::RuleUse use_of(const comparator::CompareRuleOptions& rule, const RuleUses& uses) {
  comparator::RuleUse sum;
  for (const std::string& text : comparator::texts_of(rule)) {
    const auto found = uses.find(text);
    if (found == uses.end()) continue;
    sum.differences += found->second.differences;
    sum.exchanges += found->second.exchanges;
    sum.last_wall_ns = std::max(sum.last_wall_ns, found->second.last_wall_ns);
  }
  return sum;
}

// Leaves the object open.
void write_rule(json::JsonWriter& json, const comparator::CompareRuleOptions& rule,
                std::string_view source, std::int64_t now_wall_ns) {
  json.begin_object().member("source", source);
  comparator::write_rule(json, rule);
  json.member("expired", comparator::has_expired(rule.expires_wall_ns, now_wall_ns));
}

void write_saved(json::JsonWriter& json, const comparator::SavedRule& saved,
                 std::int64_t now_wall_ns) {
  write_rule(json, saved.rule, "saved", now_wall_ns);
  json.member("by", saved.by).member("saved", format_time(saved.saved_wall_ns));
  json.key("forced").begin_array();
  for (const std::string& reason : saved.forced) json.string(reason);
  json.end_array();
}

void write_use(json::JsonWriter& json, const comparator::RuleUse& use) {
  json.key("covered").begin_object().member("differences", use.differences);
  json.member("exchanges", use.exchanges).key("last");
  if (use.last_wall_ns == 0)
    json.null();
  else
    json.string(format_time(use.last_wall_ns));
  json.end_object();
}

}  // namespace

std::string rules_to_json(const RulesInForce& rules, const RuleUses& uses,
                          std::int64_t uses_since_wall_ns, std::int64_t now_wall_ns) {
  std::string out;
  json::JsonWriter json(out);
  json.begin_object().member("schema", "banyan/rules/1");
  json.member("version", hex_of_u64(rules.version)).member("problem", rules.problem);
  json.key("covered_since");
  if (uses_since_wall_ns == 0)
    json.null();
  else
    json.string(format_time(uses_since_wall_ns));
  json.key("rules").begin_array();
  std::size_t number = 0;
  for (comparator::CompareRuleOptions rule : rules.config.rules) {
    const comparator::RuleUse use = use_of(rule, uses);
    rule.id = "config-" + std::to_string(++number);
    write_rule(json, rule, "config", now_wall_ns);
    write_use(json, use);
    json.end_object();
  }
  for (const comparator::SavedRule& saved : rules.saved) {
    write_saved(json, saved, now_wall_ns);
    write_use(json, use_of(saved.rule, uses));
    json.end_object();
  }
  json.end_array().end_object();
  return out;
}

std::string rule_to_json(const comparator::SavedRule& rule, std::int64_t now_wall_ns) {
  std::string out;
  json::JsonWriter json(out);
  write_saved(json, rule, now_wall_ns);
  json.end_object();
  return out;
}

}  // namespace banyan::admin
