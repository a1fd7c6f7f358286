// SPDX-License-Identifier: Apache-2.0
//
// RFC 7239 and its elder brothers, from peers that are trusted and clients that are not.
#include "proxy/forwarded.h"

#include <gtest/gtest.h>

#include "core/http/message.h"
#include "proxy/forward_head.h"

namespace banyan::proxy {
namespace {

TEST(ForwardedTest, KeepsWhatIsWellFormed) {
  for (const char* good :
       {"for=192.0.2.43", "For=\"[2001:db8:cafe::17]:4711\"",
        "for=192.0.2.60;proto=http;by=203.0.113.43", "for=192.0.2.43, for=198.51.100.17;by=_hidden",
        "for=unknown", "for=\"_gazonk\"", "for=_SEVKISEK;host=\"a\\\"b\"", "for=192.0.2.1:80",
        "for=[::1]", "", " , ,for=a,,", "for=\"a, for=b\"", ";;for=a;", "secret=ruewiu"}) {
    EXPECT_EQ(good_part_of_forwarded(good).size(),
              std::string_view(good).find_last_not_of(' ') + 1 -
                  (std::string_view(good).find_first_not_of(' ') == std::string_view::npos
                       ? 0
                       : std::string_view(good).find_first_not_of(' ')))
        << good;
  }
}

TEST(ForwardedTest, KeepsOnlyWhatFollowsNonsense) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"for=\"open, for=192.0.2.1", ""},
      {"for=a\"b, for=192.0.2.1", ""},
      {"for=a\"b\", for=192.0.2.1", "for=192.0.2.1"},
      {"nonsense, for=192.0.2.1", "for=192.0.2.1"},
      {"for=192.0.2.1, =x", ""},
      {"for=, for=b, for=c", "for=b, for=c"},
      {"for = a, for=b", "for=b"},
      {"for=<script>, for=b", "for=b"},
      {"for=\"a\"b, for=c", "for=c"},
      {"for=\"a\\", ""},
  };
  for (const auto& [line, good] : cases) EXPECT_EQ(good_part_of_forwarded(line), good) << line;
  EXPECT_EQ(good_part_of_forwarded_for("192.0.2.1, \"[::1]:5\", unknown, _x, [::1]"),
            "192.0.2.1, \"[::1]:5\", unknown, _x, [::1]");
  EXPECT_EQ(good_part_of_forwarded_for("<x>, 192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(good_part_of_forwarded_for("a b, 192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(good_part_of_forwarded_for("\"x, 192.0.2.1"), "");
}

TEST(ForwardedTest, FindsTheAddressOfANode) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"192.0.2.1", "192.0.2.1"},
      {"192.0.2.1:4711", "192.0.2.1"},
      {"192.0.2.1:_port", "192.0.2.1"},
      {"\"192.0.2.1:80\"", "192.0.2.1"},
      {"[2001:db8::1]", "2001:db8::1"},
      {"\"[2001:db8::1]:47011\"", "2001:db8::1"},
      {"2001:db8::1", "2001:db8::1"},
      {" 10.0.0.1 ", "10.0.0.1"},
      {"unknown", ""},
      {"_hidden", ""},
      {"_hidden:80", ""},
      {"", ""},
      {"\"", ""},
      {"[192.0.2.1]", ""},
      {"[2001:db8::1", ""},
      {"[2001:db8::1]x", ""},
      {"192.0.2.256", ""},
      {"host.test", ""},
      {"192.0.2", ""},
      {":80", ""},
      {"[]:80", ""},
  };
  for (const auto& [node, address] : cases) EXPECT_EQ(address_of_node(node), address) << node;
}

TEST(ForwardedTest, TrimsTheFrontOfLongLists) {
  std::string list;
  for (int i = 0; i < 200; ++i) list += (i == 0 ? "10.0.0." : ", 10.0.0.") + std::to_string(i);
  trim_forwarded(list);
  EXPECT_EQ(list.substr(0, 12), "10.0.0.136, ");
  EXPECT_EQ(list.substr(list.size() - 10), "10.0.0.199");
  std::string exact = "a";
  for (std::size_t i = 1; i < kForwardedElementsMax; ++i) exact += ",a";
  const std::string before = exact;
  trim_forwarded(exact);
  EXPECT_EQ(exact, before);
  std::string wide;
  for (int i = 0; i < 10; ++i) wide += (i == 0 ? "" : ",") + std::string(1000, 'x');
  trim_forwarded(wide);
  EXPECT_EQ(wide.size(), 4003U);
  std::string huge(kForwardedBytesMax + 1, 'x');
  trim_forwarded(huge);
  EXPECT_EQ(huge, "");
}

TEST(ForwardedTest, QuotesWhatIsNoToken) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"shop.test", "h=shop.test"},   {"shop.test:80", "h=\"shop.test:80\""},
      {"[::1]", "h=\"[::1]\""},       {"a;for=6.6.6.6", "h=\"a;for=6.6.6.6\""},
      {"a\"b\\", "h=\"a\\\"b\\\\\""}, {"", "h=\"\""},
  };
  for (const auto& [value, pair] : cases) {
    std::string out;
    append_forwarded_pair(out, "h", value);
    EXPECT_EQ(out, pair);
  }
}

struct ForwardedHeadTest : ::testing::Test {
  void build(http::HeaderList fields, std::string_view peer_address = "10.2.2.2",
             bool is_secure = false) {
    head = http::RequestHead();
    head.method = "GET";
    head.target = "/";
    head.authority = "shop.test";
    head.fields = std::move(fields);
    peer = make_peer(peer_address, trusted, false);
    if (is_secure) peer.secure = std::make_shared<const SecureFacts>();
    ForwardFacts facts;
    facts.exchange = ExchangeId{1, 2};
    facts.peer = &peer;
    facts.log_uuid = "u";
    facts.host = head.authority;
    forward.build(head, facts);
  }
  std::string field(std::string_view name) {
    EXPECT_EQ(http::count_header(forward.fields(), name), 1U);
    return std::string(http::find_header(forward.fields(), name).value_or(std::string_view()));
  }
  std::string client() { return client_address(head, peer); }

  NetworkSet trusted = *NetworkSet::parse({"10.0.0.0/8", "fd00::/8"});
  http::RequestHead head;
  Peer peer;
  ForwardHead forward;
};

TEST_F(ForwardedHeadTest, ClientIsTheLastAddressNobodyVouchesFor) {
  const std::vector<std::pair<http::HeaderList, std::string>> cases{
      {{{"Forwarded", "for=203.0.113.7"}}, "203.0.113.7"},
      {{{"Forwarded", "for=6.6.6.6, for=\"[2001:db8::9]:47011\";proto=https, for=10.1.1.1"}},
       "2001:db8::9"},
      {{{"Forwarded", "for=6.6.6.6"},
        {"Forwarded", "for=203.0.113.7"},
        {"forwarded", "For=10.1.1.1"}},
       "203.0.113.7"},
      // Somebody who hides is nobody: the last known hop counts.
      {{{"Forwarded", "for=6.6.6.6, for=_hidden, for=10.1.1.1"}}, "10.1.1.1"},
      {{{"Forwarded", "for=unknown"}}, "10.2.2.2"},
      {{{"Forwarded", "by=10.9.9.9;proto=http"}}, "10.2.2.2"},
      {{{"Forwarded", "for=\"open"}, {"Forwarded", "for=203.0.113.7"}}, "203.0.113.7"},
      {{{"Forwarded", "for=6.6.6.6"}, {"Forwarded", "for=\"open, for=1.1.1.1"}}, "10.2.2.2"},
      {{{"X-Forwarded-For", "203.0.113.7:51022"}}, "203.0.113.7"},
      {{{"X-Forwarded-For", "6.6.6.6, [2001:db8::5]:99, fd00::1"}}, "2001:db8::5"},
      {{{"X-Forwarded-For", "6.6.6.6, ::ffff:198.51.100.2"}}, "198.51.100.2"},
      {{{"X-Forwarded-For", "10.1.1.1, 10.1.1.2"}}, "10.1.1.1"},
      {{{"X-Forwarded-For", "6.6.6.6, <b>, 10.1.1.1"}}, "10.1.1.1"},
      {{{"X-Forwarded-For", ", ,"}}, "10.2.2.2"},
      // Both: the older field, which everybody writes.
      {{{"Forwarded", "for=6.6.6.6"}, {"X-Forwarded-For", "203.0.113.7"}}, "203.0.113.7"},
  };
  for (const auto& [fields, wanted] : cases) {
    build(fields);
    EXPECT_EQ(client(), wanted) << fields[0].value;
    build(fields, "192.0.2.9");  // a stranger is itself
    EXPECT_EQ(client(), "192.0.2.9");
  }
}

// What a client planted before the trusted proxy cannot take in what is added behind it.
TEST_F(ForwardedHeadTest, PlantedNonsenseIsCutOff) {
  build({{"Forwarded", "for=\"planted"}, {"Forwarded", "for=203.0.113.7"}});
  EXPECT_EQ(field("forwarded"), "for=203.0.113.7, for=10.2.2.2;host=shop.test;proto=http");
  build({{"Forwarded", "for=\"planted, for=203.0.113.7"}});
  EXPECT_EQ(field("forwarded"), "for=10.2.2.2;host=shop.test;proto=http");
  build({{"X-Forwarded-For", "<script>, 203.0.113.7"}, {"X-Forwarded-For", "10.1.1.1"}});
  EXPECT_EQ(field("x-forwarded-for"), "203.0.113.7, 10.1.1.1, 10.2.2.2");
  build({{"X-Forwarded-For", "203.0.113.7"}, {"X-Forwarded-For", "a b"}});
  EXPECT_EQ(field("x-forwarded-for"), "10.2.2.2");
}

TEST_F(ForwardedHeadTest, KeepsSaneSchemesAndHostsOnly) {
  build({{"X-Forwarded-Proto", "https"}, {"X-Forwarded-Host", "www.shop.test:8443"}});
  EXPECT_EQ(field("x-forwarded-proto"), "https");
  EXPECT_EQ(field("x-forwarded-host"), "www.shop.test:8443");
  build({{"X-Forwarded-Proto", "https, http"}, {"X-Forwarded-Host", "a.test, b.test"}});
  EXPECT_EQ(field("x-forwarded-proto"), "https, http");
  EXPECT_EQ(field("x-forwarded-host"), "a.test, b.test");
  for (const char* bad : {"ht tp", "https\"", "https,,", "<x>"}) {
    build({{"X-Forwarded-Proto", bad}, {"X-Forwarded-Host", bad}}, "10.2.2.2", true);
    EXPECT_EQ(field("x-forwarded-proto"), "https") << bad;
    EXPECT_EQ(field("x-forwarded-host"), "shop.test") << bad;
  }
}

TEST_F(ForwardedHeadTest, SaysWhetherTheClientCameOverTls) {
  build({}, "192.0.2.9", true);
  EXPECT_EQ(field("forwarded"), "for=192.0.2.9;host=shop.test;proto=https");
  EXPECT_EQ(field("x-forwarded-proto"), "https");
}

TEST_F(ForwardedHeadTest, LongListsStayBounded) {
  std::string for_list, list;
  for (int i = 0; i < 3000; ++i) {
    for_list += (i == 0 ? "" : ",") + std::string("10.1.1.1");
    list += (i == 0 ? "" : ",") + std::string("for=10.1.1.1");
  }
  build({{"X-Forwarded-For", for_list}, {"Forwarded", list}});
  EXPECT_LE(field("x-forwarded-for").size(), 64 * 9 + 20U);
  EXPECT_LE(field("forwarded").size(), 64 * 13 + 60U);
  EXPECT_EQ(client(), "10.1.1.1");
}

}  // namespace
}  // namespace banyan::proxy
