// SPDX-License-Identifier: Apache-2.0
//
// Names that change, hang and heal; active checks; settings that change while it runs.
#include "core/net/system_watch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tests/core/net/fake_dns.h"
#include "tests/core/net/fake_peers.h"
#include "tests/support/times.h"

namespace banyan::net {
namespace {

using Zone = std::map<std::string, std::vector<std::string>>;

struct SystemWatchTest : testing::Test {
  SystemWatchTest()
      : loop(std::move(EventLoop::create()).value()),
        dns(*loop, [this](const DnsQuestion& question) { return answer(question); }) {
    options.servers = {dns.address()};
    options.timeout_ns = 40 * kMs;
    options.tries = 1;
    options.ttl_min_ns = 20 * kMs;
    options.retry_ns = 10 * kMs;
    options.retry_max_ns = 20 * kMs;
  }
  std::vector<std::string> answer(const DnsQuestion& question) {
    if (is_silent || (question.type == 28 && is_v6_silent)) return {};
    if (fails) return {DnsReply(question).code(2).bytes()};
    const auto found = zone.find(question.name);
    if (found == zone.end()) return {DnsReply(question).code(3).bytes()};
    DnsReply reply(question);
    for (const std::string& ip : found->second) {
      const bool is_v6 = ip.find(':') != std::string::npos;
      if (is_v6 && question.type == 28) reply.aaaa(ip, 0);
      if (!is_v6 && question.type == 1) reply.a(ip, 0);
    }
    return {reply.bytes()};
  }
  void watch(std::vector<std::string> urls) {
    spec.urls = std::move(urls);
    resolver = std::make_unique<Resolver>(*loop, options);
    endpoints = std::make_shared<Endpoints>("");
    system =
        std::make_unique<SystemWatch>(*loop, *resolver, endpoints, spec, [this] { ++settled; });
  }
  std::vector<std::string> addresses() {
    std::vector<std::string> texts;
    const auto set = endpoints->snapshot();
    for (std::size_t i = 0; i < set->size(); ++i) texts.push_back(set->at(i).address().text);
    return texts;
  }
  bool until(const std::function<bool()>& condition) { return run_until(*loop, condition); }
  bool until_addresses(const std::vector<std::string>& wanted) {
    return until([&] { return addresses() == wanted; });
  }
  NameStatus name() { return endpoints->status(0).names.at(0); }
  EndpointStatus address(std::size_t index) {
    return endpoints->status(loop->now().mono_ns).endpoints.at(index);
  }

  std::unique_ptr<EventLoop> loop;
  bool is_silent = false, is_v6_silent = false, fails = false;
  Zone zone;
  FakeDns dns;
  DnsOptions options;
  SystemSpec spec;
  int settled = 0;
  std::unique_ptr<Resolver> resolver;
  std::shared_ptr<Endpoints> endpoints;
  std::unique_ptr<SystemWatch> system;
};

TEST_F(SystemWatchTest, LiteralsAreThereAtOnce) {
  watch({"http://127.0.0.1:9001", "http://[::1]:9002/", "https://127.0.0.1", "nonsense"});
  EXPECT_EQ(addresses(),
            (std::vector<std::string>{"127.0.0.1:9001", "[::1]:9002", "127.0.0.1:443"}));
  EXPECT_EQ(settled, 1);
  EXPECT_TRUE(endpoints->snapshot()->at(2).address().is_secure);
  EXPECT_EQ(endpoints->snapshot()->at(2).address().host, "127.0.0.1");
}

TEST_F(SystemWatchTest, FollowsANameThatMoves) {
  zone["a.test"] = {"10.0.0.1", "2001:db8::1"};
  watch({"http://a.test:8080"});
  EXPECT_EQ(settled, 0);
  EXPECT_TRUE(until_addresses({"10.0.0.1:8080", "[2001:db8::1]:8080"}));
  EXPECT_EQ(settled, 1);
  EXPECT_EQ(address(0).state, "usable");
  EXPECT_EQ(endpoints->snapshot()->at(0).address().host, "a.test");
  const auto first = endpoints->snapshot()->shared(0);
  zone["a.test"] = {"10.0.0.1", "10.0.0.2"};
  EXPECT_TRUE(until_addresses({"10.0.0.1:8080", "10.0.0.2:8080"}));
  EXPECT_EQ(endpoints->snapshot()->shared(0), first);
  EXPECT_EQ(address(1).state, "slow_start");
  zone["a.test"] = {"10.0.0.3"};
  EXPECT_TRUE(until_addresses({"10.0.0.3:8080"}));
  EXPECT_EQ(settled, 1);
}

TEST_F(SystemWatchTest, UrlsOfOneNameShareItsLookups) {
  zone["a.test"] = {"10.0.0.1"};
  watch({"http://a.test:1", "http://b.test", "http://a.test:2", "http://127.0.0.1:3"});
  EXPECT_TRUE(until_addresses({"10.0.0.1:1", "10.0.0.1:2", "127.0.0.1:3"}));
  zone["b.test"] = {"10.0.0.2"};
  EXPECT_TRUE(until_addresses({"10.0.0.1:1", "10.0.0.2:80", "10.0.0.1:2", "127.0.0.1:3"}));
  EXPECT_EQ(endpoints->status(0).names.size(), 2U);
}

TEST_F(SystemWatchTest, NameThatIsMissingAtTheStartHealsByItself) {
  watch({"http://a.test"});
  EXPECT_TRUE(until([&] { return settled == 1 && name().failures >= 2; }));
  EXPECT_TRUE(addresses().empty());
  EXPECT_NE(name().error.find("NXDOMAIN"), std::string::npos);
  zone["a.test"] = {"10.0.0.1"};
  EXPECT_TRUE(until_addresses({"10.0.0.1:80"}));
  EXPECT_EQ(name().error, "");
  EXPECT_EQ(name().failures_in_a_row, 0U);
}

// Trouble with DNS never takes an address away, whatever it looks like.
TEST_F(SystemWatchTest, KeepsOldAddressesUntilThereAreNewOnes) {
  zone["a.test"] = {"10.0.0.1", "2001:db8::1"};
  watch({"http://a.test"});
  const std::vector<std::string> both{"10.0.0.1:80", "[2001:db8::1]:80"};
  EXPECT_TRUE(until_addresses(both));
  const std::vector<std::function<void(bool)>> troubles{
      [&](bool on) { is_silent = on; },
      [&](bool on) { fails = on; },
      [&](bool on) {
        zone = on ? Zone() : Zone{{"a.test", {"10.0.0.1", "2001:db8::1"}}};
      },
      [&](bool on) {
        zone["a.test"] =
            on ? std::vector<std::string>() : std::vector<std::string>{"10.0.0.1", "2001:db8::1"};
      },
  };
  for (const auto& trouble : troubles) {
    const std::uint64_t before = name().failures;
    trouble(true);
    EXPECT_TRUE(until([&] { return name().failures >= before + 2; }));
    EXPECT_EQ(addresses(), both);
    EXPECT_EQ(name().addresses, 2U);
    trouble(false);
    EXPECT_TRUE(until([&] { return name().failures_in_a_row == 0; }));
  }
}

TEST_F(SystemWatchTest, OneFamilyInTroubleDoesNotHideTheOther) {
  is_v6_silent = true;
  options.timeout_ns = 3000 * kMs;  // longer than anybody waits for the other family
  zone["a.test"] = {"10.0.0.1", "2001:db8::1"};
  watch({"http://a.test"});
  EXPECT_TRUE(until_addresses({"10.0.0.1:80"}));
  EXPECT_EQ(settled, 1);
  is_v6_silent = false;
  resolver.reset();
}

TEST_F(SystemWatchTest, ChangedUrlsKeepWhatStays) {
  zone["a.test"] = {"10.0.0.1"};
  watch({"http://a.test", "http://127.0.0.1:9"});
  EXPECT_TRUE(until_addresses({"10.0.0.1:80", "127.0.0.1:9"}));
  const auto kept = endpoints->snapshot()->shared(0);
  kept->enter();
  // A name that is new leaves the others in place while it resolves.
  spec.urls = {"http://b.test", "http://a.test"};
  system->update(spec);
  EXPECT_EQ(addresses(), std::vector<std::string>{"10.0.0.1:80"});
  zone["b.test"] = {"10.0.0.2"};
  EXPECT_TRUE(until_addresses({"10.0.0.2:80", "10.0.0.1:80"}));
  EXPECT_EQ(endpoints->snapshot()->shared(1), kept);
  EXPECT_EQ(kept->in_flight(), 1U);
  // All new and not there yet: the old ones serve on.
  spec.urls = {"http://c.test"};
  system->update(spec);
  EXPECT_EQ(addresses().size(), 2U);
  zone["c.test"] = {"10.0.0.3"};
  EXPECT_TRUE(until_addresses({"10.0.0.3:80"}));
}

TEST_F(SystemWatchTest, AsksAgainWhenTheTimeIsUpAndNotMuchSooner) {
  zone["a.test"] = {"10.0.0.1"};
  options.ttl_min_ns = 200 * kMs;
  watch({"http://a.test"});
  EXPECT_TRUE(until_addresses({"10.0.0.1:80"}));
  const std::int64_t before = SystemClock::instance().mono_ns();
  EXPECT_TRUE(until([&] { return name().lookups >= 3; }));
  EXPECT_GE(SystemClock::instance().mono_ns() - before, 390 * kMs);
}

// ---- active checks

struct HealthTest : SystemWatchTest {
  HealthTest() {
    spec.health.path = "/health";
    spec.health.interval_ns = 10 * kMs;
    spec.health.timeout_ns = 60 * kMs;
    spec.judgement.slow_start_ns = 0;
  }
  std::string url_of(FakeUpstream& upstream) { return "http://" + upstream.addresses()[0].text; }
  FakeUpstream::Script script() {
    return [this](FakeUpstream::Peer& peer) {
      if (peer.received.find("\r\n\r\n") == std::string::npos) return;
      heads.push_back(peer.received);
      while (peer.take_head()) {
        if (status != 0) {
          peer.send("HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Length: 2\r\n\r\nok");
        }
      }
    };
  }
  bool until_state(std::size_t index, const std::string& state) {
    return until([&, index] { return address(index).state == state; });
  }
  int status = 200;
  std::vector<std::string> heads;
};

TEST_F(HealthTest, AsksAsConfigured) {
  FakeUpstream upstream(*loop, script());
  spec.host = "shop.test";
  watch({url_of(upstream)});
  EXPECT_EQ(address(0).health, "unchecked");
  EXPECT_TRUE(until([&] { return heads.size() >= 3; }));
  EXPECT_EQ(heads[0].substr(0, 42), "GET /health HTTP/1.1\r\nHost: shop.test\r\nUse");
  EXPECT_EQ(address(0).health, "healthy");
  EXPECT_GE(upstream.connections(), 3U);  // each check connects
  EXPECT_EQ(address(0).requests, 0U);     // they are not requests
}

TEST_F(HealthTest, TurnsAfterSoManyChecksAndBack) {
  FakeUpstream upstream(*loop, script());
  FakeUpstream other(*loop, [](FakeUpstream::Peer& peer) {
    while (peer.take_head()) peer.send("HTTP/1.1 204 No Content\r\n\r\n");
  });
  watch({url_of(upstream), url_of(other)});
  EXPECT_TRUE(until([&] { return heads.size() >= 2; }));
  status = 500;
  const std::size_t before = heads.size();
  EXPECT_TRUE(until_state(0, "unhealthy"));
  EXPECT_GE(heads.size(), before + 3);
  EXPECT_EQ(address(0).reason, "health check: status 500");
  EXPECT_EQ(address(1).state, "usable");
  status = 399;  // the last that is expected
  EXPECT_TRUE(until_state(0, "usable"));
  status = 0;  // silence
  EXPECT_TRUE(until_state(0, "unhealthy"));
  EXPECT_NE(address(0).reason.find("no whole answer within 60ms"), std::string::npos);
}

TEST_F(HealthTest, ExpectsWhatIsConfigured) {
  spec.health.statuses = {{404, 404}, {500, 599}};
  spec.health.unhealthy = 1;
  FakeUpstream upstream(*loop, script());
  status = 200;
  watch({url_of(upstream)});
  EXPECT_TRUE(until_state(0, "unhealthy"));
  status = 404;
  EXPECT_TRUE(until_state(0, "usable"));
}

TEST_F(HealthTest, NoConnectionAndEndlessBodiesAreUnhealthyOrBounded) {
  std::string closed;
  {
    auto listening = listen_on("127.0.0.1:0", false);
    closed = "http://" + listening->address;
  }
  FakeUpstream endless(*loop, [](FakeUpstream::Peer& peer) {
    if (peer.take_head()) {
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + std::string(100'000, 'x'));
    }
  });
  watch({closed, url_of(endless)});
  EXPECT_TRUE(until_state(0, "unhealthy"));
  EXPECT_NE(address(0).reason.find("connect_failed"), std::string::npos);
  EXPECT_TRUE(until([&] { return address(1).health == "healthy"; }));
}

TEST_F(HealthTest, ChecksFollowTheAddressesAndStopWhenSwitchedOff) {
  FakeUpstream upstream(*loop, script());
  status = 500;
  watch({url_of(upstream)});
  EXPECT_TRUE(until_state(0, "unhealthy"));
  spec.health.path.clear();
  system->update(spec);
  EXPECT_EQ(address(0).state, "usable");
  EXPECT_EQ(address(0).health, "unchecked");
  loop->run_once_for_test(30 * kMs);
  const std::size_t before = heads.size();
  for (int i = 0; i < 5; ++i) loop->run_once_for_test(10 * kMs);
  EXPECT_EQ(heads.size(), before);
  spec.health.path = "/up";
  system->update(spec);
  EXPECT_TRUE(until([&] { return heads.back().substr(0, 8) == "GET /up "; }));
}

}  // namespace
}  // namespace banyan::net
