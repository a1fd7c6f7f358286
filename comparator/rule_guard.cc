// SPDX-License-Identifier: Apache-2.0
#include "comparator/rule_guard.h"

#include <algorithm>
#include <string>

namespace banyan::comparator {
namespace {

// Only wildcards: body, body:**, body:$, body:$.*, body:$..*, body:/**, header:*.
bool names_no_field(std::string_view path) {
  if (path == "body" || path == "header:*" || path == "trailer:*") return true;
  if (!path.starts_with("body:")) return false;
  path.remove_prefix(5);
  return path.find_first_not_of("$.*[]{}/") == std::string_view::npos;
}

std::string shown_of(const std::set<std::string>& texts, std::string_view separator) {
  constexpr std::size_t kShown = 3;
  std::string out;
  std::size_t count = 0;
  for (const std::string& text : texts) {
    if (count == kShown) break;
    if (count++ > 0) out += separator;
    out += text;
  }
  if (texts.size() > kShown) out += " …";
  return out;
}

void check_paths(const CompareRuleOptions& rule, std::vector<TrialRefusal>& out) {
  const auto refuse = [&](const std::string& path) {
    if (!names_no_field(path)) return;
    out.push_back({"whole_body", path + " names no field: it covers whatever comes; name the "
                                        "fields that may differ"});
  };
  for (const std::string& path : rule.ignore) refuse(path);
  for (const ToleranceOptions& option : rule.tolerance) refuse(option.path);
  for (const OperationOptions& option : rule.operations) {
    if (option.name != "parse_as") refuse(option.path);
  }
}

void check_fields(const TrialReport& report, std::vector<TrialRefusal>& out) {
  const std::uint64_t never = report.fields_never_differed;
  if (never <= report.fields_differed) return;
  std::string shown;
  for (std::size_t i = 0; i < report.never_differed.size() && i < 3; ++i) {
    shown += (i > 0 ? ", " : "") + report.never_differed[i].path;
  }
  if (never > 3) shown += " …";
  out.push_back({"never_differing",
                 "it also covers " + std::to_string(never) + " fields that never differed (" +
                     shown + ") and only " + std::to_string(report.fields_differed) +
                     " that did; name the fields that may differ, or the routes"});
}

// What a rule about values would also hide.
void check_kinds(const TrialEvidence& evidence, std::vector<TrialRefusal>& out) {
  const CompareRuleOptions& rule = evidence.report.rule;
  if (rule.ignore.empty() && rule.tolerance.empty()) return;
  std::set<std::string> kinds;
  for (const auto& [kind, is_field] : evidence.hidden_kinds) {
    const bool is_of_presence = kind == DifferenceKind::kMissing ||
                                kind == DifferenceKind::kExtra || kind == DifferenceKind::kType;
    if (is_of_presence && !is_field) kinds.insert(std::string(to_string(kind)));
  }
  // Of a list of any order items that moved are missing here and extra there without it.
  if (kinds.empty() || !rule.unordered.empty()) return;
  out.push_back({"kind", "it says that values may differ, and hides also differences of kind " +
                             shown_of(kinds, ", ")});
}

}  // namespace

std::vector<TrialRefusal> refusals_of(const TrialEvidence& evidence) {
  std::vector<TrialRefusal> out;
  check_paths(evidence.report.rule, out);
  const FieldCoverage& coverage = evidence.coverage;
  if (!coverage.containers().empty()) {
    out.push_back({"structure", "it covers structure and not only values: " +
                                    shown_of(coverage.containers(), ", ") +
                                    "; name the fields inside that may differ"});
  }
  check_fields(evidence.report, out);
  check_kinds(evidence, out);
  if (!coverage.ambiguities().empty()) {
    out.push_back({"order", "its key does not tell the items apart: " +
                                shown_of(coverage.ambiguities(), "; ")});
  }
  return out;
}

}  // namespace banyan::comparator
