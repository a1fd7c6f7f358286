// SPDX-License-Identifier: Apache-2.0
#include "core/net/warden.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "core/obs/metrics.h"
#include "tests/core/net/fake_dns.h"
#include "tests/support/times.h"

namespace banyan::net {
namespace {

// Looks again until it is so; false after five seconds.
bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

Warden::System system_of(const char* name, std::vector<std::string> urls) {
  Warden::System system;
  system.name = name;
  system.spec.urls = std::move(urls);
  return system;
}

struct WardenTest : testing::Test {
  std::unique_ptr<Warden> open(std::vector<Warden::System> systems) {
    auto opened = Warden::open(dns, std::move(systems), metrics);
    EXPECT_TRUE(opened.ok());
    return *std::move(opened);
  }
  std::size_t count(const Warden& warden, std::size_t system) {
    return warden.endpoints(system)->snapshot()->size();
  }
  DnsOptions dns;
  obs::Metrics metrics;
};

TEST_F(WardenTest, LiteralAddressesNeedNoWaiting) {
  const auto warden = open({system_of("legacy", {"http://127.0.0.1:1", "http://127.0.0.1:2"}),
                            system_of("candidate", {"http://[::1]:3"})});
  EXPECT_EQ(count(*warden, 0), 0U);
  warden->start();
  EXPECT_EQ(count(*warden, 0), 2U);
  EXPECT_EQ(count(*warden, 1), 1U);
  EXPECT_TRUE(warden->wait_until_settled(0));
  warden->stop();
  warden->stop();
  EXPECT_EQ(count(*warden, 0), 2U);  // pools may still ask
}

TEST_F(WardenTest, SilentDnsCostsNoMoreThanThePatience) {
  UniqueFd silent(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(silent.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
  ASSERT_EQ(::getsockname(silent.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  dns.servers = {"127.0.0.1:" + std::to_string(ntohs(address.sin_port))};
  dns.timeout_ns = 60'000 * kMs;
  const auto warden = open({system_of("legacy", {"http://127.0.0.1:1"}),
                            system_of("candidate", {"http://candidate.test"})});
  warden->start();
  EXPECT_FALSE(warden->wait_until_settled(50 * kMs));
  EXPECT_EQ(count(*warden, 0), 1U);
  warden->stop();  // with the question open
}

TEST_F(WardenTest, ChangesArriveWhileItRuns) {
  const auto warden = open({system_of("legacy", {"http://127.0.0.1:1"})});
  warden->start();
  warden->update(0, system_of("", {"http://127.0.0.1:1", "http://127.0.0.1:2"}).spec);
  warden->update(7, {});  // no such system: nothing happens
  EXPECT_TRUE(eventually([&] { return count(*warden, 0) == 2; }));
  EXPECT_EQ(warden->endpoints(0)->status(0).endpoints[0].address, "127.0.0.1:1");
}

TEST_F(WardenTest, MetricsShowEachAddressAndOutliveIt) {
  auto warden = open({system_of("legacy", {"http://127.0.0.1:1"})});
  warden->start();
  const std::string line = "banyan_upstream_usable{system=\"legacy\",address=\"127.0.0.1:1\"} 1\n";
  EXPECT_NE(metrics.scrape().find(line), std::string::npos) << metrics.scrape();
  warden.reset();
  EXPECT_NE(metrics.scrape().find(line), std::string::npos);
}

TEST_F(WardenTest, NeverStartedEndsQuietly) { open({system_of("legacy", {"http://a.test"})}); }

}  // namespace
}  // namespace banyan::net
