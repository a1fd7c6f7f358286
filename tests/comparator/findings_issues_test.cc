// SPDX-License-Identifier: Apache-2.0
//
// Issues of a whole store: listed, decided at once, followed over restarts and learned templates.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "comparator/findings.h"
#include "core/store/database.h"
#include "tests/comparator/findings_fixture.h"
#include "tests/support/records.h"

namespace banyan::comparator {
namespace {

using support::exchange_id;

class FindingsIssuesTest : public FindingsFixture {
 protected:
  static model::Difference scaled(const std::string& path, const std::string& rule = "") {
    model::Difference one;
    one.path = one.at = path;
    one.legacy = "1";
    one.candidate = "100";
    one.transition = rule.empty() ? "×100" : "";
    one.rule = rule;
    return one;
  }
  void ask(std::string_view route, std::string_view endpoint,
           std::vector<model::Difference> differences) {
    auto record = support::verdict(exchange_id(++last_), Verdict::kDifferent);
    record.route = route;
    record.endpoint = endpoint;
    record.at.wall_ns += static_cast<std::int64_t>(last_) * 1'000'000;
    record.differences = std::move(differences);
    log_.append(record);
  }
  std::vector<Issue> issues(const FindingFilter& filter = {}) {
    auto all = store_->issues(filter);
    EXPECT_TRUE(all.ok());
    return all.ok() ? *all : std::vector<Issue>();
  }

  std::uint64_t last_ = 0;
};

TEST_F(FindingsIssuesTest, JoinsWhatHasOneCauseAndCountsEachExchangeOnce) {
  // Both prices in one answer: two findings, one exchange.
  for (int i = 0; i < 3; ++i) {
    ask("orders", "GET /orders/{}", {scaled("body:$.price"), scaled("body:$.items[].price")});
  }
  ask("stock", "GET /stock/{}", {scaled("body:$.price")});
  ask("stock", "GET /stock/{}", {scaled("body:$.weight")});
  ask("stock", "GET /stock", {scaled("body:$.price", "ignore")});
  catch_up();
  const auto all = issues();
  ASSERT_EQ(all.size(), 1U);
  const Issue& price = all[0];
  EXPECT_EQ(price.label, "price: ×100");
  EXPECT_EQ(price.finding_count, 3U);
  EXPECT_EQ(price.findings.size(), 3U);
  EXPECT_EQ(price.open, 3U);
  EXPECT_EQ(price.exchanges, 4U);
  EXPECT_EQ(price.count, 7U);
  EXPECT_EQ(price.routes, (std::vector<std::string>{"orders", "stock"}));
  EXPECT_EQ(price.endpoints, (std::vector<std::string>{"GET /orders/{}", "GET /stock/{}"}));
  EXPECT_EQ(price.paths, (std::vector<std::string>{"body:$.items[].price", "body:$.price"}));
  EXPECT_LT(price.first_seen_wall_ns, price.last_seen_wall_ns);
  std::size_t members = 0;
  for (const Finding& finding : list()) members += finding.issue == price.id ? 1 : 0;
  EXPECT_EQ(members, 3U);
  // One alone is an issue too, but not listed.
  EXPECT_EQ(issues({.route = "stock", .state = {}}).size(), 1U);
  EXPECT_TRUE(issues({.route = "other", .state = {}}).empty());
  EXPECT_TRUE(issues({.route = "", .state = FindingState::kBug}).empty());
  for (const Finding& finding : list()) {
    const auto issue = store_->get_issue(finding.issue);
    ASSERT_TRUE(issue.ok()) << finding.issue;
    EXPECT_EQ(issue->finding_count, finding.issue == price.id ? 3U : 1U);
  }
  const auto explained = store_->explain("");
  ASSERT_TRUE(explained.ok());
  EXPECT_EQ(explained->exchanges, 5U);
  ASSERT_EQ(explained->steps.size(), 2U);
  EXPECT_EQ(explained->steps[0].decided_by(), price.id);
  EXPECT_EQ(explained->steps[0].explained, 4U);
  EXPECT_EQ(explained->steps[0].findings, 3U);
  EXPECT_EQ(explained->steps[1].decided_by(), explained->steps[1].finding);
}

TEST_F(FindingsIssuesTest, OneDecisionIsForAllOfItsFindings) {
  for (const char* endpoint : {"GET /a", "GET /b", "GET /c"}) {
    ask("orders", endpoint, {scaled("body:$.price")});
  }
  catch_up();
  const std::string id = issues().at(0).id;
  EXPECT_FALSE(store_->set_issue_state(id, FindingState::kAccepted, "ann", "", 0).ok());
  const auto accepted =
      store_->set_issue_state(id.substr(0, 5), FindingState::kAccepted, "ann", "cents", 0);
  ASSERT_TRUE(accepted.ok()) << accepted.error().message;
  EXPECT_EQ(accepted->accepted, 3U);
  EXPECT_EQ(accepted->open, 0U);
  for (const Finding& finding : list()) {
    EXPECT_EQ(finding.state, FindingState::kAccepted);
    EXPECT_EQ(finding.changed_by, "ann");
    EXPECT_EQ(finding.reason, "cents");
  }
  EXPECT_EQ(store_->explain("")->exchanges, 0U);
  // What comes later is open: nobody looked at it. Until that is decided the issue is to do.
  ask("orders", "GET /d", {scaled("body:$.price")});
  catch_up();
  EXPECT_EQ(issues().at(0).open, 1U);
  EXPECT_EQ(issues({.route = "", .state = FindingState::kOpen}).size(), 1U);
  // One of them may be decided otherwise, and all be opened again.
  ASSERT_TRUE(store_->set_state(list()[0].id, FindingState::kBug, "bob", "", 0).ok());
  EXPECT_EQ(issues().at(0).bug, 1U);
  ASSERT_TRUE(store_->set_issue_state(id, FindingState::kOpen, "bob", "", 0).ok());
  EXPECT_EQ(issues().at(0).open, 4U);
  // An acceptance that ends.
  const std::int64_t until = clock_.wall_ns() + 1'000'000'000;
  ASSERT_TRUE(store_->set_issue_state(id, FindingState::kAccepted, "ann", "x", until).ok());
  EXPECT_EQ(issues().at(0).accepted, 4U);
  clock_.advance_ns(2'000'000'000);
  EXPECT_EQ(issues().at(0).open, 4U);
}

TEST_F(FindingsIssuesTest, UnknownAndShortIdsAreErrors) {
  ask("orders", "GET /a", {scaled("body:$.price")});
  ask("orders", "GET /b", {scaled("body:$.weight")});
  catch_up();
  for (const char* id : {"", "i", "ix", "i0123456789abc", "i000000000000", "0123456789ab"}) {
    EXPECT_FALSE(store_->get_issue(id).ok()) << id;
    EXPECT_FALSE(store_->set_issue_state(id, FindingState::kBug, "ann", "", 0).ok()) << id;
  }
  for (const Finding& finding : list()) EXPECT_EQ(finding.state, FindingState::kOpen);
}

TEST_F(FindingsIssuesTest, AHeadersEndpointsAreListed) {
  model::Difference gone;
  gone.path = gone.at = "header:X-Total";
  gone.kind = DifferenceKind::kMissing;
  ask("orders", "GET /a", {gone});
  ask("orders", "GET /b", {gone});
  ask("stock", "GET /b", {gone});
  catch_up();
  ASSERT_EQ(issues().size(), 1U);
  EXPECT_EQ(issues()[0].label, "header X-Total: missing");
  EXPECT_EQ(issues()[0].finding_count, 2U);
  EXPECT_EQ(issues()[0].endpoint_count, 2U);
  EXPECT_EQ(issues()[0].exchanges, 3U);
}

// A file of an older version had sets of findings; they are counted again from what is there.
TEST_F(FindingsIssuesTest, AFileWithoutSetsOfIssuesGetsThem) {
  for (int i = 0; i < 4; ++i) {
    ask("orders", "GET /a", {scaled("body:$.price"), scaled("body:$.weight")});
  }
  ask("stock", "GET /b", {scaled("body:$.price"), scaled("body:$.t", "ignore")});
  ask("stock", "GET /b", {scaled("body:$.t", "ignore")});
  catch_up();
  const auto before = store_->explain("");
  store_.reset();
  {
    auto database = store::Database::open(file(), store::Database::Mode::kReadWrite);
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE((*database)->execute("DROP TABLE issue_sets; CREATE TABLE incidents (a)").ok());
    database->reset();
    auto reader = FindingsStore::open_read_only(file(), clock_);
    ASSERT_TRUE(reader.ok());
    EXPECT_EQ((*reader)->explain("")->exchanges, 0U);
    EXPECT_EQ((*reader)->issues({})->at(0).exchanges, 4U);  // at least so many
  }
  reopen();
  const auto after = store_->explain("");
  ASSERT_TRUE(before.ok() && after.ok());
  EXPECT_EQ(after->exchanges, 5U);
  EXPECT_EQ(after->exchanges, before->exchanges);
  EXPECT_EQ(after->explained(), before->explained());
  EXPECT_EQ(issues().at(0).exchanges, 5U);
  catch_up();
  EXPECT_EQ(store_->explain("stock")->exchanges, 1U);
}

// Likewise the tree of learned templates, which stood there as hex.
TEST_F(FindingsIssuesTest, AnOlderFilesTemplatesAreTakenOver) {
  std::vector<std::string> endpoints;
  for (char a = 'a'; a <= 'z'; ++a) {
    for (char b = 'a'; b <= 'z'; ++b) endpoints.push_back(std::string("GET /users/u") + a + b);
  }
  for (const std::string& endpoint : endpoints) ask("all", endpoint, {scaled("body:$.price")});
  catch_up();
  ASSERT_EQ(list().size(), 1U);
  store_.reset();
  {
    auto database = store::Database::open(file(), store::Database::Mode::kReadWrite);
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE((*database)
                    ->execute("INSERT INTO meta SELECT 'endpoints', lower(hex(bytes)) FROM "
                              "endpoint_tree; DROP TABLE endpoint_tree")
                    .ok());
  }
  reopen();
  ask("all", "GET /users/ada", {scaled("body:$.price")});
  catch_up();
  ASSERT_EQ(list().size(), 1U);
  EXPECT_EQ(list()[0].endpoint, "GET /users/{}");
  EXPECT_EQ(list()[0].exchanges, last_);
}

// An issue that went by a word of the path goes on by the template's, and its id leads there.
TEST_F(FindingsIssuesTest, IssuesFollowLearnedTemplates) {
  const auto word = [](std::size_t number) {
    std::string out = "u";
    for (; number > 0; number /= 26) out.push_back(static_cast<char>('a' + number % 26));
    return out;
  };
  std::vector<std::string> endpoints;
  for (std::size_t i = 0; i < 400; ++i) endpoints.push_back("GET /users/" + word(i + 1));
  model::Difference cut = scaled("body:$.name");
  cut.transition = "emptied";
  ask("all", endpoints[0], {cut});
  catch_up();
  const std::string before = list().at(0).issue;
  for (const std::string& endpoint : endpoints) ask("all", endpoint, {cut});
  catch_up();
  ASSERT_EQ(list().size(), 1U);
  EXPECT_EQ(list()[0].endpoint, "GET /users/{}");
  EXPECT_NE(list()[0].issue, before);
  const auto now = store_->get_issue(before);
  ASSERT_TRUE(now.ok());
  EXPECT_EQ(now->id, list()[0].issue);
  EXPECT_EQ(store_->explain("")->exchanges, last_);
  EXPECT_EQ(store_->explain("")->explained(), last_);
}

}  // namespace
}  // namespace banyan::comparator
