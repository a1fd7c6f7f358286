// SPDX-License-Identifier: Apache-2.0
#include "admin/report_formats.h"
#include "core/base/text.h"

namespace banyan::admin {
namespace {

using comparator::EndpointLatency;
using comparator::Finding;

constexpr std::size_t kTextShown = 120;  // bytes of a recorded value
constexpr std::size_t kReasonShown = 512;

std::string safe(std::string_view text) { return escape_for_terminal(text, kTextShown); }

std::string value_text(std::string_view value) {
  return value.empty() ? std::string("(nothing)") : safe(value);
}

std::string pad(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

void add_routes(const ReportData& data, std::string& out) {
  out += "Routes\n  ";
  out += pad("route", 20) + pad("stage", 14) + pad("candidate", 11) + pad("mirror", 9);
  out += "  admitted  mirrored   skipped   dropped     equal tolerated different incompar.\n";
  for (const ReportRow& row : account_rows(data)) {
    out += "  " + pad(safe(row.name), 20) + pad(row.stage.empty() ? "-" : row.stage, 14) +
           pad(row.candidate.empty() ? "-" : row.candidate, 11) +
           pad(row.mirror.empty() ? "-" : row.mirror, 9);
    for (const std::uint64_t value : {row.admitted, row.mirrored, row.skipped, row.dropped,
                                      row.equal, row.tolerated, row.different, row.incomparable}) {
      out += print("%10llu", static_cast<unsigned long long>(value));
    }
    out += row.is_balanced ? "\n" : "  DOES NOT BALANCE\n";
  }
}

void add_findings(const ReportData& data, std::string& out) {
  const auto open = open_findings(data);
  out += "\nOpen findings: " + std::to_string(open.size()) + "\n";
  for (const comparator::Issue* issue : open_issues(data)) {
    out += "  " + issue->id + "  " + safe(issue->label) + ": " + extent_text(*issue) + " (" +
           std::to_string(issue->open) + " of " + std::to_string(issue->finding_count) +
           " findings open)\n";
  }
  for (const Finding* finding : open) {
    out += "  " + finding->id + "  " + safe(finding->route) + "  " + safe(finding->endpoint) +
           "  " + safe(finding->path) + "  " + finding->kind;
    if (!finding->transition.empty()) out += " (" + safe(finding->transition) + ")";
    out += "  in " + std::to_string(finding->exchanges) + " exchanges\n";
    if (!finding->example_at.empty() && finding->example_at != finding->path) {
      out += "      at         " + safe(finding->example_at) + "\n";
    }
    out += "      legacy     " + value_text(finding->example_legacy) + "\n";
    out += "      candidate  " + value_text(finding->example_candidate) + "\n";
    if (!finding->exemplars.empty()) out += "      exchange   " + finding->exemplars[0] + "\n";
  }
  if (const std::string explained = explained_text(data); !explained.empty()) {
    out += "  " + explained + "\n";
  }
  std::size_t accepted = 0;
  std::size_t bugs = 0;
  std::size_t tolerated = 0;
  for (const Finding& finding : data.findings) {
    accepted += finding.state == comparator::FindingState::kAccepted ? 1 : 0;
    bugs += finding.state == comparator::FindingState::kBug ? 1 : 0;
    tolerated += finding.tolerated_by.empty() ? 0 : 1;
  }
  out += "  besides: " + std::to_string(accepted) + " accepted, " + std::to_string(bugs) +
         " known bugs, " + std::to_string(tolerated) + " tolerated by rules\n";
}

void add_latency(const ReportData& data, std::string& out) {
  out += print("\nLatency (candidate p50 at least %.1f × legacy)\n", kSlowRatio);
  bool is_empty = true;
  for (const comparator::EndpointLatency* slower : slower_endpoints(data)) {
    const comparator::EndpointLatency& one = *slower;
    is_empty = false;
    out += "  " + safe(one.route) + "  " + safe(one.endpoint);
    out += print(
        "  legacy p50 %.2f ms, p95 %.2f ms; candidate p50 %.2f ms, p95 %.2f ms"
        "  (%.1f ×, %llu pairs)\n",
        one.legacy_p50_ms, one.legacy_p95_ms, one.candidate_p50_ms, one.candidate_p95_ms,
        one.candidate_p50_ms / one.legacy_p50_ms, static_cast<unsigned long long>(one.pairs));
  }
  if (is_empty) out += "  none\n";
}

void add_readiness(const ReportData& data, std::string& out) {
  out += "\nReadiness (the rate of mismatches lies below, with 95 % confidence at any time)\n  " +
         pad("route, endpoint", 40) + pad("readiness", 12) + "     pairs mismatches     below\n";
  for (const ReadinessRow& row : readiness_rows(data)) {
    out += "  " + pad((row.is_route ? "" : "  ") + safe(row.name), 40) + pad(row.word, 12);
    out += print("%10llu %10llu %9s", static_cast<unsigned long long>(row.pairs),
                 static_cast<unsigned long long>(row.mismatches), row.rate_below.c_str());
    if (row.is_route && !row.missing.empty()) out += "  " + safe(row.missing);
    out += "\n";
    if (!row.uncovered.empty()) out += "      few pairs: " + safe(row.uncovered) + "\n";
  }
}

void add_ledger(const ReportData& data, std::string& out) {
  const ledger::Account& total = data.ledger.total;
  out += print(
      "\nLedger: admitted %llu = open %llu + legacy %llu + candidate %llu + banyan %llu + "
      "aborted %llu + unknown %llu; gaps %llu; %s\n",
      static_cast<unsigned long long>(total.admitted), static_cast<unsigned long long>(total.open),
      static_cast<unsigned long long>(total.answered.legacy),
      static_cast<unsigned long long>(total.answered.candidate),
      static_cast<unsigned long long>(total.answered.banyan),
      static_cast<unsigned long long>(total.answered.aborted),
      static_cast<unsigned long long>(total.answered.unknown),
      static_cast<unsigned long long>(total.gaps),
      data.ledger.is_balanced() ? "balanced" : "DOES NOT BALANCE");
  for (const auto& [label, reasons] :
       {std::pair("skipped", &total.mirror.skipped), std::pair("dropped", &total.mirror.dropped)}) {
    if (reasons->empty()) continue;
    out += "  " + std::string(label) + ":";
    for (const auto& [reason, count] : *reasons) {
      out += " " + std::string(to_string(reason)) + " " + std::to_string(count);
    }
    out += "\n";
  }
}

}  // namespace

std::string render_text(const ReportData& data) {
  std::string out = "Banyan report, " + format_time(data.generated_wall_ns) + " (banyan " +
                    data.version + ", " + safe(data.data_dir) + ")\n";
  if (data.log_to_wall_ns > 0) {
    out += "Log from " + format_time(data.log_from_wall_ns) + " to " +
           format_time(data.log_to_wall_ns) + "\n";
  }
  out += "\n";
  add_routes(data, out);
  add_findings(data, out);
  add_readiness(data, out);
  add_latency(data, out);
  add_ledger(data, out);
  const ReportGate gate = gate_of(data);
  out += gate.passed ? "\nGate: passed\n" : "\nGate: failed";
  for (std::size_t i = 0; i < gate.reasons.size(); ++i) {
    out += (i == 0 ? ": " : "; ") + escape_for_terminal(gate.reasons[i], kReasonShown);
  }
  if (!gate.passed) out += "\n";
  out += "\nNext:\n";
  for (const std::string& command : next_commands(data)) out += "  " + command + "\n";
  return out;
}

}  // namespace banyan::admin
