// SPDX-License-Identifier: Apache-2.0
//
// Names for the command line: blocking, by the config's [dns], within a bound of time.
#include "core/net/resolve.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "core/net/socket.h"
#include "core/net/upstream.h"
#include "tests/core/net/fake_dns_thread.h"
#include "tests/support/times.h"

namespace banyan::net {
namespace {

using Addresses = std::vector<std::string>;

DnsOptions options_of(const FakeDnsThread& dns) {
  DnsOptions options;
  options.servers = {dns.address()};
  return options;
}

TEST(ResolveTest, AsksTheConfiguredServerForBothFamilies) {
  FakeDnsThread dns([](const DnsQuestion& question) {
    DnsReply reply(question);
    return (question.type == 1 ? reply.a("10.0.0.1") : reply.aaaa("2001:db8::1")).bytes();
  });
  EXPECT_EQ(*resolve_name("shop.test", options_of(dns), kSecond),
            (Addresses{"10.0.0.1", "2001:db8::1"}));
  const auto addresses =
      resolve_url(*parse_system_url("https://shop.test:8443"), options_of(dns), kSecond);
  ASSERT_TRUE(addresses.ok());
  EXPECT_EQ(addresses->at(0).text, "10.0.0.1:8443");
  EXPECT_EQ(addresses->at(1).text, "[2001:db8::1]:8443");
  EXPECT_EQ(addresses->at(1).host, "shop.test");
  EXPECT_TRUE(addresses->at(1).is_secure);
}

TEST(ResolveTest, TellsWhyThereIsNoAddress) {
  FakeDnsThread dns([](const DnsQuestion& question) { return DnsReply(question).code(3).bytes(); });
  const auto found = resolve_name("gone.test", options_of(dns), kSecond);
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(found.error().message.find("cannot resolve gone.test: "), std::string::npos);
}

TEST(ResolveTest, WaitsNoLongerThanItsPatience) {
  FakeDnsThread dns([](const DnsQuestion&) { return std::string(); });
  DnsOptions options = options_of(dns);
  options.timeout_ns = 60 * kSecond;
  const auto before = std::chrono::steady_clock::now();
  const auto found = resolve_name("silent.test", options, 50'000'000);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
  ASSERT_FALSE(found.ok());
  EXPECT_NE(found.error().message.find("50ms"), std::string::npos) << found.error().message;
}

TEST(ResolveTest, TakesWhatOneFamilySaysWhereTheOtherIsSilent) {
  FakeDnsThread dns([](const DnsQuestion& question) {
    return question.type == 1 ? DnsReply(question).a("10.0.0.1").bytes() : std::string();
  });
  DnsOptions options = options_of(dns);
  options.timeout_ns = 60 * kSecond;
  EXPECT_EQ(*resolve_name("half.test", options, kSecond / 2), Addresses{"10.0.0.1"});
}

TEST(ResolveTest, AsksNobodyForAnAddress) {
  FakeDnsThread dns([](const DnsQuestion&) { return std::string(); });
  const auto addresses =
      resolve_url(*parse_system_url("http://[::1]:9001"), options_of(dns), kSecond);
  ASSERT_TRUE(addresses.ok());
  EXPECT_EQ(addresses->at(0).text, "[::1]:9001");
  EXPECT_FALSE(address_of("shop.test", *parse_system_url("http://shop.test")).has_value());
}

}  // namespace
}  // namespace banyan::net
