// SPDX-License-Identifier: Apache-2.0
#include "comparator/findings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "comparator/latency_histogram.h"
#include "tests/comparator/findings_fixture.h"
#include "tests/support/records.h"

namespace banyan::comparator {
namespace {

using support::exchange_id;

class FindingsTest : public FindingsFixture {
 protected:
  static model::Difference difference(const std::string& path, const std::string& rule = "",
                                      const std::string& transition = "number→string") {
    model::Difference one;
    one.path = path;
    one.at = path;
    one.kind = DifferenceKind::kType;
    one.legacy = "1";
    one.candidate = "\"1\"";
    one.rule = rule;
    one.transition = transition;
    return one;
  }
  static model::VerdictRecord different(std::uint64_t counter,
                                        std::vector<model::Difference> differences,
                                        std::string_view endpoint = "GET /orders/{}") {
    auto record = support::verdict(exchange_id(counter), Verdict::kDifferent);
    record.endpoint = endpoint;
    record.at.wall_ns += static_cast<std::int64_t>(counter) * 1'000'000;
    record.differences = std::move(differences);
    record.legacy_duration_ns = 10'000'000;
    record.candidate_duration_ns = 40'000'000;
    return record;
  }
};

TEST_F(FindingsTest, GroupsByRouteEndpointPathKindAndTransition) {
  for (std::uint64_t i = 1; i <= 20; ++i) {
    log_.append(different(i, {difference("body:$.items[].price"),
                              difference("body:$.items[].price"), difference("body:$.id")}));
  }
  log_.append(different(21, {difference("body:$.id")}, "GET /stock/{}"));
  log_.append(different(22, {difference("body:$.id", "", "string→null")}));
  catch_up(7);
  const auto findings = list();
  ASSERT_EQ(findings.size(), 4U);
  std::uint64_t prices = 0;
  for (const Finding& one : findings) {
    EXPECT_EQ(one.id.size(), 12U);
    if (one.path != "body:$.items[].price") continue;
    ++prices;
    EXPECT_EQ(one.count, 40U);
    EXPECT_EQ(one.exchanges, 20U);
    EXPECT_EQ(one.kind, "type");
    EXPECT_EQ(one.example_candidate, "\"1\"");
    ASSERT_EQ(one.exemplars.size(), 8U);
    EXPECT_EQ(one.exemplars.front(), exchange_id(1).to_string());
    EXPECT_NE(std::find(one.exemplars.begin(), one.exemplars.end(), exchange_id(20).to_string()),
              one.exemplars.end());
  }
  EXPECT_EQ(prices, 1U);
}

TEST_F(FindingsTest, WhatAnErasedSubjectShowedIsGoneFromTheFile) {
  auto hers = difference("body:$.name");
  hers.legacy = "planted";
  log_.append(different(1, {hers}));
  log_.append(different(2, {hers}));
  log_.append(different(3, {difference("body:$.name")}));
  log_.append(different(4, {difference("body:$.id")}, "GET /planted"));
  log_.append(different(4, {difference("header:X")}, "GET /planted"));
  catch_up();
  ASSERT_EQ(list().size(), 3U);
  const auto touched =
      store_->erase({exchange_id(1), exchange_id(2), exchange_id(4)}, {"GET /planted"});
  ASSERT_TRUE(touched.ok()) << touched.error().message;
  EXPECT_EQ(*touched, 3U);
  auto left = list();
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0].count, 1U);
  EXPECT_EQ(left[0].exemplars, std::vector<std::string>{exchange_id(3).to_string()});
  EXPECT_EQ(left[0].example_legacy, "");
  EXPECT_FALSE(*store_->locate(exchange_id(1)));
  ASSERT_EQ(store_->latency()->size(), 1U);
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string content(std::istreambuf_iterator<char>(file), {});
    EXPECT_EQ(content.find("planted"), std::string::npos) << entry.path();
  }
  // The next occurrence gives another example; and once more, of nobody: nothing happens.
  log_.append(different(5, {difference("body:$.name")}));
  catch_up();
  EXPECT_EQ(list()[0].example_legacy, "1");
  EXPECT_EQ(list()[0].exchanges, 2U);
  EXPECT_EQ(*store_->erase({}, {}), 0U);
}

TEST_F(FindingsTest, AHeaderIsOneFindingPerRouteAndListsItsEndpoints) {
  log_.append(different(1, {difference("header:Content-Type")}, "GET /a"));
  log_.append(different(2, {difference("header:content-type")}, "GET /b"));
  catch_up();
  const auto findings = list();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].endpoint, "*");
  EXPECT_EQ(findings[0].endpoints, (std::vector<std::string>{"GET /a", "GET /b"}));
}

TEST_F(FindingsTest, TellsWhichFewExplainMost) {
  const auto ask = [this](std::uint64_t counter, std::vector<model::Difference> differences) {
    log_.append(different(counter, std::move(differences)));
  };
  for (std::uint64_t i = 1; i <= 10; ++i) {
    ask(i, {difference("body:$.a"), difference("body:$.b"), difference("body:$.t", "ignore")});
  }
  for (std::uint64_t i = 11; i <= 13; ++i) ask(i, {difference("body:$.c")});
  ask(14, {difference("body:$.t", "ignore")});
  catch_up();
  const auto explained = store_->explain("");
  ASSERT_TRUE(explained.ok());
  EXPECT_EQ(explained->exchanges, 13U);  // what a rule covers is nothing to decide
  ASSERT_EQ(explained->steps.size(), 3U);
  EXPECT_EQ(explained->steps[0].explained, 0U);
  EXPECT_EQ(explained->steps[1].explained, 10U);
  EXPECT_EQ(explained->steps[2].explained, 13U);
  EXPECT_EQ(store_->explain("orders")->exchanges, 13U);
  EXPECT_EQ(store_->explain("other")->exchanges, 0U);
  // Decided ones are needed no more.
  const std::string first = explained->steps[0].finding;
  ASSERT_TRUE(store_->set_state(first, FindingState::kAccepted, "ann", "known", 0).ok());
  const auto later = store_->explain("");
  ASSERT_EQ(later->steps.size(), 2U);
  EXPECT_EQ(later->steps[0].explained, 10U);
  // A later generation takes its exchange back, and so does an erasure.
  auto equal = different(1, {});
  equal.generation = 2;
  equal.has_previous = true;
  log_.append(equal);
  catch_up();
  EXPECT_EQ(store_->explain("")->exchanges, 12U);
  ASSERT_TRUE(store_->erase({exchange_id(2)}, {}).ok());
  EXPECT_EQ(store_->explain("")->exchanges, 11U);
  for (int i = 0; i < 3; ++i) reopen();
  catch_up();
  EXPECT_EQ(store_->explain("")->exchanges, 11U);
}

// Between the first and the latest ones stand requests of other kinds.
TEST_F(FindingsTest, ExemplarsAreVaried) {
  for (std::uint64_t i = 1; i <= 60; ++i) {
    auto one = different(i, {difference("body:$.a")});
    one.request_shape = i == 17 ? 7 : i == 40 ? 8 : 5;
    if (i == 25) one.legacy_status = 404;
    log_.append(one);
  }
  catch_up();
  const auto exemplars = store_->get(list()[0].id)->exemplars;
  ASSERT_EQ(exemplars.size(), 8U);
  EXPECT_EQ(exemplars, list()[0].exemplars);
  const std::vector<std::uint64_t> wanted = {1, 2, 60, 59, 17, 25, 40, 3};
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(exemplars[i], exchange_id(wanted[i]).to_string()) << i;
  }
}

// Past the bound a new set takes the place of the rarest, and no exchange is lost from the sum.
TEST_F(FindingsTest, SetsOfFindingsAreBounded) {
  constexpr std::uint64_t kOften = 50;
  std::uint64_t counter = 0;
  for (std::uint64_t i = 0; i < kOften; ++i) {
    log_.append(different(++counter, {difference("body:$.often")}));
  }
  for (int i = 0; i < 202; ++i) {
    for (int k = 0; k < i; ++k) {
      log_.append(different(++counter, {difference("body:$.f" + std::to_string(i)),
                                        difference("body:$.f" + std::to_string(k))}));
    }
  }
  catch_up(100'000);
  ASSERT_GT(counter - kOften, 20'000U);
  const auto explained = store_->explain("");
  ASSERT_TRUE(explained.ok());
  EXPECT_EQ(explained->exchanges, counter);
  ASSERT_FALSE(explained->steps.empty());
  EXPECT_EQ(explained->steps[0].explained, kOften);
}

// A finding for each of a few users; then so many come that their names are seen to be names.
class FindingsEndpointTest : public FindingsTest {
 protected:
  static std::string user(std::size_t number) {
    std::string out = "u";
    for (; number > 0; number /= 26) out.push_back(static_cast<char>('a' + number % 26));
    return out;
  }
  void ask(const std::string& endpoint, std::vector<model::Difference> differences = {}) {
    model::VerdictRecord record = different(++last_, std::move(differences), endpoint);
    record.legacy_duration_ns = record.candidate_duration_ns = 1'000'000;
    log_.append(record);
  }
  void ask_many(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) ask("GET /users/" + user(100 + i));
  }
  std::uint64_t last_ = 0;
};

TEST_F(FindingsEndpointTest, FindingsOfOneTemplateBecomeOne) {
  for (int i = 0; i < 20; ++i) ask("GET /users/me", {difference("body:$.id")});
  for (std::size_t i = 0; i < 3; ++i) {
    ask("GET /users/" + user(i), {difference("body:$.id"), difference("header:X-A")});
  }
  ask("GET /users/" + user(3), {difference("body:$.name")});
  catch_up();
  ASSERT_EQ(list().size(), 6U);
  std::vector<std::string> ids;
  for (const Finding& finding : list()) ids.push_back(finding.id);
  ask_many(300);
  catch_up(50);
  ask("GET /users/ada", {difference("body:$.id")});
  catch_up();
  const auto after = list();
  ASSERT_EQ(after.size(), 4U);
  std::map<std::string, Finding> found;
  for (const Finding& finding : after) found[finding.endpoint + " " + finding.path] = finding;
  EXPECT_EQ(found.at("GET /users/me body:$.id").exchanges, 20U);
  const Finding& one = found.at("GET /users/{} body:$.id");
  EXPECT_EQ(one.exchanges, 4U);
  EXPECT_EQ(one.count, 4U);
  EXPECT_EQ(one.exemplars.size(), 4U);
  EXPECT_FALSE(one.example_at.empty());
  EXPECT_EQ(found.at("GET /users/{} body:$.name").exchanges, 1U);
  EXPECT_EQ(found.at("* header:X-A").endpoints, (std::vector<std::string>{"GET /users/{}"}));
  // An id from before leads to what its finding became.
  for (const std::string& id : ids) {
    const auto now = store_->get(id);
    ASSERT_TRUE(now.ok()) << id;
    EXPECT_TRUE(now->endpoint == "*" || now->endpoint == "GET /users/me" ||
                now->endpoint == "GET /users/{}");
  }
  const auto latency = store_->latency();
  ASSERT_TRUE(latency.ok());
  std::uint64_t pairs = 0;
  for (const EndpointLatency& entry : *latency) pairs += entry.pairs;
  EXPECT_EQ(latency->size(), 2U);
  EXPECT_EQ(pairs, last_);
  EXPECT_EQ(store_->endpoint_stats().collapsed, 1U);
  // The sets that came together follow: the id of both endpoints (one issue), that with a header,
  // the name.
  const auto explained = store_->explain("");
  ASSERT_TRUE(explained.ok());
  EXPECT_EQ(explained->exchanges, 25U);
  EXPECT_EQ(explained->explained(), 25U);
  EXPECT_EQ(explained->steps.size(), 3U);
  // A later generation takes back from the merged one.
  const std::string endpoint = "GET /users/" + user(0);
  model::VerdictRecord equal = different(21, {}, endpoint);
  equal.generation = 2;
  equal.has_previous = true;
  log_.append(equal);
  catch_up();
  EXPECT_EQ(store_->get(one.id)->exchanges, 3U);
}

TEST_F(FindingsEndpointTest, PathsThatNeitherSystemKnowsAreOne) {
  for (std::size_t i = 0; i < 100; ++i) {
    const std::string endpoint = "GET /" + user(i) + "/admin";
    model::VerdictRecord record = different(++last_, {difference("body")}, endpoint);
    record.legacy_status = 404;
    record.candidate_status = i < 99 ? 404 : 200;
    log_.append(record);
  }
  catch_up();
  const auto after = list();
  ASSERT_EQ(after.size(), 2U);
  EXPECT_EQ(after[0].endpoint, "GET /{}/{}");
  EXPECT_EQ(after[0].exchanges, 99U);
  EXPECT_EQ(after[1].endpoint, "GET /" + user(99) + "/admin");
}

TEST_F(FindingsEndpointTest, WhatAPersonSaidIsKeptButHidesNothingNew) {
  ask("GET /users/" + user(1),
      {difference("body:$.a"), difference("body:$.b"), difference("body:$.c")});
  catch_up();
  for (const Finding& finding : list()) {
    ASSERT_TRUE(
        store_
            ->set_state(finding.id,
                        finding.path == "body:$.c" ? FindingState::kBug : FindingState::kAccepted,
                        "ann", "known", 0)
            .ok());
  }
  ask("GET /users/" + user(2), {difference("body:$.b"), difference("body:$.c")});
  ask_many(300);
  catch_up();
  const auto after = list();
  ASSERT_EQ(after.size(), 3U);
  for (const Finding& finding : after) {
    SCOPED_TRACE(finding.path);
    EXPECT_EQ(finding.endpoint, "GET /users/{}");
    if (finding.path == "body:$.a") {
      EXPECT_EQ(finding.state, FindingState::kAccepted);
      EXPECT_EQ(finding.reason, "known");
    } else if (finding.path == "body:$.b") {
      EXPECT_EQ(finding.state, FindingState::kOpen);
      EXPECT_EQ(finding.reason, "accepted before its endpoints became one: known");
    } else {
      EXPECT_EQ(finding.state, FindingState::kBug);
    }
  }
}

// However the fold is cut into transactions and restarts, the names are the same.
TEST_F(FindingsEndpointTest, RestartsAndCrashesLearnTheSame) {
  for (int i = 0; i < 20; ++i) ask("GET /users/me", {difference("body:$.id")});
  for (std::size_t i = 0; i < 250; ++i) ask("GET /users/" + user(i), {difference("body:$.id")});
  for (int i = 0; i < 40; ++i) {
    reopen();
    ASSERT_TRUE(store_->catch_up(log_, 7).ok());
  }
  catch_up();
  const auto after = list();
  ASSERT_EQ(after.size(), 2U);
  EXPECT_EQ(after[0].endpoint, "GET /users/{}");
  EXPECT_EQ(after[0].exchanges, 250U);
  EXPECT_EQ(after[1].exchanges, 20U);
}

TEST_F(FindingsEndpointTest, AnErasedSubjectsWordIsGone) {
  ask("GET /users/secretname", {difference("body:$.id")});
  ask("GET /users/other", {difference("body:$.id")});
  catch_up();
  ASSERT_TRUE(store_->erase({exchange_id(1)}, {"GET /users/secretname"}).ok());
  catch_up();
  store_.reset();
  for (const auto& file : std::filesystem::directory_iterator(directory_)) {
    std::ifstream in(file.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    EXPECT_EQ(bytes.find("secretname"), std::string::npos) << file.path();
    EXPECT_EQ(bytes.find("7365637265746e616d65"), std::string::npos) << file.path();  // as hex
  }
}

TEST_F(FindingsTest, EachVerdictCountsOnceOverRestartsAndRepeats) {
  log_.append(different(1, {difference("body:$.id")}));
  log_.append(different(2, {difference("body:$.id")}));
  log_.append(different(2, {difference("body:$.id")}));
  for (int i = 0; i < 4; ++i) {
    reopen();
    ASSERT_TRUE(store_->catch_up(log_, 1).ok());
  }
  catch_up();
  EXPECT_EQ(list()[0].exchanges, 2U);
}

TEST_F(FindingsTest, OnlyDurableVerdictsOfTheLiveMirrorCount) {
  auto of_run = different(1, {difference("body:$.id")});
  of_run.run = RunId{4};
  log_.append(of_run);
  log_.hold_durable(true);
  log_.append(different(2, {difference("body:$.id")}));
  catch_up();
  EXPECT_TRUE(list().empty());
  log_.make_durable();
  catch_up();
  EXPECT_EQ(list().size(), 1U);
}

TEST_F(FindingsTest, ANewerGenerationReplacesWhatItsExchangeContributed) {
  log_.append(different(1, {difference("body:$.id"), difference("body:$.total")}));
  log_.append(different(2, {difference("body:$.id")}));
  catch_up();
  auto later = different(1, {difference("body:$.total")});
  later.generation = 2;
  later.has_previous = true;
  later.previous = Verdict::kDifferent;
  log_.append(later);
  auto equal = different(2, {});
  equal.generation = 2;
  equal.has_previous = true;
  log_.append(equal);
  catch_up();
  const auto findings = list();
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].path, "body:$.total");
  EXPECT_EQ(findings[0].exchanges, 1U);
  EXPECT_EQ(findings[0].count, 1U);
}

TEST_F(FindingsTest, WhatEveryRuleCoversIsNotOpen) {
  log_.append(different(1, {difference("body:$.at", "ignore body:$.at")}));
  catch_up();
  ASSERT_EQ(list().size(), 1U);
  EXPECT_EQ(list()[0].tolerated_by, "ignore body:$.at");
  FindingFilter open;
  open.state = FindingState::kOpen;
  EXPECT_TRUE(list(open).empty());
  log_.append(different(2, {difference("body:$.at")}));
  catch_up();
  ASSERT_EQ(list(open).size(), 1U);
  EXPECT_EQ(list(open)[0].tolerated_by, "");
}

TEST_F(FindingsTest, AStateIsSetByAPersonAndMayEnd) {
  log_.append(different(1, {difference("body:$.id")}));
  catch_up();
  const std::string id = list()[0].id;
  EXPECT_FALSE(store_->set_state(id, FindingState::kAccepted, "ann", "", 0).ok());
  auto accepted = store_->set_state(id.substr(0, 6), FindingState::kAccepted, "ann", "known",
                                    clock_.wall_ns() + 1'000);
  ASSERT_TRUE(accepted.ok()) << accepted.error().message;
  EXPECT_EQ(accepted->state, FindingState::kAccepted);
  EXPECT_EQ(accepted->reason, "known");
  EXPECT_EQ(accepted->changed_by, "ann");
  clock_.advance_ns(1'000);
  EXPECT_EQ(store_->get(id)->state, FindingState::kOpen);
  EXPECT_EQ(store_->set_state(id, FindingState::kBug, "bob", "", 0)->state, FindingState::kBug);
  reopen();
  EXPECT_EQ(store_->get(id)->state, FindingState::kBug);
  EXPECT_EQ(store_->set_state(id, FindingState::kOpen, "bob", "", 0)->state, FindingState::kOpen);
}

TEST_F(FindingsTest, UnknownAndAmbiguousIdsAreNamed) {
  for (std::uint64_t i = 1; i <= 40; ++i) {
    log_.append(different(i, {difference("body:$.f" + std::to_string(i))}));
  }
  catch_up();
  EXPECT_EQ(store_->get("zz'; DROP TABLE findings").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store_->get("").error().code, ErrorCode::kNotFound);
  bool was_ambiguous = false;
  for (const char digit : std::string("0123456789abcdef")) {
    const auto one = store_->get(std::string(1, digit));
    was_ambiguous |= !one.ok() && one.error().code == ErrorCode::kInvalidArgument;
  }
  EXPECT_TRUE(was_ambiguous);
  FindingFilter filter;
  filter.limit = 3;
  EXPECT_EQ(list(filter).size(), 3U);
  filter.route = "elsewhere";
  EXPECT_TRUE(list(filter).empty());
}

TEST_F(FindingsTest, LatencyHoldsBothSystemsOfEveryFirstVerdict) {
  for (std::uint64_t i = 1; i <= 100; ++i) {
    auto record = different(i, {});
    record.verdict = Verdict::kEqual;
    log_.append(record);
  }
  auto later = different(1, {});
  later.has_previous = true;
  log_.append(later);
  catch_up(30);
  const auto latency = store_->latency();
  ASSERT_TRUE(latency.ok());
  ASSERT_EQ(latency->size(), 1U);
  EXPECT_EQ((*latency)[0].pairs, 100U);
  EXPECT_NEAR((*latency)[0].legacy_p50_ms, 10, 0.2);
  EXPECT_NEAR((*latency)[0].candidate_p95_ms, 40, 0.8);
}

TEST_F(FindingsTest, LazyWritingWaitsForASecondAndLosesNothing) {
  const auto equal = [&](std::uint64_t i) {
    auto record = different(i, {});
    record.verdict = Verdict::kEqual;
    log_.append(record);
  };
  const auto follow = [&] {
    const auto more = store_->catch_up(log_, 1000, FindingsStore::Writing::kLazily);
    ASSERT_TRUE(more.ok()) << more.error().message;
    EXPECT_FALSE(*more);
  };
  // What a crash would leave, asked without waking the store itself.
  const auto written = [&]() -> std::uint64_t {
    auto reader = FindingsStore::open_read_only(directory_ + "/findings.sqlite", clock_);
    if (!reader.ok()) return 0;
    const auto latency = (*reader)->latency();
    return latency.ok() && !latency->empty() ? (*latency)[0].pairs : 0;
  };
  equal(1);
  clock_.advance_ns(2'000'000'000);
  follow();
  EXPECT_EQ(written(), 1U);
  equal(2);
  follow();
  EXPECT_EQ(written(), 1U);
  clock_.advance_ns(999'999'999);
  follow();
  EXPECT_EQ(written(), 1U);
  clock_.advance_ns(1);
  follow();
  EXPECT_EQ(written(), 2U);
  // Somebody asks; and a difference takes everything before it along.
  equal(3);
  follow();
  EXPECT_EQ(written(), 2U);
  catch_up();
  EXPECT_EQ(written(), 3U);
  equal(4);
  follow();
  log_.append(different(5, {difference("body:$.a")}));
  follow();
  EXPECT_EQ(written(), 5U);
  EXPECT_EQ(list().size(), 1U);
  // A regular end writes the rest.
  equal(6);
  follow();
  EXPECT_EQ(written(), 5U);
  reopen();
  EXPECT_EQ(written(), 6U);
  catch_up();
  EXPECT_EQ(written(), 6U);
}

TEST_F(FindingsTest, WhatACrashLosesFromMemoryIsFoldedAgainOnce) {
  const auto equal = [&](std::uint64_t i) {
    auto record = different(i, {});
    record.verdict = Verdict::kEqual;
    log_.append(record);
  };
  equal(1);
  catch_up();
  equal(2);
  ASSERT_TRUE(store_->catch_up(log_, 1000, FindingsStore::Writing::kLazily).ok());
  const std::string path = directory_ + "/findings.sqlite";
  const std::string crashed = directory_ + "/crashed.sqlite";
  for (const char* suffix : {"", "-wal"}) {
    if (std::filesystem::exists(path + suffix)) {
      std::filesystem::copy_file(path + suffix, crashed + suffix);
    }
  }
  auto again = FindingsStore::open(crashed, clock_);
  ASSERT_TRUE(again.ok()) << again.error().message;
  const auto pairs = [&]() -> std::uint64_t {
    const auto latency = (*again)->latency();
    return latency.ok() && !latency->empty() ? (*latency)[0].pairs : 0;
  };
  EXPECT_EQ(pairs(), 1U);
  ASSERT_TRUE((*again)->catch_up(log_, 1000).ok());
  EXPECT_EQ(pairs(), 2U);
  ASSERT_TRUE((*again)->catch_up(log_, 1000).ok());
  EXPECT_EQ(pairs(), 2U);
}

TEST_F(FindingsTest, KnowsWhereTheRequestOfADifferentExchangeLies) {
  log_.append(support::request(exchange_id(1)));
  const Offset second = log_.append(support::request(exchange_id(2)));
  auto verdict = different(2, {difference("body:$.id")});
  verdict.request_stream = "main";
  verdict.request_offset = second;
  log_.append(verdict);
  catch_up();
  const auto place = store_->locate(exchange_id(2));
  ASSERT_TRUE(place.ok() && place->has_value());
  EXPECT_EQ((*place)->stream, "main");
  EXPECT_EQ((*place)->next, second);
  EXPECT_FALSE(store_->locate(exchange_id(1))->has_value());
}

TEST_F(FindingsTest, ReadOnlySeesWhatTheWriterCommitted) {
  log_.append(different(1, {difference("body:$.id")}));
  catch_up();
  auto reader = FindingsStore::open_read_only(directory_ + "/findings.sqlite", clock_);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->list({})->size(), 1U);
  EXPECT_FALSE((*reader)->catch_up(log_, 1).ok());
}

// The formula that the buckets are defined by; at their very edges rounding may decide.
TEST(LatencyHistogramTest, BucketsAreThoseOfTheFormula) {
  std::mt19937_64 random(20261124);
  for (int i = 0; i < 200'000; ++i) {
    const auto ns = static_cast<std::int64_t>(random() >> (1 + random() % 60));
    const int bucket = LatencyHistogram::bucket_of(ns);
    if (ns <= 1'000) {
      EXPECT_EQ(bucket, 0);
      continue;
    }
    const double steps =
        std::log(static_cast<double>(ns) / 1'000.0) / std::log(LatencyHistogram::kGamma);
    const double edge = std::abs(steps - std::round(steps));
    const double wanted = std::min<double>(std::ceil(steps), LatencyHistogram::kBucketMax);
    EXPECT_NEAR(bucket, wanted, edge < 0.05 ? 1 : 0) << ns;
  }
}

TEST(LatencyHistogramTest, StaysWithinOnePercent) {
  for (std::int64_t ns = 2'000; ns < 100'000'000'000; ns = ns * 13 / 10 + 1) {
    LatencyHistogram histogram;
    histogram.add(LatencyHistogram::bucket_of(ns), 1);
    const double ms = static_cast<double>(ns) / 1e6;
    EXPECT_NEAR(histogram.quantile_ms(0.5), ms, ms * 0.0101);
  }
  EXPECT_EQ(LatencyHistogram().quantile_ms(0.5), 0);
  EXPECT_EQ(LatencyHistogram::bucket_of(0), 0);
  EXPECT_EQ(LatencyHistogram::bucket_of(INT64_MAX), LatencyHistogram::bucket_of(INT64_MAX - 1));
}

}  // namespace
}  // namespace banyan::comparator
