// SPDX-License-Identifier: Apache-2.0
#include "admin/report.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include "admin/report_formats.h"
#include "core/base/text.h"

namespace banyan::admin {

using comparator::EndpointLatency;
using comparator::Finding;
using comparator::FindingState;

std::vector<const Finding*> open_findings(const ReportData& data) {
  std::vector<const Finding*> open;
  for (const Finding& finding : data.findings) {
    if (finding.state == FindingState::kOpen && finding.tolerated_by.empty() &&
        finding.exchanges > 0) {
      open.push_back(&finding);
    }
  }
  std::stable_sort(open.begin(), open.end(),
                   [](const Finding* a, const Finding* b) { return a->exchanges > b->exchanges; });
  return open;
}

ReportGate gate_of(const ReportData& data) {
  ReportGate gate;
  if (const std::size_t open = open_findings(data).size(); open > 0) {
    gate.reasons.push_back(std::to_string(open) + (open == 1 ? " open finding" : " open findings"));
  }
  if (!data.ledger.is_balanced()) gate.reasons.emplace_back("the ledger does not balance");
  if (data.gate_needs_readiness) {
    for (const comparator::RouteReadiness& route : data.readiness) {
      if (std::string reason = unready_reason(route); !reason.empty()) {
        gate.reasons.push_back(std::move(reason));
      }
    }
    if (data.readiness.empty()) gate.reasons.emplace_back("no route is known, so none is ready");
  }
  gate.passed = gate.reasons.empty();
  return gate;
}

std::optional<ReportFormat> parse_report_format(std::string_view text) {
  if (text == "text") return ReportFormat::kText;
  if (text == "json") return ReportFormat::kJson;
  if (text == "html") return ReportFormat::kHtml;
  if (text == "markdown") return ReportFormat::kMarkdown;
  if (text == "junit") return ReportFormat::kJunit;
  return std::nullopt;
}

std::string_view content_type_of(ReportFormat format) {
  switch (format) {
    case ReportFormat::kText: return "text/plain; charset=utf-8";
    case ReportFormat::kJson: return "application/json";
    case ReportFormat::kHtml: return "text/html; charset=utf-8";
    case ReportFormat::kMarkdown: return "text/markdown; charset=utf-8";
    case ReportFormat::kJunit: return "application/xml";
  }
  return "text/plain; charset=utf-8";
}

std::vector<const EndpointLatency*> slower_endpoints(const ReportData& data) {
  const auto added_ms = [](const EndpointLatency* one) {
    return one->candidate_p50_ms - one->legacy_p50_ms;
  };
  std::vector<const EndpointLatency*> out;
  for (const EndpointLatency& one : data.latency) {
    if (one.pairs >= kSlowPairsMin && one.legacy_p50_ms > 0 && added_ms(&one) >= kSlowAddedMs &&
        one.candidate_p50_ms >= kSlowRatio * one.legacy_p50_ms) {
      out.push_back(&one);
    }
  }
  std::stable_sort(out.begin(), out.end(),
                   [&](const auto* a, const auto* b) { return added_ms(a) > added_ms(b); });
  return out;
}

std::string render_report(const ReportData& data, ReportFormat format) {
  switch (format) {
    case ReportFormat::kText: return render_text(data);
    case ReportFormat::kJson: return render_json(data);
    case ReportFormat::kHtml: return render_html(data);
    case ReportFormat::kMarkdown: return render_markdown(data);
    case ReportFormat::kJunit: return render_junit(data);
  }
  return {};
}

std::string print(const char* pattern, ...) {
  char buffer[512];
  va_list arguments;
  va_start(arguments, pattern);
  std::vsnprintf(buffer, sizeof buffer, pattern, arguments);
  va_end(arguments);
  return buffer;
}

std::string_view name_of(FindingState state) {
  switch (state) {
    case FindingState::kOpen: return "open";
    case FindingState::kAccepted: return "accepted";
    case FindingState::kBug: return "bug";
  }
  return "open";
}

std::string share_text(std::uint32_t share) {
  return share % 100 == 0 ? print("%u %%", share / 100)
                          : print("%u.%02u %%", share / 100, share % 100);
}

std::vector<const comparator::Issue*> open_issues(const ReportData& data) {
  std::vector<const comparator::Issue*> open;
  for (const comparator::Issue& issue : data.issues) {
    if (issue.open > 0) open.push_back(&issue);
  }
  std::stable_sort(open.begin(), open.end(),
                   [](const auto* a, const auto* b) { return a->exchanges > b->exchanges; });
  return open;
}

std::string extent_text(const comparator::Issue& issue) {
  const auto several = [](std::size_t count, const char* one, const char* many) {
    return print("%zu %s", count, count == 1 ? one : many);
  };
  return several(issue.endpoint_count, "endpoint", "endpoints") + " of " +
         several(issue.route_count, "route", "routes") + ", " +
         several(static_cast<std::size_t>(issue.exchanges), "exchange", "exchanges");
}

std::string explained_text(const ReportData& data) {
  const comparator::Explanation& explanation = data.explanation;
  if (explanation.steps.empty() || explanation.exchanges == 0) return {};
  const std::size_t steps = explanation.steps.size();
  const std::string which = steps == 1 ? "this one" : "these " + std::to_string(steps);
  std::string out =
      print("deciding %s explains %.1f %% of the %llu exchanges that differ:", which.c_str(),
            100.0 * static_cast<double>(explanation.explained()) /
                static_cast<double>(explanation.exchanges),
            static_cast<unsigned long long>(explanation.exchanges));
  for (const auto& step : explanation.steps) out += " " + step.decided_by();
  return out;
}

std::vector<ReportRow> account_rows(const ReportData& data) {
  std::vector<ReportRow> rows;
  const auto sum = [](const std::map<SkipReason, std::uint64_t>& reasons) {
    std::uint64_t total = 0;
    for (const auto& [reason, count] : reasons) total += count;
    return total;
  };
  const auto add = [&](const std::string& name, const ledger::Account& account) {
    ReportRow row;
    row.name = name;
    for (const ReportRoute& route : data.routes) {
      if (route.name != name) continue;
      row.stage = route.stage;
      row.candidate = share_text(route.dials.candidate_share);
      row.mirror = share_text(route.dials.mirror_share);
    }
    row.admitted = account.admitted;
    row.mirrored = account.mirror.mirrored;
    row.skipped = sum(account.mirror.skipped);
    row.dropped = sum(account.mirror.dropped);
    row.equal = account.compared.equal;
    row.tolerated = account.compared.tolerated;
    row.different = account.compared.different;
    row.incomparable = account.compared.incomparable;
    row.is_balanced = account.is_balanced();
    rows.push_back(std::move(row));
  };
  for (const auto& [name, account] : data.ledger.routes) add(name, account);
  for (const ReportRoute& route : data.routes) {
    if (!data.ledger.routes.contains(route.name)) add(route.name, {});
  }
  add("total", data.ledger.total);
  return rows;
}

std::vector<std::string> next_commands(const ReportData& data) {
  std::vector<std::string> commands;
  const auto open = open_findings(data);
  if (!open.empty()) {
    commands.push_back("banyan findings show " + open.front()->id);
    commands.push_back("banyan findings accept " + open.front()->id + " --reason \"…\"");
    commands.push_back("banyan findings bug " + open.front()->id);
  }
  const auto& total = data.ledger.total;
  if (!total.mirror.dropped.empty() || total.mirror.skipped.contains(SkipReason::kStale)) {
    commands.emplace_back("banyan reconcile");
  }
  if (!data.ledger.is_balanced()) commands.emplace_back("banyan ledger");
  if (open.empty() && data.ledger.is_balanced()) {
    commands.emplace_back("banyan route set ROUTE --candidate-percent 1");
  }
  return commands;
}

}  // namespace banyan::admin
