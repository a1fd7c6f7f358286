// SPDX-License-Identifier: Apache-2.0
#include "core/net/endpoints.h"
#include "tests/support/times.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <thread>

namespace banyan::net {
namespace {

constexpr std::int64_t kStart = 1000 * kSecond;

UpstreamAddress address(int number) {
  UpstreamAddress made;
  made.text = "10.0.0." + std::to_string(number) + ":80";
  made.socket_address = "sockaddr of " + std::to_string(number);
  return made;
}

std::vector<UpstreamAddress> addresses(int count) {
  std::vector<UpstreamAddress> made;
  for (int i = 0; i < count; ++i) made.push_back(address(i));
  return made;
}

struct EndpointsTest : ::testing::Test {
  void make(int count, EndpointsOptions options = {}) {
    endpoints = std::make_unique<Endpoints>("", options);
    endpoints->set_addresses(addresses(count), now);
  }
  const EndpointSet& set() { return endpoints->load(held); }
  Endpoint& at(std::size_t index) { return set().at(index); }
  std::size_t choose() { return set().choose(now, dice); }
  // How often each is chosen while nothing is in flight.
  std::map<std::size_t, int> choices(int times) {
    std::map<std::size_t, int> counts;
    for (int i = 0; i < times; ++i) ++counts[choose()];
    return counts;
  }
  void fail(std::size_t index, int times, UpstreamFailureKind kind = UpstreamFailureKind::kReset) {
    for (int i = 0; i < times; ++i) endpoints->failed(at(index), kind, "", now);
  }
  EndpointStatus status(std::size_t index) { return endpoints->status(now).endpoints.at(index); }

  std::int64_t now = kStart;
  Dice dice{42};
  std::unique_ptr<Endpoints> endpoints;
  std::shared_ptr<const EndpointSet> held;
};

TEST_F(EndpointsTest, HasNoChoiceWithoutAddresses) {
  make(0);
  EXPECT_EQ(choose(), EndpointSet::kNone);
  make(1);
  held = nullptr;
  fail(0, 100, UpstreamFailureKind::kConnectFailed);
  EXPECT_EQ(choose(), 0U);
}

TEST_F(EndpointsTest, TiesFallEvenly) {
  for (const int count : {2, 3, 4, 9}) {
    held = nullptr;
    make(count);
    const auto counts = choices(9000);
    ASSERT_EQ(counts.size(), static_cast<std::size_t>(count));
    for (const auto& [index, chosen] : counts) {
      EXPECT_NEAR(chosen, 9000 / count, 9000 / count / 4) << index << " of " << count;
    }
  }
}

// A neighbour of one that is out gets no more than the others.
TEST_F(EndpointsTest, ShareOfOneThatIsOutFallsOnAllOthers) {
  make(4);
  fail(1, 5);
  const auto counts = choices(9000);
  EXPECT_EQ(counts.count(1), 0U);
  for (const std::size_t index : {0U, 2U, 3U}) EXPECT_NEAR(counts.at(index), 3000, 400);
}

TEST_F(EndpointsTest, TakesTheLeastLoaded) {
  make(4);
  for (int round = 0; round < 400; ++round) at(choose()).enter();
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(at(i).in_flight(), 100U);
  at(2).leave();
  EXPECT_EQ(choose(), 2U);
}

// Of many, four are looked at: the fullest is never far ahead of the mean.
TEST_F(EndpointsTest, KeepsManyInBalance) {
  make(50);
  for (int round = 0; round < 5000; ++round) at(choose()).enter();
  std::uint32_t most = 0, least = UINT32_MAX;
  for (std::size_t i = 0; i < 50; ++i) {
    most = std::max(most, at(i).in_flight());
    least = std::min(least, at(i).in_flight());
  }
  EXPECT_LE(most, 104U);
  EXPECT_GE(least, 80U);
}

TEST_F(EndpointsTest, RefusedConnectionRestsForASecond) {
  make(2);
  fail(0, 1, UpstreamFailureKind::kConnectFailed);
  EXPECT_EQ(status(0).state, "resting");
  EXPECT_EQ(choices(50).count(0), 0U);
  fail(1, 1, UpstreamFailureKind::kConnectFailed);  // both: one has to be tried
  EXPECT_NE(choose(), EndpointSet::kNone);
  now += kSecond;
  EXPECT_EQ(choices(200).size(), 2U);
}

TEST_F(EndpointsTest, FailuresInARowEjectAndOneAnswerForgives) {
  make(2);
  fail(0, 4);
  EXPECT_EQ(status(0).state, "usable");
  endpoints->answered(at(0), 200, now);
  fail(0, 4);
  EXPECT_EQ(status(0).state, "usable");
  fail(0, 1);
  EXPECT_EQ(status(0).state, "ejected");
  EXPECT_EQ(status(0).ejected_for_ns, 10 * kSecond);
  EXPECT_NE(status(0).reason.find("5 failures in a row, last reset"), std::string::npos);
  EXPECT_EQ(choices(50).count(0), 0U);
}

TEST_F(EndpointsTest, GatewayErrorsCountWhereWanted) {
  for (const bool counts : {true, false}) {
    held = nullptr;
    EndpointsOptions options;
    options.counts_gateway_errors = counts;
    make(2, options);
    for (const int status : {502, 503, 504, 503, 502}) endpoints->answered(at(0), status, now);
    EXPECT_EQ(status(0).state, counts ? "ejected" : "usable");
    for (int i = 0; i < 10; ++i) endpoints->answered(at(1), i % 2 == 0 ? 500 : 404, now);
    EXPECT_EQ(status(1).state, "usable");
  }
}

TEST_F(EndpointsTest, ComesBackOnProbationAndLongerEachTime) {
  make(2);
  fail(0, 5);
  std::int64_t length = 10 * kSecond;
  for (int round = 0; round < 8; ++round) {
    EXPECT_EQ(status(0).ejected_for_ns, length) << round;
    now += length - 1;
    EXPECT_EQ(status(0).state, "ejected");
    now += 1;
    EXPECT_EQ(status(0).state, "slow_start");
    fail(0, 1);  // one is enough now
    length = std::min(length * 2, 300 * kSecond);
  }
  // Good for as long as the longest ejection: it starts over.
  now += length + 300 * kSecond;
  endpoints->answered(at(0), 200, now);
  fail(0, 5);
  EXPECT_EQ(status(0).ejected_for_ns, 10 * kSecond);
}

TEST_F(EndpointsTest, NeverEjectsTheLastOne) {
  for (const int count : {1, 2, 3, 10}) {
    held = nullptr;
    EndpointsOptions options;
    options.ejected_percent_max = 100;
    make(count, options);
    for (int i = 0; i < count; ++i) fail(static_cast<std::size_t>(i), 20);
    int usable = 0;
    for (int i = 0; i < count; ++i) {
      usable += at(static_cast<std::size_t>(i)).is_usable(now) ? 1 : 0;
    }
    EXPECT_EQ(usable, 1) << count;
    // It goes on failing, and stays. Only when another is back may it leave.
    fail(static_cast<std::size_t>(count - 1), 50);
    EXPECT_EQ(status(static_cast<std::size_t>(count - 1)).state, "usable");
    if (count == 1) continue;
    now += 10 * kSecond;
    fail(static_cast<std::size_t>(count - 1), 1);
    EXPECT_EQ(status(static_cast<std::size_t>(count - 1)).state, "ejected");
  }
}

TEST_F(EndpointsTest, NeverEjectsMoreThanTheShare) {
  for (const auto& [count, percent, out_max] :
       std::vector<std::tuple<int, int, int>>{{10, 50, 5}, {10, 25, 2}, {3, 50, 1}, {2, 0, 1}}) {
    held = nullptr;
    EndpointsOptions options;
    options.ejected_percent_max = static_cast<std::uint32_t>(percent);
    make(count, options);
    int out = 0;
    for (int i = 0; i < count; ++i) {
      fail(static_cast<std::size_t>(i), 5);
      out += at(static_cast<std::size_t>(i)).is_usable(now) ? 0 : 1;
    }
    EXPECT_EQ(out, out_max) << count << " at " << percent << " %";
  }
}

TEST_F(EndpointsTest, UnhealthyAddressesAreTriedOnlyWhenNothingIsLeft) {
  make(2);
  endpoints->checked(at(0), false, "status 500", 3, now);
  endpoints->checked(at(0), false, "status 500", 3, now);
  EXPECT_EQ(status(0).state, "usable");
  endpoints->checked(at(0), false, "status 500", 3, now);
  EXPECT_EQ(status(0).state, "unhealthy");
  EXPECT_EQ(status(0).reason, "health check: status 500");
  EXPECT_EQ(choices(50).count(0), 0U);
  for (int i = 0; i < 3; ++i) endpoints->checked(at(1), false, "no answer", 3, now);
  // Nobody is left: the one that failed longest ago, so all get their turn.
  std::map<std::size_t, int> tried;
  for (int i = 0; i < 10; ++i) {
    const std::size_t index = choose();
    ++tried[index];
    fail(index, 1);
    ++now;
  }
  EXPECT_EQ(tried[0], 5);
  // A failed check in between starts the count over.
  for (const bool good : {true, false, true, true}) endpoints->checked(at(0), good, "", 2, now);
  EXPECT_EQ(status(0).state, "slow_start");
  EXPECT_EQ(status(0).health, "healthy");
  EXPECT_EQ(choices(50).count(1), 0U);
  endpoints->forget_checks(now);
  EXPECT_EQ(status(1).health, "unchecked");
  EXPECT_TRUE(at(1).is_usable(now));
}

TEST_F(EndpointsTest, AnswerOfAnEjectedOneBringsItBackIfNobodyElseIsThere) {
  make(2);
  fail(0, 5);
  for (int i = 0; i < 3; ++i) endpoints->checked(at(1), false, "", 3, now);
  endpoints->answered(at(0), 200, now);
  EXPECT_EQ(status(0).state, "slow_start");
  // While another is there, a late answer changes nothing.
  held = nullptr;
  make(2);
  fail(0, 5);
  endpoints->answered(at(0), 200, now);
  EXPECT_EQ(status(0).state, "ejected");
}

TEST_F(EndpointsTest, FirstAddressesStartFullAndLaterOnesSlowly) {
  make(3);
  EXPECT_EQ(status(2).state, "usable");
  endpoints->set_addresses(addresses(4), now);
  EXPECT_EQ(status(3).state, "slow_start");
  double before = 0;
  for (int second = 0; second <= 10; ++second) {
    const double share = status(3).share;
    EXPECT_GE(share, before);
    EXPECT_NEAR(share, std::max(0.1, second / 10.0), 0.02) << second;
    before = share;
    now += kSecond;
  }
  EXPECT_EQ(status(3).state, "usable");
}

// Half way up, the new one gets half of what the others get, with and without load.
TEST_F(EndpointsTest, SlowStarterTakesItsShare) {
  make(3);
  endpoints->set_addresses(addresses(4), now);
  now += 5 * kSecond;
  const auto idle = choices(7000);
  EXPECT_NEAR(idle.at(3), 875, 150);  // an eighth: a quarter of the choices, half of them passed on
  for (int i = 0; i < 350; ++i) at(choose()).enter();
  EXPECT_NEAR(at(3).in_flight(), 50, 6);
  EXPECT_NEAR(at(0).in_flight(), 100, 6);
}

TEST_F(EndpointsTest, OnlySlowStartersAreStillUsed) {
  EndpointsOptions options;
  options.ejected_percent_max = 100;
  make(2, options);
  fail(0, 5);
  now += 10 * kSecond;
  fail(1, 5);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(choose(), 0U);
}

TEST_F(EndpointsTest, AddressThatStaysKeepsItsState) {
  make(3);
  Endpoint* const first = &at(0);
  first->enter();
  fail(0, 5);
  endpoints->set_addresses({address(7), address(0), address(0)}, now);
  ASSERT_EQ(set().size(), 2U);
  EXPECT_EQ(&at(1), first);
  EXPECT_EQ(status(1).state, "ejected");
  EXPECT_EQ(status(1).in_flight, 1U);
  const std::uint64_t version = set().version();
  endpoints->set_addresses({address(7), address(0)}, now);
  EXPECT_EQ(set().version(), version);  // the same again publishes nothing
  UpstreamAddress secure = address(0);
  secure.is_secure = true;
  endpoints->set_addresses({secure}, now);
  EXPECT_NE(&at(0), first);
  endpoints->set_addresses({}, now);
  EXPECT_EQ(choose(), EndpointSet::kNone);
}

TEST_F(EndpointsTest, BoundsItsAddresses) {
  make(static_cast<int>(Endpoints::kAddressesMax) + 5);
  EXPECT_EQ(set().size(), Endpoints::kAddressesMax);
  EXPECT_EQ(endpoints->status(now).addresses_left_out, 5U);
  held = nullptr;
  make(static_cast<int>(Endpoints::kAddressesMax));
  EXPECT_EQ(endpoints->status(now).addresses_left_out, 0U);
}

TEST_F(EndpointsTest, ChangedOptionsHoldAtOnce) {
  make(2);
  fail(0, 3);
  EndpointsOptions options;
  options.failures_max = 2;
  options.ejection_ns = kSecond;
  endpoints->set_options(options);
  fail(0, 1);
  EXPECT_EQ(status(0).ejected_for_ns, kSecond);
  options.failures_max = 0;
  endpoints->set_options(options);
  fail(1, 100);
  EXPECT_EQ(status(1).state, "usable");
}

TEST_F(EndpointsTest, CircuitOpensProbesAndCloses) {
  make(2);
  Circuit& circuit = endpoints->circuit();
  for (int i = 0; i < 9; ++i) fail(static_cast<std::size_t>(i % 2), 1);
  EXPECT_TRUE(circuit.admits(now));
  fail(0, 1);
  EXPECT_EQ(endpoints->status(now).circuit, "open");
  EXPECT_FALSE(circuit.admits(now));
  std::int64_t open = kSecond;
  for (int round = 0; round < 7; ++round) {
    now += open - 1;
    EXPECT_FALSE(circuit.admits(now)) << round;
    now += 1;
    EXPECT_TRUE(circuit.admits(now));
    EXPECT_EQ(endpoints->status(now).circuit, "half_open");
    EXPECT_FALSE(circuit.admits(now));  // one at a time
    fail(0, 1);
    fail(1, 1);  // what was under way says nothing new
    open = std::min(open * 2, 30 * kSecond);
  }
  now += open;
  EXPECT_TRUE(circuit.admits(now));
  now += open;  // the probe is lost: another one
  EXPECT_TRUE(circuit.admits(now));
  endpoints->answered(at(1), 503, now);  // an answer is an answer
  EXPECT_EQ(endpoints->status(now).circuit, "closed");
  EXPECT_TRUE(circuit.admits(now));
  EXPECT_EQ(endpoints->status(now).circuit_openings, 1U);
}

TEST_F(EndpointsTest, CountsFailuresByKind) {
  make(1);
  fail(0, 2, UpstreamFailureKind::kBadAnswer);
  endpoints->refused(UpstreamFailureKind::kOverloaded);
  const EndpointsStatus status = endpoints->status(now);
  EXPECT_EQ(status.failures[static_cast<int>(UpstreamFailureKind::kBadAnswer)], 2U);
  EXPECT_EQ(status.overloaded, 1U);
  EXPECT_EQ(status.endpoints[0].failures, 2U);
}

// For the thread sanitizer: choosing, reporting, replacing and reading at once.
TEST_F(EndpointsTest, ServesManyThreads) {
  make(4);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([this, t] {
      std::shared_ptr<const EndpointSet> mine;
      Dice my_dice(static_cast<std::uint64_t>(t) + 7);
      for (int i = 0; i < 3000; ++i) {
        const EndpointSet& current = endpoints->load(mine);
        Endpoint& endpoint = current.at(current.choose(now + i, my_dice));
        EndpointUse use;
        use.begin(endpoint);
        if (i % 3 == 0) {
          endpoints->failed(endpoint, UpstreamFailureKind::kConnectFailed, "", now + i);
        } else {
          endpoints->answered(endpoint, 200, now + i);
        }
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    endpoints->set_addresses(addresses(2 + i % 4), now + i);
    endpoints->checked(at(0), i % 2 == 0, "", 1, now + i);
    (void)endpoints->status(now + i);
    endpoints->sweep(now + i);
  }
  for (std::thread& thread : threads) thread.join();
  for (const EndpointStatus& one : endpoints->status(now).endpoints) EXPECT_EQ(one.in_flight, 0U);
}

}  // namespace
}  // namespace banyan::net
