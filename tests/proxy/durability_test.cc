// SPDX-License-Identifier: Apache-2.0
//
// What waits for the log at each level, and what a log that fails does to a client.
#include <gtest/gtest.h>

#include "tests/proxy/rig.h"

namespace banyan::proxy {
namespace {

struct ProxyDurability : ::testing::Test, Rig {
  void serve(Durability level, OnFailure on_failure = OnFailure::kFailOpen) {
    route.durability = level;
    route.on_failure = on_failure;
    log.set_durability(FakeLog::Durability::kByHand);
    origin = std::make_unique<Origin>(Origin::answering([this](const Message& request) {
      ++answered;
      return plain_answer("got " + std::to_string(request.body.size()));
    }));
    set_legacy(origin->address());
    set_candidate(origin->address());
    start();
  }
  void TearDown() override { stop(); }
  bool has_wanted(std::size_t count) {
    return eventually([&] { return log.wanted() >= count; });
  }
  static constexpr int kShortMs = 50;
  static constexpr const char* kPost = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

  std::atomic<int> answered{0};
  std::unique_ptr<Origin> origin;
};

TEST_F(ProxyDurability, IntervalNeverWaits) {
  serve(Durability::kInterval);
  Wire client = this->client();
  client.send(kPost);
  EXPECT_EQ(client.read_answer().status(), 200);
  EXPECT_EQ(log.wanted(), 0U);
}

TEST_F(ProxyDurability, ResponseHoldsTheAnswerUntilItsRecordIsDurable) {
  options.durable_wait_ns = 60'000'000'000;
  serve(Durability::kResponse);
  Wire client = this->client();
  client.send(kPost);
  ASSERT_TRUE(has_wanted(1));
  EXPECT_EQ(answered, 1);  // The request did not wait.
  EXPECT_EQ(recorded().responses.size(), 1U);
  EXPECT_FALSE(client.has_bytes_within(kShortMs));
  log.make_durable_so_far();
  EXPECT_EQ(client.read_answer().status(), 200);
  EXPECT_EQ(proxy->stats().durable_waits, 1U);
  EXPECT_EQ(proxy->stats().durable_timeouts, 0U);
}

TEST_F(ProxyDurability, RequestForwardsNothingBeforeItIsDurable) {
  options.durable_wait_ns = 60'000'000'000;
  serve(Durability::kRequest);
  Wire client = this->client();
  client.send(kPost);
  ASSERT_TRUE(has_wanted(1));
  EXPECT_EQ(recorded().requests.size(), 1U);
  EXPECT_EQ(origin->connections(), 0);
  log.make_durable_so_far();
  ASSERT_TRUE(has_wanted(2));
  EXPECT_FALSE(client.has_bytes_within(kShortMs));
  log.make_durable_so_far();
  EXPECT_EQ(client.read_answer().status(), 200);
}

TEST_F(ProxyDurability, StreamedRequestHoldsBackItsLastPiece) {
  options.durable_wait_ns = 60'000'000'000;
  options.limits.inline_body_max = 10;
  serve(Durability::kRequest);
  Wire client = this->client();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n0123456789");
  ASSERT_TRUE(has_wanted(1));
  EXPECT_EQ(origin->connections(), 0);
  log.make_durable_so_far();
  ASSERT_TRUE(eventually([&] { return origin->connections() == 1; }));
  client.send("abcdefghij");
  ASSERT_TRUE(has_wanted(2));
  EXPECT_TRUE(recorded().chunks.back().is_last);
  EXPECT_EQ(answered, 0);
  log.make_durable_so_far();
  ASSERT_TRUE(has_wanted(3));
  EXPECT_EQ(answered, 1);
  log.make_durable_so_far();
  EXPECT_EQ(client.read_answer().body, "got 20");
}

TEST_F(ProxyDurability, WaitEndsInTimeAndServesOn) {
  options.durable_wait_ns = 50'000'000;
  serve(Durability::kRequest);
  Wire client = this->client();
  client.send(kPost);
  EXPECT_EQ(client.read_answer().status(), 200);
  // Having waited in vain once, the exchange does not wait for its answer's record too.
  EXPECT_EQ(proxy->stats().durable_waits, 1U);
  EXPECT_EQ(proxy->stats().durable_timeouts, 1U);
}

TEST_F(ProxyDurability, WaitThatEndsFailsClosedBeforeForwarding) {
  options.durable_wait_ns = 50'000'000;
  serve(Durability::kRequest, OnFailure::kFailClosed);
  Wire client = this->client();
  client.send(kPost);
  EXPECT_EQ(client.read_answer().status(), 503);
  EXPECT_EQ(answered, 0);
  const Recorded recorded = wait_for_closed(1);
  EXPECT_EQ(recorded.outcomes[0].cause, "log_timeout");
  EXPECT_EQ(recorded.outcomes[0].forwarded, Forwarded::kNothing);
}

TEST_F(ProxyDurability, AnswerInHandIsReleasedAlsoWhereTheRouteFailsClosed) {
  options.durable_wait_ns = 50'000'000;
  serve(Durability::kResponse, OnFailure::kFailClosed);
  Wire client = this->client();
  client.send(kPost);
  EXPECT_EQ(client.read_answer().status(), 200);
  EXPECT_EQ(proxy->stats().durable_timeouts, 1U);
}

TEST_F(ProxyDurability, FailureOfTheLogEndsAllWaitsAtOnce) {
  options.durable_wait_ns = 60'000'000'000;
  serve(Durability::kResponse);
  Wire first = client();
  Wire second = client();
  first.send(kPost);
  second.send(kPost);
  ASSERT_TRUE(has_wanted(2));
  log.fail();
  EXPECT_EQ(first.read_answer().status(), 200);
  EXPECT_EQ(second.read_answer().status(), 200);
}

TEST_F(ProxyDurability, FailedLogServesOnWhereTheRouteFailsOpen) {
  serve(Durability::kRequest);
  log.fail();
  Wire client = this->client();
  client.send(kPost);
  EXPECT_EQ(client.read_answer().status(), 200);
  EXPECT_EQ(log.size(), 0U);
}

TEST_F(ProxyDurability, RefusedRecordForwardsNothingWhereTheRouteFailsClosed) {
  serve(Durability::kInterval, OnFailure::kFailClosed);
  log.refuse(true);
  Wire client = this->client();
  client.send(kPost);
  EXPECT_EQ(client.read_answer().status(), 503);
  EXPECT_EQ(answered, 0);
  log.refuse(false);
  client.send(kPost);
  EXPECT_EQ(client.read_answer().status(), 200);
}

TEST_F(ProxyDurability, ClientThatLeavesWhileItWaitsForwardsNothing) {
  options.durable_wait_ns = 60'000'000'000;
  serve(Durability::kRequest);
  Wire client = this->client();
  client.send(kPost);
  ASSERT_TRUE(has_wanted(1));
  client.close();
  const Recorded recorded = wait_for_closed(1);
  EXPECT_EQ(recorded.outcomes[0].kind, OutcomeKind::kAborted);
  EXPECT_EQ(recorded.outcomes[0].forwarded, Forwarded::kNothing);
  log.make_durable_so_far();
  EXPECT_EQ(origin->connections(), 0);
}

TEST_F(ProxyDurability, OneSyncReleasesAllThatWaitForIt) {
  options.durable_wait_ns = 60'000'000'000;
  serve(Durability::kResponse);
  std::vector<Wire> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(client());
  for (Wire& wire : clients) wire.send(kPost);
  ASSERT_TRUE(has_wanted(20));
  log.make_durable_so_far();
  for (Wire& wire : clients) EXPECT_EQ(wire.read_answer().status(), 200);
}

}  // namespace
}  // namespace banyan::proxy
