// SPDX-License-Identifier: Apache-2.0
#include "routing/routing_table.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "core/base/text.h"
#include "routing/session.h"
#include "tests/routing/routing_fixture.h"

namespace banyan::routing {
namespace {

class RoutingTableTest : public testing::Test {
 protected:
  support::MemoryFileSystem files_;
  std::unique_ptr<crypto::KeyRing> keys_ = test_keys(files_);

  RoutingTable table_of(std::vector<RouteOptions> options) {
    std::vector<Route> routes;
    for (RouteOptions& route : options) {
      const model::Dials dials = route.dials;
      routes.push_back({std::move(route), dials});
    }
    return RoutingTable(std::move(routes), 7, "salt", *keys_);
  }
  static RequestFacts facts(std::string_view method, std::string_view target) {
    RequestFacts out;
    out.method = method;
    out.host = "shop.example";
    out.target = target;
    out.client_address = "192.0.2.1";
    out.connection = 1;
    return out;
  }
};

TEST_F(RoutingTableTest, FirstMatchWinsAndTheRestIsUnmatched) {
  const auto table = table_of({route_named("one", "/a/*"), route_named("two", "/a/**")});
  EXPECT_EQ(table.decide(facts("GET", "/a/1")).route_name, "one");
  EXPECT_EQ(table.decide(facts("GET", "/a/1/2")).route_name, "two");
  const RouteDecision none = table.decide(facts("GET", "/b"));
  EXPECT_EQ(none.route, nullptr);
  EXPECT_EQ(none.route_name, kUnmatched);
  EXPECT_EQ(none.primary, System::kLegacy);
  EXPECT_EQ(none.mirror, MirrorDecision::kOff);
  EXPECT_EQ(none.session.size(), 32U);
  EXPECT_EQ(none.routing_epoch, 7U);
  EXPECT_EQ(table.find("two")->options.name, "two");
  EXPECT_EQ(table.find("three"), nullptr);
}

TEST_F(RoutingTableTest, MatchesMethods) {
  RouteOptions route = route_named("r");
  route.match.methods = {"GET", "FROB"};
  const auto table = table_of({route});
  EXPECT_EQ(table.decide(facts("GET", "/")).route_name, "r");
  EXPECT_EQ(table.decide(facts("FROB", "/")).route_name, "r");
  EXPECT_EQ(table.decide(facts("POST", "/")).route_name, kUnmatched);
  EXPECT_EQ(table.decide(facts("get", "/")).route_name, kUnmatched);
  EXPECT_EQ(table.decide(facts("FROBNICATE", "/")).route_name, kUnmatched);
}

TEST_F(RoutingTableTest, MatchesHosts) {
  RouteOptions exact = route_named("exact");
  exact.match.host = "Shop.Example";
  RouteOptions any = route_named("any");
  any.match.host = "*.example.org";
  const auto table = table_of({exact, any});
  const auto route_of = [&](std::string_view host) {
    RequestFacts request = facts("GET", "/");
    request.host = host;
    return std::string(table.decide(request).route_name);
  };
  EXPECT_EQ(route_of("shop.example"), "exact");
  EXPECT_EQ(route_of("SHOP.example:8080"), "exact");
  EXPECT_EQ(route_of("shop.example."), "exact");
  EXPECT_EQ(route_of("a.example.org"), "any");
  EXPECT_EQ(route_of("a.b.EXAMPLE.org:1"), "any");
  EXPECT_EQ(route_of("example.org"), "unmatched");
  EXPECT_EQ(route_of("badexample.org"), "unmatched");
  EXPECT_EQ(route_of("[::1]:80"), "unmatched");
  EXPECT_EQ(route_of(""), "unmatched");
}

TEST_F(RoutingTableTest, MatchesHeadersAndQuery) {
  RouteOptions header = route_named("header");
  header.match.headers = {{"X-Tenant", "acme"}, {"X-Beta", ""}};
  RouteOptions query = route_named("query");
  query.match.query = {{"v", "a b"}, {"debug", ""}};
  const auto table = table_of({header, query});
  http::HeaderList fields = {{"x-tenant", "other"}, {"X-TENANT", " acme "}, {"x-beta", "no"}};
  RequestFacts request = facts("GET", "/");
  request.fields = &fields;
  EXPECT_EQ(table.decide(request).route_name, "header");
  fields.pop_back();
  EXPECT_EQ(table.decide(request).route_name, kUnmatched);
  EXPECT_EQ(table.decide(facts("GET", "/?debug&v=a+b")).route_name, "query");
  EXPECT_EQ(table.decide(facts("GET", "/?x=1&%76=a%20b&debug=0")).route_name, "query");
  EXPECT_EQ(table.decide(facts("GET", "/?v=a+b")).route_name, kUnmatched);
  EXPECT_EQ(table.decide(facts("GET", "/?debug&v=c&v=a+b")).route_name, kUnmatched);
}

TEST_F(RoutingTableTest, RefusesMatchTablesThatCannotBeMeant) {
  MatchOptions match;
  EXPECT_TRUE(check_match(match).ok());
  match.methods = {"GE T"};
  EXPECT_FALSE(check_match(match).ok());
  for (const char* host : {"a.*.b", "shop:80", "shop.", "a b", "*"}) {
    match = {};
    match.host = host;
    EXPECT_FALSE(check_match(match).ok()) << host;
  }
  match = {};
  match.headers = {{"bad name", ""}};
  EXPECT_FALSE(check_match(match).ok());
  match = {};
  match.query = {{"", ""}};
  EXPECT_FALSE(check_match(match).ok());
  match = {};
  EXPECT_TRUE(matches_everything(match));
  match.path = "/**";
  EXPECT_TRUE(matches_everything(match));
  match.methods = {"GET"};
  EXPECT_FALSE(matches_everything(match));
}

TEST_F(RoutingTableTest, SharesOfZeroAndHundredNeedNoKey) {
  RouteOptions all = route_named("all", "/all", kShareWhole);
  all.sticky = StickyKind::kCookie;
  all.sticky_name = "session";
  const auto table = table_of({all, route_named("none", "/none", 0)});
  const RouteDecision candidate = table.decide(facts("GET", "/all"));
  EXPECT_EQ(candidate.primary, System::kCandidate);
  EXPECT_EQ(candidate.decision, "candidate: its share is 100.00");
  EXPECT_EQ(table.decide(facts("GET", "/none")).primary, System::kLegacy);
}

TEST_F(RoutingTableTest, WithoutItsStickyKeyAnExchangeGoesToLegacyAndTheConnectionIsItsSession) {
  RouteOptions route = route_named("r", "", 9999);
  route.sticky = StickyKind::kCookie;
  route.sticky_name = "session";
  const auto table = table_of({route});
  RequestFacts first = facts("GET", "/");
  RequestFacts second = first;
  second.connection = 2;
  const RouteDecision one = table.decide(first), two = table.decide(second);
  EXPECT_EQ(one.primary, System::kLegacy);
  EXPECT_EQ(one.decision, "legacy: no cookie session, candidate share is 99.99");
  EXPECT_NE(one.session, two.session);
  EXPECT_EQ(one.session, table.decide(first).session);
  const http::HeaderList empty = {{"Cookie", "session=; other=1"}};
  first.fields = &empty;
  EXPECT_EQ(table.decide(first).session, one.session);
  // A cookie cannot take another connection's session.
  const http::HeaderList forged = {{"Cookie", "session=0000000000000001"}};
  first.fields = &forged;
  EXPECT_NE(table.decide(first).session, one.session);
}

TEST_F(RoutingTableTest, ReadsStickyKeys) {
  const http::HeaderList fields = {{"cookie", "a=1; session=alpha; session=beta"},
                                   {"Cookie", "session=gamma"},
                                   {"X-User", " u1 "}};
  EXPECT_EQ(find_sticky_key(StickyKind::kCookie, "session", &fields, "").value, "alpha");
  EXPECT_EQ(find_sticky_key(StickyKind::kHeader, "x-user", &fields, "").value, "u1");
  EXPECT_EQ(find_sticky_key(StickyKind::kClientIp, "", &fields, "::1").value, "::1");
  EXPECT_FALSE(find_sticky_key(StickyKind::kCookie, "Session", &fields, "::1").is_present);
  EXPECT_FALSE(find_sticky_key(StickyKind::kHeader, "x-none", &fields, "::1").is_present);
  EXPECT_FALSE(find_sticky_key(StickyKind::kClientIp, "", nullptr, "").is_present);
}

TEST_F(RoutingTableTest, AMemoAnswersTheSameTokenAndFollowsItsKey) {
  RouteOptions route = route_named("r");
  route.sticky = StickyKind::kHeader;
  route.sticky_name = "X-User";
  const auto table = table_of({route});
  http::HeaderList fields = {{"X-User", "ada"}};
  RequestFacts request = facts("GET", "/");
  request.fields = &fields;
  const std::string ada = table.decide(request).session;
  SessionMemo memo;
  request.memo = &memo;
  EXPECT_EQ(table.decide(request).session, ada);
  EXPECT_EQ(memo.token, ada);
  EXPECT_EQ(table.decide(request).session, ada);
  fields[0].value = "bob";
  EXPECT_NE(table.decide(request).session, ada);
  // The connection's number spelt as a key is another session.
  fields[0].value = "0000000000000001";
  const std::string named = table.decide(request).session;
  fields.clear();
  EXPECT_NE(table.decide(request).session, named);
  EXPECT_EQ(ada, hex_of_bytes(keys_->token("session", "ada")));
}

TEST_F(RoutingTableTest, MirrorDecisionFollowsTheDials) {
  RouteOptions off = route_named("off", "/off");
  off.dials.mirror_share = 0;
  RouteOptions silent = route_named("silent", "/silent");
  silent.record = RecordMode::kOff;
  RouteOptions reads = route_named("reads", "/reads");
  RouteOptions writes = route_named("writes", "/writes");
  writes.dials.mirror_writes = true;
  RouteOptions few = route_named("few", "/few");
  few.dials.mirror_share = 1;
  RouteOptions search = route_named("search", "/search");
  search.treat_as_write = false;
  RouteOptions effect = route_named("effect", "/effect");
  effect.treat_as_write = true;
  const auto table = table_of({off, silent, reads, writes, few, search, effect});
  struct Case {
    const char* method;
    const char* target;
    MirrorDecision mirror;
    SkipReason skip;
    bool is_write;
  };
  const Case cases[] = {
      {"GET", "/off", MirrorDecision::kOff, SkipReason::kNone, false},
      {"GET", "/silent", MirrorDecision::kOff, SkipReason::kNone, false},
      {"GET", "/reads", MirrorDecision::kSelected, SkipReason::kNone, false},
      {"POST", "/reads", MirrorDecision::kSkipped, SkipReason::kWrite, true},
      {"POST", "/writes", MirrorDecision::kSelected, SkipReason::kNone, true},
      {"GET", "/few", MirrorDecision::kSkipped, SkipReason::kSampled, false},
      {"POST", "/few", MirrorDecision::kSkipped, SkipReason::kSampled, true},
      {"POST", "/search", MirrorDecision::kSelected, SkipReason::kNone, false},
      {"GET", "/effect", MirrorDecision::kSkipped, SkipReason::kWrite, true},
  };
  for (const Case& c : cases) {
    const RouteDecision decision = table.decide(facts(c.method, c.target));
    EXPECT_EQ(decision.mirror, c.mirror) << c.method << c.target;
    EXPECT_EQ(decision.skip, c.skip) << c.method << c.target;
    EXPECT_EQ(decision.is_write, c.is_write) << c.method << c.target;
    EXPECT_EQ(decision.durability, c.is_write ? Durability::kRequest : Durability::kInterval);
  }
}

TEST_F(RoutingTableTest, CarriesWhatTheRouteAsksFor) {
  RouteOptions route = route_named("r");
  route.durability = Durability::kNone;
  route.on_failure = OnFailure::kFailClosed;
  route.record = RecordMode::kHead;
  route.falls_back_to_legacy = true;
  const auto table = table_of({route});
  const RouteDecision decision = table.decide(facts("POST", "/"));
  EXPECT_EQ(decision.durability, Durability::kNone);
  EXPECT_EQ(decision.on_failure, OnFailure::kFailClosed);
  EXPECT_EQ(decision.record, RecordMode::kHead);
  EXPECT_TRUE(decision.falls_back_to_legacy);
  EXPECT_EQ(decision.route, table.find("r"));
}

TEST_F(RoutingTableTest, ExplainsWhoLostAndWhereTheSessionFalls) {
  RouteOptions post = route_named("post", "/a");
  post.match.methods = {"POST"};
  RouteOptions host = route_named("host", "/a");
  host.match.host = "other.example";
  RouteOptions winner = route_named("winner", "/a", 5000);
  winner.sticky = StickyKind::kHeader;
  winner.sticky_name = "X-User";
  const auto table = table_of({post, host, route_named("path", "/b"), winner, route_named("last")});
  RequestFacts request = facts("GET", "/a");
  const http::HeaderList fields = {{"X-User", "ada"}};
  request.fields = &fields;
  const auto explained = table.explain(request);
  EXPECT_EQ(explained.decision.route_name, "winner");
  ASSERT_EQ(explained.losers.size(), 4U);
  EXPECT_EQ(explained.losers[0].why, "method is none of POST");
  EXPECT_EQ(explained.losers[1].why, "host is not \"other.example\"");
  EXPECT_EQ(explained.losers[2].why, "path does not match \"/b\"");
  EXPECT_EQ(explained.losers[3].why, "matches too, but comes later in the file");
  EXPECT_EQ(explained.sticky_source, "header X-User");
  EXPECT_EQ(explained.answer_bucket < 50.0, explained.decision.primary == System::kCandidate);
  EXPECT_EQ(explained.decision.session, table.decide(request).session);
  request.fields = nullptr;
  EXPECT_EQ(table.explain(request).sticky_source, "connection (no header X-User)");
}

// Laws of the buckets, over 100,000 keys of the kinds that real clients have.
class BucketsTest : public testing::Test {
 protected:
  static constexpr int kKeys = 100'000;
  static std::vector<std::string> keys(int kind) {
    std::vector<std::string> out;
    for (int i = 0; i < kKeys; ++i) {
      switch (kind) {
        case 0: out.push_back(std::to_string(i)); break;
        case 1:
          out.push_back("10." + std::to_string(i >> 16) + "." + std::to_string((i >> 8) & 255) +
                        "." + std::to_string(i & 255));
          break;
        default: out.push_back("session-0123456789abcdef-" + std::to_string(i * 7919LL));
      }
    }
    return out;
  }
};

TEST_F(BucketsTest, SpreadEvenlyAndIndependently) {
  const Buckets buckets("fixed salt of this test");
  for (int kind = 0; kind < 3; ++kind) {
    std::array<int, 100> answer{}, mirror{};
    std::array<int, 100> joint{};
    for (const std::string& key : keys(kind)) {
      const std::uint32_t a = buckets.answer(key), m = buckets.mirror(key);
      ASSERT_LT(a, kShareWhole);
      ASSERT_LT(m, kShareWhole);
      ++answer[a / 100];
      ++mirror[m / 100];
      ++joint[a / 1000 * 10 + m / 1000];
    }
    const auto chi_square = [](const std::array<int, 100>& counts) {
      double sum = 0;
      for (const int count : counts) sum += std::pow(count - kKeys / 100.0, 2) / (kKeys / 100.0);
      return sum;
    };
    // 99 degrees of freedom: 1 in 100,000 lies beyond 167.
    EXPECT_LT(chi_square(answer), 167) << kind;
    EXPECT_LT(chi_square(mirror), 167) << kind;
    EXPECT_LT(chi_square(joint), 167) << kind;
  }
}

TEST_F(BucketsTest, EveryHundredthOfAPercentIsReached) {
  const Buckets buckets("s");
  std::vector<int> seen(kShareWhole);
  for (int i = 0; i < 300'000; ++i) ++seen[buckets.answer(std::to_string(i))];
  // 30 expected in each of 10,000; an empty one would have a chance of 1e-9.
  for (const int count : seen) EXPECT_GT(count, 0);
}

TEST_F(RoutingTableTest, GrowingAShareNeverMovesASessionBack) {
  constexpr std::array<std::uint32_t, 9> kShares = {0, 1, 100, 500, 2500, 5000, 9900, 9999, 10000};
  std::vector<std::unique_ptr<RoutingTable>> tables;
  for (const std::uint32_t share : kShares) {
    RouteOptions route = route_named("r", "", share);
    route.sticky = StickyKind::kHeader;
    route.sticky_name = "U";
    tables.emplace_back(new RoutingTable(table_of({route})));
  }
  std::array<int, 9> asked{}, candidates{};
  SessionMemo memo;
  for (int i = 0; i < 100'000; ++i) {
    const std::string user = "user-" + std::to_string(i);
    const http::HeaderList fields = {{"U", user}};
    RequestFacts request = facts("GET", "/");
    request.fields = &fields;
    request.memo = &memo;
    // One step of growth per user, all steps in turn.
    bool was_candidate = false;
    const std::size_t step = static_cast<std::size_t>(i) % (kShares.size() - 1);
    for (const std::size_t k : {step, step + 1}) {
      const bool is_candidate = tables[k]->decide(request).primary == System::kCandidate;
      ASSERT_TRUE(is_candidate || !was_candidate) << user << " at " << kShares[k];
      was_candidate = is_candidate;
      ++asked[k];
      candidates[k] += is_candidate ? 1 : 0;
    }
  }
  for (std::size_t k = 0; k < kShares.size(); ++k) {
    // Within 5 standard deviations of the share.
    const double p = kShares[k] / 10000.0;
    EXPECT_NEAR(candidates[k], asked[k] * p, 5 * std::sqrt(asked[k] * p * (1 - p)) + 0.5);
  }
}

TEST_F(RoutingTableTest, BucketsAreStableAcrossVersions) {
  // A fleet with one salt and a mixed set of versions must agree; never change these numbers.
  const Buckets buckets("fleet");
  EXPECT_EQ(buckets.answer("192.0.2.1"), 7024U);
  EXPECT_EQ(buckets.mirror("192.0.2.1"), 2607U);
}

TEST_F(RoutingTableTest, WorkersSeeANewTableWhileItIsPublished) {
  RoutingCell cell;
  const auto publish = [&](std::uint64_t epoch) {
    std::vector<Route> routes{{route_named("r"), {}}};
    routes[0].dials.candidate_share = static_cast<std::uint32_t>(epoch % 2) * kShareWhole;
    cell.publish(std::make_shared<const RoutingTable>(std::move(routes), epoch, "s", *keys_));
  };
  publish(2);
  constexpr std::uint64_t kLast = 500;
  std::vector<std::thread> workers;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 3; ++i) {
    workers.emplace_back([&] {
      std::shared_ptr<const RoutingTable> held;
      std::uint64_t seen = 0;
      while (seen < kLast) {
        const RoutingTable& table = cell.load(held);
        const RouteDecision decision = table.decide(facts("GET", "/"));
        if (decision.routing_epoch < seen) ++wrong;
        seen = decision.routing_epoch;
        if ((decision.primary == System::kCandidate) != (seen % 2 == 1)) ++wrong;
      }
    });
  }
  for (std::uint64_t epoch = 3; epoch <= kLast; ++epoch) publish(epoch);
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace banyan::routing
