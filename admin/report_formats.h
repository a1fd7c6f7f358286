// SPDX-License-Identifier: Apache-2.0
//
// The renderers behind render_report(), and what they share. Inside admin only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "admin/report.h"

namespace banyan::json {
class JsonWriter;
}

namespace banyan::admin {

std::string render_text(const ReportData& data);
std::string render_json(const ReportData& data);
std::string render_html(const ReportData& data);
std::string render_markdown(const ReportData& data);
std::string render_junit(const ReportData& data);

// One line of the routes table; the last one is "total".
struct ReportRow {
  std::string name, stage, candidate, mirror;
  std::uint64_t admitted = 0, mirrored = 0, skipped = 0, dropped = 0;
  std::uint64_t equal = 0, tolerated = 0, different = 0, incomparable = 0;
  bool is_balanced = true;
};
std::vector<ReportRow> account_rows(const ReportData& data);
// One line of the readiness table: a route, or below it an endpoint.
struct ReadinessRow {
  bool is_route = false;
  std::string name;
  std::string word;
  std::uint64_t pairs = 0, mismatches = 0;
  std::string rate_below;  // "0.1 %"
  std::string missing;     // what ready still needs, or why it is set aside
  std::string uncovered;   // cells with few pairs
};
std::vector<ReadinessRow> readiness_rows(const ReportData& data);
void write_readiness(json::JsonWriter& json, const ReportData& data);
// Why the gate waits for a route; "" where it does not.
std::string unready_reason(const comparator::RouteReadiness& route);
// Those with an open finding, most exchanges first.
std::vector<const comparator::Issue*> open_issues(const ReportData& data);
// "40 endpoints of 3 routes, 12345 exchanges".
std::string extent_text(const comparator::Issue& issue);
// "deciding these 2 explains 98.4 % of the 125 exchanges that differ: ID ID"; "" for none.
std::string explained_text(const ReportData& data);
void write_explanation(json::JsonWriter& json, const comparator::Explanation& explanation);
std::vector<std::string> next_commands(const ReportData& data);
std::string_view name_of(comparator::FindingState state);
std::string share_text(std::uint32_t share);
// printf into a string; at most 511 bytes, so for numbers and short words only.
[[gnu::format(printf, 1, 2)]] std::string print(const char* pattern, ...);

}  // namespace banyan::admin
