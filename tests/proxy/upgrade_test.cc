// SPDX-License-Identifier: Apache-2.0
//
// Upgrades: who may ask, what is a tunnel and what is not, and how each end of one is recorded.
#include <gtest/gtest.h>

#include "tests/proxy/rig.h"

namespace banyan::proxy {
namespace {

constexpr std::string_view kAsk =
    "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    "Sec-WebSocket-Key: x\r\n\r\n";
constexpr std::string_view kSwitch =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Accept: y\r\n\r\n";

struct ProxyUpgrade : ::testing::Test, Rig {
  void serve(Origin::Serve serve) {
    origin = std::make_unique<Origin>(std::move(serve));
    set_legacy(origin->address());
    set_candidate(origin->address());
    start();
  }
  // Echoes what comes behind the 101 until the end, then says "bye".
  static Origin::Serve echo(std::string_view first = {}) {
    return [first = std::string(first)](Wire& wire) {
      Message request;
      if (!wire.read_head(request)) return;
      wire.send(std::string(kSwitch) + first);
      do {
        wire.send(wire.take_buffer());
      } while (wire.fill());
      wire.send("bye");
    };
  }
  void TearDown() override { stop(); }
  std::unique_ptr<Origin> origin;
};

TEST_F(ProxyUpgrade, TunnelCarriesBytesBothWaysAndIsOneAnswer) {
  serve(echo("hello"));
  Wire client = this->client();
  // What a client sends behind its request before the 101 belongs to the new protocol.
  client.send(std::string(kAsk) + "GET /early HTTP/1.1\r\n\r\n");
  const Message answer = client.read_answer();
  EXPECT_EQ(answer.status(), 101);
  EXPECT_EQ(answer.field("upgrade"), "WebSocket");
  EXPECT_EQ(answer.field("connection"), "Upgrade");
  EXPECT_EQ(answer.field("sec-websocket-accept"), "y");
  std::string got;
  const std::string wanted = "helloGET /early HTTP/1.1\r\n\r\n";
  while (got.size() < wanted.size() && (client.has_bytes_within(kPatienceMs))) {
    got += client.take_buffer();
  }
  EXPECT_EQ(got, wanted);
  client.send("\x81\x05more!");
  while (got.size() < wanted.size() + 7 && client.has_bytes_within(kPatienceMs)) {
    got += client.take_buffer();
  }
  ::shutdown(client.fd(), SHUT_WR);
  EXPECT_TRUE(client.sees_end());
  EXPECT_EQ(client.take_buffer(), "bye");  // The system may speak on behind the client's end.
  const Recorded recorded = wait_for_closed(1);
  ASSERT_EQ(recorded.responses.size(), 1U);
  EXPECT_EQ(recorded.responses[0].answer.status, 101);
  EXPECT_EQ(recorded.responses[0].delivery, Delivery::kWhole);
  EXPECT_EQ(recorded.responses[0].answer.body.length, wanted.size() + 7 + 3);
  EXPECT_TRUE(recorded.responses[0].answer.body.bytes.empty());
  EXPECT_EQ(recorded.requests[0].mirror, MirrorDecision::kSkipped);
  EXPECT_EQ(recorded.requests[0].skip, SkipReason::kUpgrade);
  EXPECT_NE(recorded.requests[0].decision.find("upgrade"), std::string::npos);
  EXPECT_NE(metrics.scrape().find("banyan_proxy_upgrades_total 1"), std::string::npos);
}

TEST_F(ProxyUpgrade, ProtocolThatTheRouteDoesNotNameIsAskedAsAPlainRequest) {
  route.upgrades = {"websocket"};
  serve(Origin::answering([](const Message& request) {
    return plain_answer(request.field("upgrade") + request.field("connection"));
  }));
  for (const char* asked :
       {"Upgrade: h2c", "Upgrade: websocket, foo", "Upgrade: foo\r\nUpgrade: websocket"}) {
    Wire client = this->client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n" + std::string(asked) +
                "\r\n\r\n");
    const Message answer = client.read_answer();
    EXPECT_EQ(answer.status(), 200) << asked;
    EXPECT_EQ(answer.body, "") << asked;
  }
}

TEST_F(ProxyUpgrade, AbsentConnectionOptionOrABodyIsNoUpgrade) {
  serve(Origin::answering(
      [](const Message& request) { return plain_answer(request.field("upgrade")); }));
  for (const char* request :
       {"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Content-Length: 2\r\n\r\nab"}) {
    Wire client = this->client();
    client.send(request);
    EXPECT_EQ(client.read_answer().body, "") << request;
  }
}

TEST_F(ProxyUpgrade, SystemThatAnswersInHttpIsAnOrdinaryAnswer) {
  serve(Origin::answering([](const Message& request) {
    return request.first_line.find("chat") != std::string::npos
               ? "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno"
               : plain_answer("ok");
  }));
  Wire client = this->client();
  client.send(kAsk);
  EXPECT_EQ(client.read_answer().status(), 426);
  client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read_answer().body, "ok");
}

TEST_F(ProxyUpgrade, SwitchThatNobodyAskedForIsA502) {
  serve([](Wire& wire) {
    wire.read_request();
    wire.send(kSwitch);
    wire.sees_end();
  });
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read_answer().status(), 502);
}

TEST_F(ProxyUpgrade, SwitchToAnotherProtocolIsA502) {
  serve([](Wire& wire) {
    wire.read_request();
    wire.send("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n");
    wire.sees_end();
  });
  Wire client = this->client();
  client.send(kAsk);
  EXPECT_EQ(client.read_answer().status(), 502);
  EXPECT_EQ(proxy->refusals().at(0).reason, "other_upgrade");
}

TEST_F(ProxyUpgrade, SystemThatIsLostCutsTheTunnelAndTheRecordSaysSo) {
  serve([](Wire& wire) {
    wire.read_request();
    wire.send(std::string(kSwitch) + "part");
    wire.fill();
    wire.reset();
  });
  Wire client = this->client();
  client.send(kAsk);
  EXPECT_EQ(client.read_answer().status(), 101);
  EXPECT_TRUE(client.has_bytes_within(kPatienceMs));
  client.send("x");
  EXPECT_TRUE(client.sees_end());
  const Recorded recorded = wait_for_closed(1);
  ASSERT_EQ(recorded.responses.size(), 1U);
  EXPECT_EQ(recorded.responses[0].delivery, Delivery::kTruncated);
}

TEST_F(ProxyUpgrade, ClientThatIsLostEndsTheTunnelOfTheSystem) {
  std::atomic<bool> saw_end{false};
  serve([&](Wire& wire) {
    wire.read_request();
    wire.send(kSwitch);
    const std::string piece(1 << 16, 'x');
    while (wire.send(piece)) {
    }
    saw_end = true;
  });
  {
    Wire client = this->client();
    client.send(kAsk);
    EXPECT_EQ(client.read_answer().status(), 101);
    client.reset();
  }
  EXPECT_TRUE(eventually([&] { return saw_end.load(); }));
  const Recorded recorded = wait_for_closed(1);
  ASSERT_EQ(recorded.responses.size(), 1U);
  EXPECT_EQ(recorded.responses[0].delivery, Delivery::kClientLeft);
}

// Neither side may fill us with what the other does not take.
TEST_F(ProxyUpgrade, LargeTrafficPassesBothWaysAtOnce) {
  constexpr std::size_t kBytes = 32U << 20;
  serve(echo());
  Wire client = this->client();
  client.send(kAsk);
  EXPECT_EQ(client.read_answer().status(), 101);
  std::thread sender([&] {
    const std::string piece(1 << 16, 'z');
    for (std::size_t sent = 0; sent < kBytes; sent += piece.size()) client.send(piece);
    ::shutdown(client.fd(), SHUT_WR);
  });
  std::size_t got = client.take_buffer().size();
  while (client.fill()) got += client.take_buffer().size();
  sender.join();
  EXPECT_EQ(got, kBytes + 3);
  EXPECT_EQ(wait_for_closed(1).responses.at(0).delivery, Delivery::kWhole);
}

TEST_F(ProxyUpgrade, StopCutsTheTunnelAndRecordsIt) {
  serve(echo());
  Wire client = this->client();
  client.send(kAsk);
  EXPECT_EQ(client.read_answer().status(), 101);
  proxy->stop(0);
  EXPECT_TRUE(client.sees_end());
  const Recorded recorded = this->recorded();
  ASSERT_EQ(recorded.responses.size(), 1U);
  EXPECT_EQ(recorded.responses[0].delivery, Delivery::kTruncated);
}

}  // namespace
}  // namespace banyan::proxy
