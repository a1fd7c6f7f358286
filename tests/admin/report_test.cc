// SPDX-License-Identifier: Apache-2.0
#include "admin/report.h"

#include <gtest/gtest.h>

#include <string>

#include "core/json/value.h"

namespace banyan::admin {
namespace {

constexpr ReportFormat kAll[] = {ReportFormat::kText, ReportFormat::kJson, ReportFormat::kHtml,
                                 ReportFormat::kMarkdown, ReportFormat::kJunit};

comparator::Finding finding(const std::string& id, std::uint64_t exchanges) {
  comparator::Finding one;
  one.id = id;
  one.route = "orders";
  one.endpoint = "GET /orders/{}";
  one.path = "body:$.total";
  one.kind = "type";
  one.transition = "number→string";
  one.count = one.exchanges = exchanges;
  one.first_seen_wall_ns = one.last_seen_wall_ns = 1'700'000'000'000'000'000;
  one.exemplars = {"00010000000000010001000000000007"};
  one.example_at = "body:$.total";
  one.example_legacy = "1";
  one.example_candidate = "\"1\"";
  return one;
}

ReportData data() {
  ReportData report;
  report.version = "0.1.0";
  report.data_dir = "banyan-data";
  report.generated_wall_ns = 1'700'000'000'000'000'000;
  ledger::Account account;
  account.admitted = 10;
  account.answered.legacy = 10;
  account.mirror.mirrored = 8;
  account.mirror.skipped[SkipReason::kStale] = 2;
  account.compared.equal = 5;
  account.compared.different = 3;
  report.ledger.routes["orders"] = account;
  report.ledger.total = account;
  report.findings = {finding("aaaaaaaaaaaa", 1), finding("bbbbbbbbbbbb", 2)};
  ReportRoute route;
  route.name = "orders";
  route.stage = "canary";
  route.dials.candidate_share = 1'250;
  report.routes = {route};
  comparator::EndpointLatency slow;
  slow.route = "orders";
  slow.endpoint = "GET /slow";
  slow.pairs = kSlowPairsMin;
  slow.legacy_p50_ms = 10;
  slow.candidate_p50_ms = 15;
  comparator::EndpointLatency fast = slow;
  fast.endpoint = "GET /fast";
  fast.candidate_p50_ms = 14.9;
  report.latency = {slow, fast};
  return report;
}

TEST(ReportTest, GateFailsOnAnOpenFindingOrAnUnbalancedLedger) {
  ReportData report = data();
  EXPECT_FALSE(gate_of(report).passed);
  EXPECT_EQ(gate_of(report).reasons.at(0), "2 open findings");
  report.findings[0].state = comparator::FindingState::kAccepted;
  report.findings[1].tolerated_by = "ignore body:$.total";
  EXPECT_TRUE(gate_of(report).passed);
  ++report.ledger.total.admitted;
  EXPECT_FALSE(gate_of(report).passed);
  EXPECT_EQ(gate_of(report).reasons.at(0), "the ledger does not balance");
}

comparator::RouteReadiness readiness(comparator::Readiness word) {
  comparator::RouteReadiness route;
  route.route = "orders";
  route.state.readiness = word;
  route.state.pairs = 120;
  route.state.mismatch_rate_bound = 0.028;
  route.state.missing = word == comparator::Readiness::kReady ? "" : "needs about 3,293 more pairs";
  comparator::EndpointReadiness busy;
  busy.endpoint = "GET /busy";
  busy.state = route.state;
  comparator::EndpointReadiness quiet = busy;
  quiet.endpoint = "GET /quiet";
  quiet.state.pairs = 12;
  quiet.uncovered = {{4, 0x12ab, 12, "00010000000000010001000000000007"}};
  route.endpoints = {busy, quiet};
  return route;
}

TEST(ReportTest, TheGateWaitsForReadinessOnlyWhereItIsAsked) {
  ReportData report = data();
  report.findings.clear();
  report.readiness = {readiness(comparator::Readiness::kCollecting)};
  EXPECT_TRUE(gate_of(report).passed);
  report.gate_needs_readiness = true;
  ASSERT_EQ(gate_of(report).reasons.size(), 1U);
  EXPECT_EQ(gate_of(report).reasons[0],
            "route orders is not ready (collecting): needs about 3,293 more pairs; look at "
            "GET /quiet (collecting, 12 pairs)");
  const std::string junit = render_report(report, ReportFormat::kJunit);
  EXPECT_NE(junit.find("tests=\"2\" failures=\"1\""), std::string::npos) << junit;
  EXPECT_NE(junit.find("classname=\"readiness\" name=\"orders\"><failure"), std::string::npos);
  report.readiness[0].set_aside = "answers are random";
  EXPECT_TRUE(gate_of(report).passed);
  EXPECT_NE(render_report(report, ReportFormat::kJunit).find("<skipped message=\"set aside"),
            std::string::npos);
  report.readiness = {readiness(comparator::Readiness::kReady)};
  EXPECT_TRUE(gate_of(report).passed);
  report.readiness = {readiness(comparator::Readiness::kNoiseOnly)};
  EXPECT_FALSE(gate_of(report).passed);
  report.readiness.clear();
  EXPECT_FALSE(gate_of(report).passed);
}

TEST(ReportTest, WhatToDecideFirstStandsInEveryFormat) {
  ReportData report = data();
  EXPECT_EQ(render_report(report, ReportFormat::kText).find("deciding"), std::string::npos);
  report.explanation.exchanges = 125;
  report.explanation.steps = {{"bbbbbbbbbbbb", 100}, {"aaaaaaaaaaaa", 123}};
  const std::string told =
      "deciding these 2 explains 98.4 % of the 125 exchanges that differ: bbbbbbbbbbbb "
      "aaaaaaaaaaaa";
  for (const ReportFormat format :
       {ReportFormat::kText, ReportFormat::kHtml, ReportFormat::kMarkdown}) {
    EXPECT_NE(render_report(report, format).find(told), std::string::npos);
  }
  const auto parsed = json::parse(render_report(report, ReportFormat::kJson));
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->find("explained")->number_or("explained", 0), 123);
  // An issue of one finding goes by that.
  report.explanation.steps = {{"iaaaaaaaaaaaa", 125, "aaaaaaaaaaaa", 1}};
  const std::string one =
      "deciding this one explains 100.0 % of the 125 exchanges that differ: aaaaaaaaaaaa\n";
  EXPECT_NE(render_report(report, ReportFormat::kText).find(one), std::string::npos);
}

TEST(ReportTest, IssuesStandInEveryFormatForPeople) {
  ReportData report = data();
  comparator::Issue issue;
  issue.id = "iaaaaaaaaaaaa";
  issue.label = "price<b>: ×100";
  issue.endpoint_count = 40;
  issue.route_count = 1;
  issue.exchanges = 12345;
  issue.finding_count = issue.open = 41;
  report.issues = {issue};
  for (const ReportFormat format :
       {ReportFormat::kText, ReportFormat::kHtml, ReportFormat::kMarkdown}) {
    const std::string out = render_report(report, format);
    EXPECT_NE(out.find("40 endpoints of 1 route, 12345 exchanges"), std::string::npos) << out;
    EXPECT_EQ(out.find("<b>") != std::string::npos, format == ReportFormat::kText);
  }
  const auto parsed = json::parse(render_report(report, ReportFormat::kJson));
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->find("issues")->items.at(0).number_or("finding_count", 0), 41);
}

TEST(ReportTest, ReadinessStandsInEveryFormat) {
  ReportData report = data();
  report.readiness = {readiness(comparator::Readiness::kCollecting)};
  for (const ReportFormat format :
       {ReportFormat::kText, ReportFormat::kHtml, ReportFormat::kMarkdown}) {
    const std::string out = render_report(report, format);
    for (const char* part :
         {"Readiness", "collecting", "GET /quiet", "2.8 %", "3,293 more pairs"}) {
      EXPECT_NE(out.find(part), std::string::npos) << part << "\n" << out;
    }
  }
  EXPECT_NE(render_report(report, ReportFormat::kText).find("few pairs: 4xx, shape 000012ab: 12"),
            std::string::npos);
  const auto parsed = json::parse(render_report(report, ReportFormat::kJson));
  ASSERT_TRUE(parsed.ok());
  EXPECT_FALSE(parsed->find("gate")->bool_or("needs_readiness", true));
  const json::Value& route = parsed->find("readiness")->items.at(0);
  EXPECT_EQ(route.string_or("readiness", ""), "collecting");
  EXPECT_EQ(route.number_or("mismatch_rate_bound", 0), 0.028);
  const json::Value& quiet = route.find("endpoints")->items.at(1);
  EXPECT_EQ(quiet.string_or("endpoint", ""), "GET /quiet");
  EXPECT_EQ(quiet.find("uncovered")->items.at(0).string_or("status", ""), "4xx");
  const json::Value& latency = parsed->find("latency")->items.at(0);
  EXPECT_EQ(latency.find("legacy")->find("p95_range")->items.size(), 2U);
}

TEST(ReportTest, SlowIsHalfAsMuchAgainOrMoreOfEnoughPairs) {
  ReportData report = data();
  ASSERT_EQ(slower_endpoints(report).size(), 1u);
  EXPECT_EQ(slower_endpoints(report)[0]->endpoint, "GET /slow");
  report.latency[0].pairs = kSlowPairsMin - 1;
  EXPECT_TRUE(slower_endpoints(report).empty());
  report = data();
  report.latency[0].legacy_p50_ms = 1.5;  // 1.6 times, but less than kSlowAddedMs more
  report.latency[0].candidate_p50_ms = 2.4;
  EXPECT_TRUE(slower_endpoints(report).empty());
}

TEST(ReportTest, TextShowsWhatToLookAtAndWhatToType) {
  const std::string text = render_report(data(), ReportFormat::kText);
  for (const char* part :
       {"12.50 %", "canary", "Open findings: 2", "body:$.total", "number→string", "GET /slow",
        "legacy p50 10.00 ms", "candidate p50 15.00 ms", "stale 2", "Gate: failed",
        "banyan findings show bbbbbbbbbbbb", "banyan reconcile", "balanced"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  EXPECT_EQ(text.find("GET /fast"), std::string::npos);
  EXPECT_LT(text.find("bbbbbbbbbbbb"), text.find("aaaaaaaaaaaa"));  // the most frequent first
}

TEST(ReportTest, JsonIsOneObjectWithTheContractsNames) {
  const auto parsed = json::parse(render_report(data(), ReportFormat::kJson));
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->string_or("schema", ""), "banyan/report/1");
  EXPECT_FALSE(parsed->find("gate")->bool_or("passed", true));
  ASSERT_EQ(parsed->find("findings")->items.size(), 2U);
  const json::Value& one = parsed->find("findings")->items[0];
  EXPECT_EQ(one.string_or("state", ""), "open");
  EXPECT_EQ(one.string_or("first_seen", "").substr(0, 19), "2023-11-14T22:13:20");
  EXPECT_EQ(parsed->find("latency")->items.size(), 2U);
  ASSERT_EQ(parsed->find("slower")->items.size(), 1U);
  EXPECT_EQ(parsed->find("slower")->items[0].string_or("endpoint", ""), "GET /slow");
  EXPECT_EQ(parsed->find("ledger")->string_or("schema", ""), "banyan/ledger/1");
  EXPECT_EQ(parsed->find("routes")->items[0].number_or("candidate_percent", 0), 12.5);
}

TEST(ReportTest, RecordedBytesCannotBreakOutOfAnyFormat) {
  ReportData report = data();
  const std::string hostile = "</code><script>alert(1)</script>\"'&\x1b[2J\xff]]>|`*\n# x";
  comparator::Finding& one = report.findings[1];
  one.endpoint = one.path = one.example_at = one.example_legacy = one.example_candidate = hostile;
  one.route = one.transition = one.tolerated_by = hostile;
  one.tolerated_by.clear();
  report.latency[0].endpoint = hostile;
  report.readiness = {readiness(comparator::Readiness::kCollecting)};
  report.readiness[0].endpoints[1].endpoint = report.readiness[0].set_aside = hostile;
  report.readiness.push_back(report.readiness[0]);
  report.readiness[1].set_aside.clear();
  report.gate_needs_readiness = true;
  report.ledger.routes[hostile] = {};
  for (const ReportFormat format : kAll) {
    const std::string out = render_report(report, format);
    EXPECT_EQ(out.find('\x1b'), std::string::npos);
    EXPECT_EQ(out.find('\xff'), std::string::npos);
    if (format == ReportFormat::kText || format == ReportFormat::kJson) continue;
    EXPECT_EQ(out.find("<script"), std::string::npos);
    EXPECT_EQ(out.find("\n# x"), std::string::npos);
  }
  EXPECT_TRUE(json::parse(render_report(report, ReportFormat::kJson)).ok());
}

TEST(ReportTest, HtmlNeedsNothingFromElsewhere) {
  const std::string html = render_report(data(), ReportFormat::kHtml);
  EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
  for (const char* part : {"<script", "http://", "https://", "<link", "<img", "url("}) {
    EXPECT_EQ(html.find(part), std::string::npos) << part;
  }
}

TEST(ReportTest, JunitCountsFailures) {
  ReportData report = data();
  EXPECT_NE(render_report(report, ReportFormat::kJunit).find("tests=\"3\" failures=\"2\""),
            std::string::npos);
  report.findings.clear();
  EXPECT_NE(render_report(report, ReportFormat::kJunit).find("tests=\"1\" failures=\"0\""),
            std::string::npos);
}

TEST(ReportTest, AnEmptyReportIsStillWhole) {
  for (const ReportFormat format : kAll) EXPECT_FALSE(render_report({}, format).empty());
  EXPECT_TRUE(gate_of({}).passed);
  EXPECT_EQ(parse_report_format("pdf"), std::nullopt);
  EXPECT_EQ(parse_report_format("junit"), ReportFormat::kJunit);
}

}  // namespace
}  // namespace banyan::admin
