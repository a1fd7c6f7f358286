// SPDX-License-Identifier: Apache-2.0
//
// A rule tried on recorded history: what it would hide, what it covers besides, and when it is too
// broad.
#include "comparator/rule_trial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "comparator/saved_rules.h"
#include "core/json/value.h"
#include "tests/support/memory_log.h"
#include "tests/support/records.h"

namespace banyan::comparator {
namespace {

using support::exchange_id;
using testing::HasSubstr;

class RuleTrialTest : public testing::Test {
 protected:
  // One recorded pair that the comparator has judged.
  void pair(std::string_view legacy, std::string_view candidate, std::string_view route = "orders",
            std::string_view type = "application/json") {
    const ExchangeId id = exchange_id(++count_);
    model::RequestRecord request = support::request(id, route);
    log_.append(request);
    model::ResponseRecord response =
        support::response(id, route, Delivery::kWhole, System::kLegacy, legacy);
    response.answer.fields = {{"Content-Type", type}, {"X-Build", "7"}};
    log_.append(response);
    model::ShadowRecord shadow = support::shadow(id, route, candidate);
    shadow.answer.fields = {{"Content-Type", type}, {"X-Build", "8"}};
    log_.append(shadow);
    model::VerdictRecord verdict;
    verdict.exchange = id;
    verdict.run = shadow.run;
    verdict.route = route;
    verdict.generation = 1;
    verdict.verdict = Verdict::kDifferent;
    log_.append(verdict);
  }

  TrialReport attempt(const CompareRuleOptions& rule) {
    TrialOptions options;
    options.present = present_;
    options.rule = rule;
    options.patience_ns = patience_ns_;
    const std::uint64_t before = log_.end().sum();
    auto report = try_rule(log_, clock_, options, {});
    EXPECT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(log_.end().sum(), before) << "a trial writes nothing";
    return report.ok() ? *std::move(report) : TrialReport();
  }
  static CompareRuleOptions ignore(std::string path) {
    CompareRuleOptions rule;
    rule.ignore = {std::move(path)};
    return rule;
  }
  static std::vector<std::string> codes(const TrialReport& report) {
    std::vector<std::string> out;
    for (const TrialRefusal& refusal : report.refusals) out.push_back(refusal.code);
    return out;
  }

  ManualClock clock_;
  support::MemoryLog log_{clock_};
  ComparatorOptions present_;
  std::int64_t patience_ns_ = 0;
  std::uint64_t count_ = 0;
};

TEST_F(RuleTrialTest, ARenameHidesWhatItExplainsAndShowsTheValues) {
  present_.rules.push_back(ignore("header:X-Build"));
  for (int i = 0; i < 5; ++i) pair(R"({"cost":1})", R"({"price":1})");
  pair(R"({"cost":1})", R"({"price":2})");
  CompareRuleOptions rule;
  rule.operations.push_back({"rename", "body:$", 0, 0, "", {{"cost", "price"}}});
  const TrialReport report = attempt(rule);
  EXPECT_EQ(report.after[static_cast<std::size_t>(Verdict::kTolerated)], 5U);
  EXPECT_EQ(report.after[static_cast<std::size_t>(Verdict::kDifferent)], 1U);
  // One rename in five, a member gone and one that came in the other; there a value appears.
  EXPECT_EQ(report.hidden, 7U);
  EXPECT_EQ(report.appeared, 1U);
  EXPECT_EQ(report.fields_never_differed, 0U);
}

TEST_F(RuleTrialTest, AKeyOfSeveralMembersHasToTellItemsApart) {
  present_.rules.push_back(ignore("header:X-Build"));
  pair(R"([{"a":1,"b":1},{"a":1,"b":2}])", R"([{"a":1,"b":2},{"a":1,"b":1}])");
  CompareRuleOptions rule;
  rule.unordered.push_back({"body:$", "a, b"});
  EXPECT_EQ(codes(attempt(rule)), std::vector<std::string>());
  pair(R"([{"a":1,"b":1},{"a":1,"b":1},{"a":2}])", R"([{"a":2},{"a":1,"b":1},{"a":1,"b":1}])");
  const TrialReport report = attempt(rule);
  EXPECT_EQ(codes(report), std::vector<std::string>{"order"});
  EXPECT_THAT(report.refusals[0].message, HasSubstr("a, b"));
}

TEST_F(RuleTrialTest, TellsWhatTheRuleWouldHideAndInWhichFindings) {
  present_.rules.push_back(ignore("header:X-Build"));
  for (int i = 0; i < 5; ++i) pair(R"({"at":1,"b":2})", R"({"at":7,"b":2})");
  pair(R"({"at":1,"b":2})", R"({"at":7,"b":8})");
  pair(R"({"at":1,"b":2})", R"({"at":1,"b":2})", "stock");
  const TrialReport report = attempt(ignore("body:$.at"));
  EXPECT_EQ(report.exchanges, 7U);
  EXPECT_EQ(report.in_routes, 7U);
  EXPECT_EQ(report.hidden, 6U);
  EXPECT_EQ(report.exchanges_hidden, 6U);
  EXPECT_EQ(report.appeared, 0U);
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings[0].path, "body:$.at");
  EXPECT_EQ(report.findings[0].endpoint, "GET /orders/{}");
  EXPECT_EQ(report.findings[0].hidden, 6U);
  EXPECT_EQ(report.findings[0].left, 0U);
  EXPECT_EQ(report.findings[0].id.size(), 12U);
  EXPECT_EQ(report.before[2], 6U);
  EXPECT_EQ(report.after[2], 1U);
  EXPECT_EQ(report.after[1], 6U);
  EXPECT_EQ(report.exchanges_changed, 5U);
  EXPECT_EQ(report.changed[0].id, exchange_id(1).to_string());
  EXPECT_EQ(report.fields_differed, 1U);
  // The same field of another route never differed.
  ASSERT_EQ(report.never_differed.size(), 1U);
  EXPECT_EQ(report.never_differed[0].route, "stock");
  EXPECT_TRUE(report.is_complete);
  EXPECT_FALSE(report.is_refused());
}

TEST_F(RuleTrialTest, OnlyRoutesOfTheRuleCount) {
  pair(R"({"at":1})", R"({"at":7})");
  pair(R"({"at":1})", R"({"at":7})", "stock");
  CompareRuleOptions rule = ignore("body:$.at");
  rule.routes = {"st*"};
  const TrialReport report = attempt(rule);
  EXPECT_EQ(report.exchanges, 2U);
  EXPECT_EQ(report.in_routes, 1U);
  EXPECT_EQ(report.hidden, 1U);
  EXPECT_EQ(report.findings[0].route, "stock");
}

TEST_F(RuleTrialTest, AFieldThatStaysElsewhereLeavesItsFinding) {
  pair(R"({"total":10.00})", R"({"total":10.01})");
  pair(R"({"total":10.00})", R"({"total":19.01})");
  CompareRuleOptions rule;
  rule.tolerance = {{"body:$.total", 0.05, 0}};
  const TrialReport report = attempt(rule);
  EXPECT_EQ(report.hidden, 1U);
  std::uint64_t left = 0;
  for (const auto& finding : report.findings) left += finding.left;
  EXPECT_EQ(report.findings_hidden, 1U);
  EXPECT_FALSE(report.is_refused());
}

TEST_F(RuleTrialTest, WholeBodiesAndStructureAreTooBroad) {
  pair(R"({"a":{"b":1,"c":2},"d":3})", R"({"a":{"b":7,"c":2},"d":3})");
  for (const char* path : {"body", "body:**", "body:$", "body:$.*", "body:$.**"}) {
    EXPECT_THAT(codes(attempt(ignore(path))), testing::Contains("whole_body")) << path;
  }
  EXPECT_THAT(codes(attempt(ignore("header:*"))), testing::Contains("whole_body"));
  const TrialReport structure = attempt(ignore("body:$.a"));
  ASSERT_THAT(codes(structure), testing::Contains("structure"));
  EXPECT_THAT(structure.refusals[0].message, HasSubstr("body:$.a"));
  EXPECT_TRUE(codes(attempt(ignore("body:$.a.b"))).empty());
}

TEST_F(RuleTrialTest, MoreFieldsThatNeverDifferedThanDidIsTooBroad) {
  pair(R"({"id":1,"x":{"id":2},"y":{"id":3}})", R"({"id":1,"x":{"id":2},"y":{"id":4}})");
  const TrialReport report = attempt(ignore("body:$..id"));
  EXPECT_EQ(report.fields_differed, 1U);
  EXPECT_EQ(report.fields_never_differed, 2U);
  ASSERT_THAT(codes(report), testing::Contains("never_differing"));
  EXPECT_THAT(report.refusals.back().message, HasSubstr("body:$.id"));
  // Below what was missing everything differed.
  pair(R"({"id":1,"x":{"id":2}})", R"({"id":1})");
  EXPECT_EQ(attempt(ignore("body:$.x.id")).fields_never_differed, 0U);
}

TEST_F(RuleTrialTest, AKeyThatTellsNothingApartIsNone) {
  pair(R"({"i":[{"k":1},{"k":2}]})", R"({"i":[{"k":2},{"k":1}]})");
  CompareRuleOptions rule;
  rule.unordered = {{"body:$.i", "k"}};
  const TrialReport good = attempt(rule);
  EXPECT_TRUE(good.refusals.empty());
  EXPECT_EQ(good.hidden, 1U);
  pair(R"({"i":[{"k":1},{"k":1}]})", R"({"i":[{"k":1},{}]})");
  const TrialReport bad = attempt(rule);
  ASSERT_EQ(codes(bad), std::vector<std::string>{"order"});
  EXPECT_THAT(bad.refusals[0].message, HasSubstr("body:$.i: two items have the same k"));
  EXPECT_THAT(bad.refusals[0].message, HasSubstr("body:$.i: an item has no k"));
}

TEST_F(RuleTrialTest, XmlIsCoveredByItsPaths) {
  constexpr std::string_view kXml = "application/xml";
  pair("<a><b id=\"1\">x</b><c>1</c></a>", "<a><b id=\"1\">y</b><c>1</c></a>", "orders", kXml);
  const TrialReport leaf = attempt(ignore("body:/a/b"));
  EXPECT_EQ(leaf.hidden, 1U);
  EXPECT_TRUE(leaf.refusals.empty()) << leaf.to_json();
  EXPECT_THAT(codes(attempt(ignore("body:/a"))), testing::Contains("structure"));
  EXPECT_THAT(codes(attempt(ignore("body:/a/c"))), testing::Contains("never_differing"));
  CompareRuleOptions rule;
  rule.unordered = {{"body:/a", "@id"}};
  EXPECT_TRUE(attempt(rule).refusals.empty());
}

TEST_F(RuleTrialTest, HeadersAreFields) {
  pair("{}", "{}");
  const TrialReport report = attempt(ignore("header:x-build"));
  EXPECT_EQ(report.hidden, 1U);
  EXPECT_EQ(report.findings[0].endpoint, "*");
  EXPECT_EQ(report.before[2], 1U);
  EXPECT_EQ(report.after[1], 1U);
  EXPECT_TRUE(report.refusals.empty());
}

TEST_F(RuleTrialTest, PatienceEndsIt) {
  for (int i = 0; i < 3; ++i) pair("{}", "{}");
  patience_ns_ = 1;
  EXPECT_TRUE(attempt(ignore("body:$.a")).is_complete);  // The clock stands still.
  TrialOptions options;
  options.rule = ignore("body:$.a b");
  EXPECT_FALSE(try_rule(log_, clock_, options, {}).ok());
}

TEST_F(RuleTrialTest, JsonHasWhatTheReportHas) {
  pair(R"({"at":1})", R"({"at":7})");
  const auto parsed = json::parse(attempt(ignore("body:$.at")).to_json());
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->string_or("schema", ""), "banyan/rule-trial/1");
  EXPECT_EQ(parsed->find("findings")->items.size(), 1U);
  EXPECT_TRUE(parsed->find("findings")->items[0].bool_or("vanishes", false));
  EXPECT_EQ(parsed->find("after")->number_or("different", -1), 1);  // X-Build still differs.
}

TEST(ExpiryTest, ARuleCoversUpToItsLastMoment) {
  ComparatorOptions options;
  CompareRuleOptions rule;
  rule.ignore = {"body:$.a", "header:X-A", "status"};
  rule.expires_wall_ns = 1000;
  options.rules.push_back(rule);
  const auto rules = *CompiledRules::compile(options);
  const auto answer = [](std::string_view body, int status, std::string_view value) {
    LiftedAnswer out;
    out.status = status;
    out.fields = {{"Content-Type", "application/json"}, {"X-A", value}};
    out.body = body;
    out.has_body = true;
    return out;
  };
  const LiftedAnswer legacy = answer(R"({"a":1})", 200, "1");
  const LiftedAnswer candidate = answer(R"({"a":2})", 201, "2");
  const auto verdict = [&](std::int64_t now) {
    return compare_answers(*rules, "r", "GET", legacy, candidate, now).verdict;
  };
  EXPECT_EQ(verdict(999), Verdict::kTolerated);
  EXPECT_EQ(verdict(1000), Verdict::kDifferent);
  // What expires is another rule than what does not.
  options.rules[0].expires_wall_ns = 0;
  EXPECT_NE((*CompiledRules::compile(options))->version(), rules->version());
}

}  // namespace
}  // namespace banyan::comparator
