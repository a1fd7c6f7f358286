// SPDX-License-Identifier: Apache-2.0
//
// HTML, markdown and JUnit. Whatever was recorded may be hostile: every value passes an escape.
#include "admin/report_formats.h"
#include "core/base/text.h"

namespace banyan::admin {
namespace {

using comparator::EndpointLatency;
using comparator::Finding;

constexpr std::size_t kShown = 256;
constexpr std::size_t kGateShown = 4096;

constexpr std::string_view kStyle =
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;"
    "color:#1c2321;background:#fff}table{border-collapse:collapse;width:100%;margin:.5rem 0 2rem}"
    "th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #d9dedb;"
    "vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}"
    "code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}.ok{color:#17692f}"
    ".bad{color:#a3180f}@media(prefers-color-scheme:dark){body{background:#141816;color:#e4e9e6}"
    "th,td{border-color:#333b37}.ok{color:#6fcf8b}.bad{color:#ff8d84}}";

std::string cut(std::string_view text) {
  // The escape for terminals also cuts at a whole character and makes control bytes visible.
  return escape_for_terminal(text, kShown);
}
std::string html(std::string_view text) { return escape_for_html(cut(text)); }
std::string code(std::string_view text) { return "<code>" + html(text) + "</code>"; }
std::string cell(std::uint64_t value) {
  return "<td class=\"n\">" + std::to_string(value) + "</td>";
}

// Inside a table cell: no markup of the recorded text survives.
std::string markdown(std::string_view text, std::size_t shown = kShown) {
  std::string out;
  for (const char c : escape_for_terminal(text, shown)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '|':
      case '`':
      case '*':
      case '_':
      case '[':
      case ']':
      case '\\':
      case '!':
      case '#':
      case '~':
      case '(':
      case ')':
        out += '\\';
        out += c;
        break;
      default: out += c;
    }
  }
  return out;
}

std::string latency_text(const EndpointLatency& one) {
  return print("legacy p50 %.2f ms, p95 %.2f ms; candidate p50 %.2f ms, p95 %.2f ms (%.1f ×)",
               one.legacy_p50_ms, one.legacy_p95_ms, one.candidate_p50_ms, one.candidate_p95_ms,
               one.candidate_p50_ms / one.legacy_p50_ms);
}

std::string gate_text(const ReportGate& gate) {
  std::string out = gate.passed ? "passed" : "failed";
  for (std::size_t i = 0; i < gate.reasons.size(); ++i) {
    out += (i == 0 ? ": " : "; ") + gate.reasons[i];
  }
  return out;
}

void add_html_readiness(const ReportData& data, std::string& out) {
  out +=
      "<h2>Readiness</h2>\n<p>The rate of mismatches lies below the bound with 95 % confidence, at "
      "whatever time one looks.</p>\n<table><tr><th>route<th>endpoint<th>readiness<th>pairs"
      "<th>mismatches<th>below<th>still needed<th>few pairs</tr>\n";
  for (const ReadinessRow& row : readiness_rows(data)) {
    out += "<tr><td>" + (row.is_route ? html(row.name) : std::string()) + "</td><td>" +
           (row.is_route ? std::string() : code(row.name)) + "</td><td>" + html(row.word) +
           "</td>" + cell(row.pairs) + cell(row.mismatches) + "<td>" + html(row.rate_below) +
           "</td><td>" + html(row.missing) + "</td><td>" + html(row.uncovered) + "</td></tr>\n";
  }
  out += "</table>\n";
}

void add_html_issues(const ReportData& data, std::string& out) {
  if (data.issues.empty()) return;
  out +=
      "<h3>One cause over several endpoints</h3>\n<table><tr><th>id<th>what<th>where<th>findings"
      "<th>open<th>exchanges</tr>\n";
  for (const comparator::Issue& issue : data.issues) {
    out += "<tr><td>" + code(issue.id) + "</td><td>" + html(issue.label) + "</td><td>" +
           html(extent_text(issue)) + "</td>" + cell(issue.finding_count) + cell(issue.open) +
           cell(issue.exchanges) + "</tr>\n";
  }
  out += "</table>\n";
}

void add_html_findings(const ReportData& data, std::string& out) {
  out +=
      "<table><tr><th>id<th>state<th>route<th>endpoint<th>path<th>kind<th>exchanges"
      "<th>legacy<th>candidate<th>exemplar</tr>\n";
  const auto add = [&](const Finding& finding) {
    out += "<tr><td>" + code(finding.id) + "</td><td>" +
           (finding.tolerated_by.empty() ? std::string(name_of(finding.state))
                                         : "tolerated by " + html(finding.tolerated_by)) +
           "</td><td>" + html(finding.route) + "</td><td>" + code(finding.endpoint) + "</td><td>" +
           code(finding.path) + "</td><td>" + html(finding.kind) + " " + html(finding.transition) +
           "</td>" + cell(finding.exchanges) + "<td>" + code(finding.example_legacy) + "</td><td>" +
           code(finding.example_candidate) + "</td><td>" +
           (finding.exemplars.empty() ? std::string() : code(finding.exemplars[0])) +
           "</td></tr>\n";
  };
  const auto open = open_findings(data);
  for (const Finding* finding : open) add(*finding);
  for (const Finding& finding : data.findings) {
    bool is_open = false;
    for (const Finding* one : open) is_open |= one == &finding;
    if (!is_open) add(finding);
  }
  out += "</table>\n";
}

}  // namespace

std::string render_html(const ReportData& data) {
  const ReportGate gate = gate_of(data);
  std::string out =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'\"><title>Banyan report</title><style>";
  out += kStyle;
  out += "</style></head><body>\n<h1>Banyan report</h1>\n<p>" +
         format_time(data.generated_wall_ns) + ", banyan " + html(data.version) + ", " +
         code(data.data_dir) + "</p>\n<p>Gate: <strong class=\"" + (gate.passed ? "ok" : "bad") +
         "\">" + escape_for_html(escape_for_terminal(gate_text(gate), kGateShown)) +
         "</strong></p>\n";
  out +=
      "<h2>Routes</h2>\n<table><tr><th>route<th>stage<th>candidate<th>mirror<th>admitted"
      "<th>mirrored<th>skipped<th>dropped<th>equal<th>tolerated<th>different<th>incomparable"
      "</tr>\n";
  for (const ReportRow& row : account_rows(data)) {
    out += "<tr><td>" + html(row.name) + "</td><td>" + html(row.stage) + "</td><td>" +
           html(row.candidate) + "</td><td>" + html(row.mirror) + "</td>" + cell(row.admitted) +
           cell(row.mirrored) + cell(row.skipped) + cell(row.dropped) + cell(row.equal) +
           cell(row.tolerated) + cell(row.different) + cell(row.incomparable) + "</tr>\n";
  }
  out += "</table>\n";
  add_html_readiness(data, out);
  out += "<h2>Findings</h2>\n<p>" + std::to_string(open_findings(data).size()) + " open</p>\n";
  if (const std::string explained = explained_text(data); !explained.empty()) {
    out += "<p>" + html(explained) + "</p>\n";
  }
  add_html_issues(data, out);
  add_html_findings(data, out);
  out += print(
      "<h2>Latency</h2>\n<p>Endpoints whose candidate p50 is at least %.1f × "
      "legacy.</p>\n<ul>\n",
      kSlowRatio);
  bool is_empty = true;
  for (const comparator::EndpointLatency* slower : slower_endpoints(data)) {
    const comparator::EndpointLatency& one = *slower;
    is_empty = false;
    out +=
        "<li>" + html(one.route) + " " + code(one.endpoint) + ": " + latency_text(one) + "</li>\n";
  }
  if (is_empty) out += "<li>none</li>\n";
  out += "</ul>\n<h2>Ledger</h2>\n<p>" + std::to_string(data.ledger.total.admitted) +
         " admitted, " + std::to_string(data.ledger.total.open) + " open, " +
         std::to_string(data.ledger.total.gaps) + " gaps: " +
         (data.ledger.is_balanced() ? "<span class=\"ok\">balanced</span>"
                                    : "<span class=\"bad\">does not balance</span>") +
         "</p>\n<h2>Next</h2>\n<ul>\n";
  for (const std::string& command : next_commands(data)) {
    out += "<li>" + code(command) + "</li>\n";
  }
  return out + "</ul>\n</body></html>\n";
}

std::string render_markdown(const ReportData& data) {
  std::string out =
      "# Banyan report\n\n" + format_time(data.generated_wall_ns) + ", banyan " +
      markdown(data.version) + "\n\n**Gate " + markdown(gate_text(gate_of(data)), kGateShown) +
      "**\n\n## Routes\n\n| route | stage | admitted | mirrored | skipped | dropped | "
      "equal | tolerated | different | incomparable |\n"
      "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n";
  for (const ReportRow& row : account_rows(data)) {
    out += "| " + markdown(row.name) + " | " + markdown(row.stage);
    for (const std::uint64_t value : {row.admitted, row.mirrored, row.skipped, row.dropped,
                                      row.equal, row.tolerated, row.different, row.incomparable}) {
      out += " | " + std::to_string(value);
    }
    out += " |\n";
  }
  out +=
      "\n## Readiness\n\n| route | endpoint | readiness | pairs | mismatches | below | still "
      "needed |\n|---|---|---|--:|--:|--:|---|\n";
  for (const ReadinessRow& row : readiness_rows(data)) {
    out += "| " + (row.is_route ? markdown(row.name) : std::string()) + " | " +
           (row.is_route ? std::string() : markdown(row.name)) + " | " + row.word + " | " +
           std::to_string(row.pairs) + " | " + std::to_string(row.mismatches) + " | " +
           row.rate_below + " | " + markdown(row.missing) + " |\n";
  }
  if (const auto issues = open_issues(data); !issues.empty()) {
    out += "\n## Open issues\n\n| id | what | where | findings open |\n|---|---|---|--:|\n";
    for (const comparator::Issue* issue : issues) {
      out += "| " + issue->id + " | " + markdown(issue->label) + " | " +
             markdown(extent_text(*issue)) + " | " + std::to_string(issue->open) + " |\n";
    }
  }
  out +=
      "\n## Open findings\n\n| id | route | endpoint | path | kind | exchanges | legacy | "
      "candidate |\n|---|---|---|---|---|--:|---|---|\n";
  for (const Finding* finding : open_findings(data)) {
    out += "| " + finding->id + " | " + markdown(finding->route) + " | " +
           markdown(finding->endpoint) + " | " + markdown(finding->path) + " | " + finding->kind +
           " " + markdown(finding->transition) + " | " + std::to_string(finding->exchanges) +
           " | " + markdown(finding->example_legacy) + " | " +
           markdown(finding->example_candidate) + " |\n";
  }
  if (const std::string explained = explained_text(data); !explained.empty()) {
    out += "\n" + markdown(explained) + "\n";
  }
  out += "\n## Latency\n\n";
  bool is_empty = true;
  for (const comparator::EndpointLatency* slower : slower_endpoints(data)) {
    const comparator::EndpointLatency& one = *slower;
    is_empty = false;
    out +=
        "- " + markdown(one.route) + " " + markdown(one.endpoint) + ": " + latency_text(one) + "\n";
  }
  if (is_empty) out += "No endpoint is slower by half.\n";
  return out + "\n## Ledger\n\n" + std::to_string(data.ledger.total.admitted) + " admitted, " +
         (data.ledger.is_balanced() ? "balanced" : "**does not balance**") + ".\n";
}

std::string render_junit(const ReportData& data) {
  const auto open = open_findings(data);
  const bool balances = data.ledger.is_balanced();
  std::size_t tests = open.size() + 1;
  std::size_t failures = open.size() + (balances ? 0 : 1);
  std::string readiness;
  if (data.gate_needs_readiness) {
    tests += data.readiness.size();
    for (const comparator::RouteReadiness& route : data.readiness) {
      const std::string reason = unready_reason(route);
      failures += reason.empty() ? 0 : 1;
      readiness += "  <testcase classname=\"readiness\" name=\"" + html(route.route) + "\">";
      if (!reason.empty()) {
        readiness += "<failure message=\"" +
                     escape_for_html(escape_for_terminal(reason, kGateShown)) + "\"/>";
      } else if (!route.set_aside.empty()) {
        readiness += "<skipped message=\"set aside: " + html(route.set_aside) + "\"/>";
      }
      readiness += "</testcase>\n";
    }
  }
  std::string out =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"banyan\" tests=\"" +
      std::to_string(tests) + "\" failures=\"" + std::to_string(failures) + "\">\n";
  out += "  <testcase classname=\"ledger\" name=\"balances\">";
  if (!balances) out += "<failure message=\"the ledger does not balance\"/>";
  out += "</testcase>\n";
  out += readiness;
  for (const Finding* finding : open) {
    out += "  <testcase classname=\"" + html(finding->route) + "\" name=\"" +
           html(finding->endpoint) + " " + html(finding->path) + " " + html(finding->kind) +
           "\"><failure message=\"" + finding->id + " in " + std::to_string(finding->exchanges) +
           " exchanges\">legacy: " + html(finding->example_legacy) +
           "\ncandidate: " + html(finding->example_candidate) + "</failure></testcase>\n";
  }
  return out + "</testsuite>\n";
}

}  // namespace banyan::admin
