// SPDX-License-Identifier: Apache-2.0
#include "proxy/forward_head.h"

#include <gtest/gtest.h>

#include "proxy/answer_head.h"

namespace banyan::proxy {
namespace {

struct ForwardHeadTest : ::testing::Test {
  std::string field(std::string_view name) {
    return std::string(
        http::find_header(forward.fields(), name).value_or(std::string_view("(none)")));
  }
  void build(http::HeaderList fields, std::string_view peer_address = "192.0.2.9") {
    head.method = "GET";
    head.target = "/";
    head.authority = "shop.test:8080";
    head.fields = std::move(fields);
    peer = make_peer(peer_address, trusted, false);
    ForwardFacts facts;
    facts.exchange = ExchangeId{0x1234, 0x5678};
    facts.peer = &peer;
    facts.log_uuid = "uuid-of-ours";
    facts.host = head.authority;
    forward.build(head, facts);
  }
  NetworkSet trusted = *NetworkSet::parse({"10.0.0.0/8"});
  http::RequestHead head;
  Peer peer;
  ForwardHead forward;
};

TEST_F(ForwardHeadTest, RemovesWhatBelongsToTheConnection) {
  build({{"Connection", "close, X-Hop"},
         {"X-Hop", "1"},
         {"Cookie", "a=b"},
         {"Keep-Alive", "5"},
         {"TE", "trailers"},
         {"Banyan-Shadow", "1"},
         {"X-Stays", "yes"}});
  for (const char* gone : {"connection", "x-hop", "keep-alive", "te", "banyan-shadow"}) {
    EXPECT_EQ(field(gone), "(none)") << gone;
  }
  EXPECT_EQ(field("x-stays"), "yes");
  EXPECT_EQ(field("cookie"), "a=b");
}

TEST_F(ForwardHeadTest, ConnectionCannotNameAwayIdentity) {
  build({{"Connection", "Cookie, Authorization, Host"}, {"Cookie", "a=b"}, {"Authorization", "x"}});
  EXPECT_EQ(field("cookie"), "a=b");
  EXPECT_EQ(field("authorization"), "x");
  EXPECT_EQ(field("host"), "shop.test:8080");
}

// The fields of one request are used again for the next where they may be, and only there.
TEST_F(ForwardHeadTest, NothingOfARequestIsLeftInTheNext) {
  const auto expect_ours = [this](std::string_view address, std::string_view host) {
    EXPECT_EQ(field("x-forwarded-for"), address);
    EXPECT_EQ(field("x-forwarded-proto"), "http");
    EXPECT_EQ(field("x-forwarded-host"), host);
    EXPECT_EQ(field("forwarded"),
              "for=" + std::string(address) + ";host=\"" + std::string(host) + "\";proto=http");
    EXPECT_EQ(field("banyan-hop"), "uuid-of-ours");
  };
  build({}, "10.0.0.7");
  expect_ours("10.0.0.7", "shop.test:8080");
  build({}, "10.0.0.7");
  expect_ours("10.0.0.7", "shop.test:8080");
  build({{"X-Forwarded-For", "192.0.2.1"},
         {"Forwarded", "for=192.0.2.1"},
         {"X-Forwarded-Proto", "https"},
         {"X-Forwarded-Host", "front.test"},
         {"Banyan-Hop", "another"}},
        "10.0.0.7");
  EXPECT_EQ(field("x-forwarded-for"), "192.0.2.1, 10.0.0.7");
  EXPECT_EQ(field("x-forwarded-host"), "front.test");
  EXPECT_EQ(field("banyan-hop"), "another, uuid-of-ours");
  build({}, "10.0.0.7");
  expect_ours("10.0.0.7", "shop.test:8080");
  build({{"X-Forwarded-Host", "front.test"}}, "10.0.0.7");
  EXPECT_EQ(field("x-forwarded-host"), "front.test");
  build({}, "10.0.0.7");
  expect_ours("10.0.0.7", "shop.test:8080");
  build({}, "192.0.2.9");
  expect_ours("192.0.2.9", "shop.test:8080");
  build({{"Forwarded", "for=6.6.6.6"}, {"X-Forwarded-For", "6.6.6.6"}}, "192.0.2.9");
  expect_ours("192.0.2.9", "shop.test:8080");
}

TEST_F(ForwardHeadTest, OverwritesWhatStrangersSay) {
  build({{"X-Forwarded-For", "6.6.6.6"},
         {"X-Forwarded-Proto", "https"},
         {"X-Forwarded-Host", "evil.test"},
         {"Forwarded", "for=6.6.6.6"}});
  EXPECT_EQ(field("x-forwarded-for"), "192.0.2.9");
  EXPECT_EQ(field("x-forwarded-proto"), "http");
  EXPECT_EQ(field("x-forwarded-host"), "shop.test:8080");
  EXPECT_EQ(field("forwarded"), "for=192.0.2.9;host=\"shop.test:8080\";proto=http");
  EXPECT_EQ(client_address(head, peer), "192.0.2.9");
}

TEST_F(ForwardHeadTest, KeepsAndAppendsToWhatTrustedPeersSay) {
  build({{"X-Forwarded-For", "203.0.113.7, 198.51.100.2"},
         {"X-Forwarded-For", "10.1.1.1"},
         {"X-Forwarded-Proto", "https"},
         {"Forwarded", "for=203.0.113.7"}},
        "10.2.2.2");
  EXPECT_EQ(field("x-forwarded-for"), "203.0.113.7, 198.51.100.2, 10.1.1.1, 10.2.2.2");
  EXPECT_EQ(field("x-forwarded-proto"), "https");
  EXPECT_EQ(field("forwarded").substr(0, 30), "for=203.0.113.7, for=10.2.2.2;");
  EXPECT_EQ(client_address(head, peer), "198.51.100.2");
}

TEST_F(ForwardHeadTest, KeepsSaneIdentifiersAndMakesOthers) {
  const std::string parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  build({{"X-Request-Id", "abc-1"}, {"traceparent", parent}});
  EXPECT_EQ(field("x-request-id"), "abc-1");
  EXPECT_EQ(field("traceparent"), parent);
  build({{"X-Request-Id", "has \"quotes\""}, {"traceparent", "00-0-0-01"}});
  EXPECT_EQ(field("x-request-id"), "00000000000012340000000000005678");
  EXPECT_EQ(field("traceparent").size(), parent.size());
  build({{"X-Request-Id", std::string_view("x")}});
  EXPECT_EQ(field("x-request-id"), "x");
}

TEST_F(ForwardHeadTest, QuotesIpv6) {
  build({}, "2001:db8::1");
  EXPECT_EQ(field("forwarded").substr(0, 19), "for=\"[2001:db8::1]\"");
  EXPECT_EQ(make_peer("::ffff:192.0.2.1", trusted, false).address, "192.0.2.1");
}

TEST_F(ForwardHeadTest, KnowsItsOwnLoop) {
  build({{"Banyan-Hop", "other"}});
  EXPECT_EQ(field("banyan-hop"), "other, uuid-of-ours");
  EXPECT_FALSE(has_passed(head, "uuid-of-ours"));
  head.fields = {{"banyan-hop", "other, uuid-of-ours"}};
  EXPECT_TRUE(has_passed(head, "uuid-of-ours"));
  std::string many = "h0";
  for (int i = 1; i < 16; ++i) many += ", h" + std::to_string(i);
  head.fields = {{"Banyan-Hop", many}};
  EXPECT_TRUE(has_passed(head, "uuid-of-ours"));
}

TEST(NetworkSetTest, ContainsToTheBit) {
  const auto set = NetworkSet::parse({"192.0.2.128/25", "2001:db8::/33", "127.0.0.1"});
  ASSERT_TRUE(set.ok());
  EXPECT_TRUE(set->contains("192.0.2.128"));
  EXPECT_TRUE(set->contains("::ffff:192.0.2.255"));
  EXPECT_FALSE(set->contains("192.0.2.127"));
  EXPECT_TRUE(set->contains("2001:db8:7fff::1"));
  EXPECT_FALSE(set->contains("2001:db8:8000::1"));
  EXPECT_TRUE(set->contains("127.0.0.1"));
  EXPECT_FALSE(set->contains("127.0.0.2"));
  EXPECT_FALSE(set->contains("nonsense"));
  for (const char* wrong : {"10.0.0.0/33", "10.0.0/8", "", "::/129", "10.0.0.0/x"}) {
    EXPECT_FALSE(NetworkSet::parse({wrong}).ok()) << wrong;
  }
}

TEST(ErrorAnswerTest, EscapesAndClosesAsTold) {
  std::string out;
  write_error_answer({400, "bad", "a \"quoted\" \x01 text", "", "", false, false}, false, out);
  EXPECT_NE(out.find("HTTP/1.1 400 "), std::string::npos);
  EXPECT_NE(out.find("Connection: close\r\n"), std::string::npos);
  EXPECT_NE(out.find("a \\\"quoted\\\" \\u0001 text"), std::string::npos);
}

}  // namespace
}  // namespace banyan::proxy
