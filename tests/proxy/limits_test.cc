// SPDX-License-Identifier: Apache-2.0
//
// Limits at their edge, deadlines of slow clients, and memory under back-pressure.
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "tests/proxy/rig.h"

namespace banyan::proxy {
namespace {

struct ProxyLimits : ::testing::Test, Rig {
  void serve() {
    origin = std::make_unique<Origin>(
        Origin::answering([](const Message&) { return plain_answer("ok"); }));
    set_legacy(origin->address());
    set_candidate(origin->address());
    start();
  }
  void TearDown() override { stop(); }
  // Sends it on a fresh connection and expects this status, then a close; nothing may be recorded.
  void expect_refused(const std::string& request, int status) {
    const std::size_t before = refused().size();
    Wire client = this->client();
    client.send(request);
    const Message answer = client.read_answer();
    EXPECT_EQ(answer.status(), status) << request.substr(0, 60);
    EXPECT_EQ(answer.field("connection"), "close");
    EXPECT_NE(answer.body.find("\"error\""), std::string::npos);
    EXPECT_TRUE(client.sees_end());
    ASSERT_EQ(refused().size(), before + 1);
    EXPECT_EQ(refused().back(), status);
  }
  std::unique_ptr<Origin> origin;
};

TEST_F(ProxyLimits, RefusesBeforeAdmissionWithoutARecord) {
  options.limits.target_bytes_max = 100;
  options.limits.fields_max = 10;
  options.limits.head_bytes_max = 2000;
  options.limits.body_bytes_max = 50;
  serve();
  expect_refused("GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n", 400);
  expect_refused("GET / HTTP/1.1\r\n\r\n", 400);
  expect_refused("GET /" + std::string(100, 'p') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414);
  expect_refused("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(3000, 'h') + "\r\n\r\n", 431);
  expect_refused("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 51\r\n\r\n", 413);
  expect_refused("GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", 417);
  expect_refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505);
  expect_refused("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 501);
  expect_refused("GET / HTTP/1.1\r\nHost: a\r\nBanyan-Hop: x, " + std::string(kUuid) + "\r\n\r\n",
                 508);
  EXPECT_EQ(log.size(), 0U);
  EXPECT_EQ(origin->connections(), 0);
  EXPECT_EQ(proxy->stats().refused, 9U);

  Wire client = this->client();
  client.send("PUT /" + std::string(99, 'p') +
              " HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n" + std::string(50, 'b'));
  EXPECT_EQ(client.read_answer().status(), 200);
}

TEST_F(ProxyLimits, BodyThatGrowsOverItsLimitIsRefusedAfterAdmission) {
  options.limits.body_bytes_max = 10;
  serve();
  Wire client = this->client();
  client.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n" +
              std::string(11, 'b') + "\r\n0\r\n\r\n");
  EXPECT_EQ(client.read_answer().status(), 413);
  const Recorded recorded = wait_for_closed(1);
  ASSERT_EQ(recorded.requests.size(), 1U);
  EXPECT_EQ(recorded.outcomes[0].status, 413);
  EXPECT_EQ(recorded.outcomes[0].forwarded, Forwarded::kNothing);
}

TEST_F(ProxyLimits, SlowHeadIsA408) {
  options.timeouts.head_ns = 100'000'000;
  serve();
  Wire client = this->client();
  client.send("GET / HT");
  EXPECT_EQ(client.read_answer().status(), 408);
  EXPECT_TRUE(client.sees_end());
  EXPECT_EQ(log.size(), 0U);
}

TEST_F(ProxyLimits, SilentConnectionIsClosed) {
  options.timeouts.head_ns = 100'000'000;
  serve();
  Wire client = this->client();
  EXPECT_TRUE(client.sees_end());
}

TEST_F(ProxyLimits, IdleConnectionIsClosedAfterKeepAlive) {
  options.timeouts.keep_alive_ns = 100'000'000;
  serve();
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read_answer().status(), 200);
  EXPECT_TRUE(client.sees_end());
}

TEST_F(ProxyLimits, SlowBodyIsA408AndRecorded) {
  options.timeouts.body_ns = 100'000'000;
  options.limits.inline_body_max = 100;
  serve();
  for (const char* length : {"50", "500"}) {
    Wire client = this->client();
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::string(length) +
                "\r\n\r\nfew");
    EXPECT_EQ(client.read_answer().status(), 408);
  }
  const Recorded recorded = wait_for_closed(2);
  EXPECT_EQ(recorded.requests.size(), 2U);
  ASSERT_EQ(recorded.outcomes.size(), 2U);
  EXPECT_EQ(recorded.outcomes[0].cause, "body_timeout");
  EXPECT_EQ(recorded.outcomes[0].forwarded, Forwarded::kNothing);
  EXPECT_EQ(recorded.outcomes[1].forwarded, Forwarded::kPart);
}

TEST_F(ProxyLimits, BodyBelowTheFloorIsA408WhileBytesStillCome) {
  options.timeouts.rate_grace_ns = 200'000'000;
  options.limits.rate_floor = 10'000;
  serve();
  Wire client = this->client();
  client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
  // A byte now and then never meets the deadline on silence.
  while (!client.has_bytes_within(5) && client.send("x")) {
  }
  EXPECT_EQ(client.read_answer().status(), 408);
  const Recorded recorded = wait_for_closed(1);
  ASSERT_EQ(recorded.outcomes.size(), 1U);
  EXPECT_EQ(recorded.outcomes[0].cause, "body_too_slow");
  EXPECT_NE(metrics.scrape().find("deadline=\"body_rate\"} 1"), std::string::npos);
}

TEST_F(ProxyLimits, ClientThatTakesLessThanTheFloorIsCut) {
  options.timeouts.rate_grace_ns = 200'000'000;
  options.limits.rate_floor = 1 << 30;
  origin = std::make_unique<Origin>(
      Origin::answering([](const Message&) { return plain_answer(std::string(64 << 20, 'x')); }));
  set_legacy(origin->address());
  set_candidate(origin->address());
  start();
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(eventually([&] {  // It reads on, a byte a turn.
    char byte;
    ::recv(client.fd(), &byte, 1, MSG_DONTWAIT);
    return metrics.scrape().find("deadline=\"answer_rate\"} 1") != std::string::npos;
  }));
  EXPECT_EQ(wait_for_closed(1).outcomes.at(0).kind, OutcomeKind::kAborted);
}

TEST_F(ProxyLimits, LastRequestOfAConnectionIsAnsweredAndClosesIt) {
  options.limits.requests_per_connection_max = 2;
  serve();
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_FALSE(client.read_answer().has("connection"));
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /third HTTP/1.1\r\nHost: a\r\n\r\n");
  const Message second = client.read_answer();
  EXPECT_EQ(second.status(), 200);
  EXPECT_EQ(second.field("connection"), "close");
  EXPECT_TRUE(client.sees_end());
  EXPECT_EQ(wait_for_closed(2).requests.size(), 2U);
}

TEST_F(ProxyLimits, OneFieldLineOverItsLimitIsA431) {
  options.limits.line_bytes_max = 300;
  serve();
  expect_refused("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(298, 'y') + "\r\n\r\n", 431);
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(297, 'y') + "\r\n\r\n");
  EXPECT_EQ(client.read_answer().status(), 200);
}

TEST_F(ProxyLimits, ConnectionThatFellIdleStillServes) {
  options.timeouts.keep_alive_ns = 400'000'000;  // A short tick: idle state is let go of quickly.
  serve();
  Wire client = this->client();
  for (int i = 0; i < 3; ++i) {
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.read_answer().status(), 200);
    ::poll(nullptr, 0, 150);  // More than a tick; not waited for, only made likely.
  }
  EXPECT_EQ(wait_for_closed(3).closers(), 3U);
}

TEST_F(ProxyLimits, ClientThatDoesNotReadIsCut) {
  options.timeouts.write_ns = 200'000'000;
  origin = std::make_unique<Origin>(
      Origin::answering([](const Message&) { return plain_answer(std::string(64 << 20, 'x')); }));
  set_legacy(origin->address());
  set_candidate(origin->address());
  start();
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const Recorded recorded = wait_for_closed(1);
  ASSERT_EQ(recorded.outcomes.size(), 1U);
  EXPECT_EQ(recorded.outcomes[0].kind, OutcomeKind::kAborted);
}

TEST_F(ProxyLimits, OneConnectionOverTheLimitIsA503) {
  options.limits.connections_max = 2;
  serve();
  Wire first = client();
  Wire second = client();
  ASSERT_TRUE(eventually([&] { return proxy->stats().connections_open == 2; }));
  Wire third = client();
  EXPECT_EQ(third.read_answer().status(), 503);
  EXPECT_TRUE(third.sees_end());
  first.close();
  ASSERT_TRUE(eventually([&] { return proxy->stats().connections_open == 1; }));
  Wire fourth = client();
  fourth.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(fourth.read_answer().status(), 200);
}

TEST_F(ProxyLimits, OneConnectionOverTheClientsLimitIsA503) {
  options.limits.connections_per_client_max = 1;
  serve();
  Wire first = client();
  ASSERT_TRUE(eventually([&] { return proxy->stats().connections_open == 1; }));
  Wire second = client();
  EXPECT_EQ(second.read_answer().status(), 503);
  first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(first.read_answer().status(), 200);
}

TEST_F(ProxyLimits, PastTheInlineBudgetBodiesStream) {
  options.limits.inline_bytes_total_max = 1000;
  serve();
  Wire small = client();
  small.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 998\r\n\r\n" + std::string(998, 'x'));
  EXPECT_EQ(small.read_answer().status(), 200);
  Wire large = client();
  large.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n" + std::string(1001, 'x'));
  EXPECT_EQ(large.read_answer().status(), 200);
  const Recorded recorded = wait_for_closed(2);
  EXPECT_EQ(recorded.requests[0].body.kind, model::Body::Kind::kInline);
  EXPECT_EQ(recorded.requests[1].body.kind, model::Body::Kind::kChunks);
}

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// A sanitizer's quarantine keeps freed memory.
#ifdef BANYAN_SANITIZED
constexpr std::size_t kExtraBytesMax = 512U << 20;
#else
constexpr std::size_t kExtraBytesMax = 32U << 20;
#endif

// A fast origin and a client that reads nothing until memory was looked at, then all of it.
TEST_F(ProxyLimits, HugeAnswerTakesLittleMemory) {
  constexpr std::size_t kBytes = 256U << 20;
  options.limits.body_captured_max = 1 << 20;
  const std::string piece(1 << 16, 'x');
  origin = std::make_unique<Origin>([piece](Wire& wire) {  // it may outlive this scope
    Message request;
    if (!wire.read_head(request)) return;
    wire.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kBytes) + "\r\n\r\n");
    for (std::size_t sent = 0; sent < kBytes; sent += piece.size()) {
      if (!wire.send(piece)) return;
    }
    wire.sees_end();
  });
  set_legacy(origin->address());
  set_candidate(origin->address());
  start();
  Wire client = this->client();
  const std::size_t before = resident_bytes();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  Message head;
  ASSERT_TRUE(client.read_head(head));
  std::size_t got = client.take_buffer().size();
  std::size_t most = 0;
  while (got < kBytes && client.fill()) {
    got += client.take_buffer().size();
    most = std::max(most, resident_bytes());
  }
  EXPECT_EQ(got, kBytes);
  EXPECT_LT(most, before + kExtraBytesMax);
  EXPECT_EQ(wait_for_closed(1).responses[0].answer.body.length, kBytes);
}

TEST_F(ProxyLimits, HugeRequestTakesLittleMemory) {
  constexpr std::size_t kBytes = 256U << 20;
  options.limits.body_captured_max = 1 << 20;
  origin = std::make_unique<Origin>([&](Wire& wire) {
    Message request;
    if (!wire.read_head(request)) return;
    std::size_t got = wire.take_buffer().size();
    while (got < kBytes && wire.fill()) got += wire.take_buffer().size();
    wire.send(plain_answer(std::to_string(got)));
    wire.sees_end();
  });
  set_legacy(origin->address());
  set_candidate(origin->address());
  start();
  Wire client = this->client();
  const std::string piece(1 << 16, 'x');
  const std::size_t before = resident_bytes();
  std::size_t most = 0;
  client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(kBytes) +
              "\r\n\r\n");
  for (std::size_t sent = 0; sent < kBytes; sent += piece.size()) {
    ASSERT_TRUE(client.send(piece));
    most = std::max(most, resident_bytes());
  }
  EXPECT_EQ(client.read_answer().body, std::to_string(kBytes));
  EXPECT_LT(most, before + kExtraBytesMax);
}

TEST_F(ProxyLimits, PortInUseIsAnErrorThatNamesIt) {
  serve();
  Rig second;
  second.options.listeners[0].address = proxy->addresses().front();
  second.set_legacy(origin->address());
  second.set_candidate(origin->address());
  const Status status = second.try_open();
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find(proxy->addresses().front()), std::string::npos)
      << status.error().message;
}

TEST_F(ProxyLimits, ServesWithSeveralWorkers) {
  options.workers = 3;
  serve();
  std::vector<Wire> clients;
  for (int i = 0; i < 30; ++i) clients.push_back(client());
  for (int round = 0; round < 3; ++round) {
    for (Wire& wire : clients) ASSERT_TRUE(wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    for (Wire& wire : clients) ASSERT_EQ(wire.read_answer().status(), 200);
  }
  const Recorded recorded = wait_for_closed(90);
  std::set<ExchangeId> ids;
  for (const auto& request : recorded.requests) ids.insert(request.exchange);
  EXPECT_EQ(ids.size(), 90U);
  EXPECT_EQ(proxy->stats().exchanges, 90U);
}

}  // namespace
}  // namespace banyan::proxy
