// SPDX-License-Identifier: Apache-2.0
//
// What Banyan knows about a migration, on one page: for people (text, markdown, HTML), programs
// (JSON) and CI (JUnit). Pure: the caller gathers the data, offline or in the server. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/findings.h"
#include "comparator/readiness.h"
#include "core/model/record.h"
#include "ledger/ledger.h"

namespace banyan::admin {

struct ReportRoute {
  std::string name;
  std::string stage;  // observe parallel_run canary cutover retired
  model::Dials dials;
};

struct ReportData {
  std::string version;   // of Banyan
  std::string data_dir;  // shown as given
  std::int64_t generated_wall_ns = 0;
  std::int64_t log_from_wall_ns = 0, log_to_wall_ns = 0;  // 0: unknown
  ledger::LedgerSnapshot ledger;
  std::vector<comparator::Finding> findings;  // of every state
  std::vector<comparator::Issue> issues;      // those that join several of them
  comparator::Explanation explanation;        // which of them to decide first
  std::vector<comparator::EndpointLatency> latency;
  std::vector<ReportRoute> routes;  // empty where routing state is not at hand
  std::vector<comparator::RouteReadiness> readiness;
  bool gate_needs_readiness = false;  // configured, or asked for
};

// The gate: no open finding, and the ledger balances; where readiness is needed, also every route
// is ready or set aside. A finding whose every occurrence is covered by a rule is not open.
struct ReportGate {
  bool passed = false;
  std::vector<std::string> reasons;  // why not, in words
};
ReportGate gate_of(const ReportData& data);

enum class ReportFormat { kText, kJson, kHtml, kMarkdown, kJunit };
std::optional<ReportFormat> parse_report_format(std::string_view text);
std::string_view content_type_of(ReportFormat format);

// Endpoints that got slower enough for a person to look: the candidate's p50 is so many times the
// legacy one and so much above it, over enough pairs. Most added time first.
inline constexpr double kSlowRatio = 1.5;
inline constexpr double kSlowAddedMs = 1.0;
inline constexpr std::uint64_t kSlowPairsMin = 20;
std::vector<const comparator::EndpointLatency*> slower_endpoints(const ReportData& data);
// Findings that count as open: state open and not wholly tolerated, most frequent first.
std::vector<const comparator::Finding*> open_findings(const ReportData& data);

// Recorded bytes are escaped for the format; the HTML is one file without scripts or foreign
// assets.
std::string render_report(const ReportData& data, ReportFormat format);

}  // namespace banyan::admin
