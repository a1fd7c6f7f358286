// SPDX-License-Identifier: Apache-2.0
#include "proxy/refusals.h"

#include <gtest/gtest.h>

#include "tests/proxy/rig.h"

namespace banyan::proxy {
namespace {

TEST(RefusalsTest, KeepsTheLastOfEachReasonAndCountsAll) {
  Refusals refusals;
  for (std::uint64_t i = 0; i < Refusals::kSamplesPerReason + 3; ++i) {
    Refusal one;
    one.from = "client";
    one.reason = "bare_lf";
    one.position = i;
    refusals.add(std::move(one));
  }
  Refusal other;
  other.from = "legacy";
  other.reason = "bare_lf";
  refusals.add(std::move(other));
  const auto all = refusals.list();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].from, "client");
  EXPECT_EQ(all[0].count, Refusals::kSamplesPerReason + 3);
  ASSERT_EQ(all[0].samples.size(), Refusals::kSamplesPerReason);
  EXPECT_EQ(all[0].samples.front().position, 3U);
  EXPECT_EQ(all[1].count, 1U);
}

struct ProxyRefusals : ::testing::Test, Rig {
  void serve(const std::string& answer) {
    origin =
        std::make_unique<Origin>(Origin::answering([answer](const Message&) { return answer; }));
    set_legacy(origin->address());
    set_candidate(origin->address());
    start();
  }
  void TearDown() override { stop(); }
  int ask(const std::string& request) {
    Wire client = this->client();
    client.send(request);
    return client.read_answer().status();
  }
  std::unique_ptr<Origin> origin;
};

TEST_F(ProxyRefusals, TellsReasonPlaceAndShapeButNoSecret) {
  serve(plain_answer("ok"));
  EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: a\r\nAuthorization : Bearer hunter2\r\n\r\n"), 400);
  const auto all = proxy->refusals();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].reason, "space_before_colon");
  const Refusal& sample = all[0].samples.at(0);
  EXPECT_EQ(sample.from, "client");
  EXPECT_EQ(sample.status, 400);
  EXPECT_EQ(sample.peer, "127.0.0.1");
  EXPECT_EQ(sample.position, 25U);
  EXPECT_EQ(sample.sample.find("hunter"), std::string::npos);
  EXPECT_NE(sample.sample.find("xxxxxxxxxxxxx : xxxxxx x"), std::string::npos) << sample.sample;
  EXPECT_NE(metrics.scrape().find(
                "banyan_http_refused_total{from=\"client\",reason=\"space_before_colon\"} 1"),
            std::string::npos);
}

TEST_F(ProxyRefusals, NamesTheSystemWhoseAnswerIsMalformed) {
  serve("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 502);
  const auto all = proxy->refusals();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].from, "legacy");
  EXPECT_EQ(all[0].reason, "conflicting_length");
}

TEST_F(ProxyRefusals, CountsWhatALeniencyExcused) {
  options.lenient.add(http::Leniency::kEqualLengths);
  options.legacy.upstream.limits.lenient.add(http::Leniency::kFoldsInAnswers);
  serve("HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(ask("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx"), 200);
  const std::string scrape = metrics.scrape();
  for (const char* name : {"equal_lengths", "folds_in_answers"}) {
    EXPECT_NE(scrape.find("banyan_http_lenient_total{leniency=\"" + std::string(name) + "\"} 1"),
              std::string::npos)
        << name;
  }
  EXPECT_TRUE(proxy->refusals().empty());
}

}  // namespace
}  // namespace banyan::proxy
