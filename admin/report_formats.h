// SPDX-License-Identifier: Apache-2.0
//
// The renderers behind render_report(), and what they share. Inside admin only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "admin/report.h"

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
std::vector<std::string> next_commands(const ReportData& data);
std::string_view name_of(comparator::FindingState state);
std::string share_text(std::uint32_t share);
// printf into a string; at most 511 bytes, so for numbers and short words only.
[[gnu::format(printf, 1, 2)]] std::string print(const char* pattern, ...);

}  // namespace banyan::admin
