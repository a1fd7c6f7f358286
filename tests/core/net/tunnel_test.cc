// SPDX-License-Identifier: Apache-2.0
//
// What a connection to a system is after a 101 that the request asked for.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "tests/core/net/fake_peers.h"
#include "tests/support/times.h"

namespace banyan::net {
namespace {

constexpr std::string_view kSwitch =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

struct TunnelHandler : KeepingHandler {
  void on_upgraded(const http::ResponseHead& head) override {
    seen += "up" + std::to_string(head.status) + " ";
    is_up = true;
    if (at_up) at_up();
  }
  bool is_up = false;
  std::function<void()> at_up;
};

class TunnelTest : public testing::Test {
 protected:
  TunnelTest() : loop_(std::move(EventLoop::create()).value()) {}

  FakeUpstream& answer(FakeUpstream::Script script) {
    system_ = std::make_unique<FakeUpstream>(*loop_, std::move(script));
    options_.endpoints = Endpoints::fixed(system_->addresses());
    return *system_;
  }
  // Switches at the head, then sends everything back.
  FakeUpstream& echo(std::string_view behind = {}) {
    return answer([behind](FakeUpstream::Peer& peer) {
      if (peer.take_head()) peer.send(std::string(kSwitch).append(behind));
      peer.send(peer.received);
      peer.received.clear();
    });
  }
  std::unique_ptr<UpstreamCall> start(bool upgrades = true) {
    pool_ = std::make_unique<UpstreamPool>(*loop_, options_);
    UpstreamRequest request;
    request.head = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    request.method = "GET";
    request.upgrades = upgrades;
    return pool_->start(std::move(request), handler_);
  }
  bool until(const std::function<bool()>& condition) { return run_until(*loop_, condition); }

  std::unique_ptr<EventLoop> loop_;
  UpstreamOptions options_;
  std::unique_ptr<FakeUpstream> system_;
  std::unique_ptr<UpstreamPool> pool_;
  TunnelHandler handler_;
};

TEST_F(TunnelTest, CarriesBytesBothWays) {
  echo("first words");
  const auto call = start();
  EXPECT_TRUE(until([&] { return handler_.body == "first words"; }));
  call->write_body(" and more");
  EXPECT_TRUE(until([&] { return handler_.body == "first words and more"; }));
  EXPECT_EQ(handler_.seen, "up101 b ");
}

TEST_F(TunnelTest, ThatNobodyAskedForIsABadAnswer) {
  echo();
  const auto call = start(false);
  EXPECT_TRUE(until([&] { return handler_.is_done; }));
  EXPECT_EQ(handler_.seen, "bad_answer");
}

TEST_F(TunnelTest, AnAnswerOtherThan101IsAnAnswer) {
  answer([](FakeUpstream::Peer& peer) {
    if (peer.take_head()) peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
  });
  const auto call = start();
  EXPECT_TRUE(until([&] { return handler_.is_done; }));
  EXPECT_EQ(handler_.seen, "h403 b complete");
  EXPECT_EQ(pool_->stats().connections_open, 1U);  // usable for others
}

TEST_F(TunnelTest, TheClientsEndReachesTheSystemAndItsWordsStillComeBack) {
  FakeUpstream* system = &answer([&](FakeUpstream::Peer& peer) {
    if (peer.take_head()) peer.send(kSwitch);
  });
  const auto call = start();
  EXPECT_TRUE(until([&] { return handler_.is_up; }));
  call->write_body("bye");
  call->finish_body();
  // The end is seen as has_ended; what the system says before it closes comes through.
  EXPECT_TRUE(until([&] { return system->peer(0).received == "bye"; }));
  EXPECT_TRUE(until([&] { return handler_.is_done; }));
  EXPECT_EQ(handler_.seen, "up101 complete");
  EXPECT_EQ(pool_->stats().connections_open, 0U);
}

TEST_F(TunnelTest, TheSystemsEndIsTheEnd) {
  answer([](FakeUpstream::Peer& peer) {
    if (peer.take_head()) {
      peer.send(std::string(kSwitch) + "bye");
      peer.close();
    }
  });
  const auto call = start();
  EXPECT_TRUE(until([&] { return handler_.is_done; }));
  EXPECT_EQ(handler_.seen, "up101 b complete");
}

TEST_F(TunnelTest, AResetIsNoProperEnd) {
  FakeUpstream& system = echo();
  const auto call = start();
  EXPECT_TRUE(until([&] { return handler_.is_up; }));
  system.peer(0).reset();
  EXPECT_TRUE(until([&] { return handler_.is_done; }));
  EXPECT_EQ(handler_.seen, "up101 reset");
}

TEST_F(TunnelTest, HoldsBothSidesBack) {
  FakeUpstream& system = echo();
  options_.write_high_water_bytes = 100'000;
  const auto call = start();
  EXPECT_TRUE(until([&] { return handler_.is_up; }));
  system.peer(0).watch->want_read(false);
  const std::string piece(64 * 1024, 'x');
  std::size_t written = 0;
  EXPECT_TRUE(until([&] {
    for (int i = 0; i < 100 && !call->is_write_full(); ++i) {
      call->write_body(piece);
      written += piece.size();
    }
    return call->is_write_full();
  }));
  const int before = handler_.writable;
  call->pause_reading();
  system.peer(0).watch->want_read(true);
  EXPECT_TRUE(until([&] { return handler_.writable > before; }));
  const std::size_t at_pause = handler_.body.size();
  loop_->run_once_for_test();
  EXPECT_EQ(handler_.body.size(), at_pause);
  call->resume_reading();
  EXPECT_TRUE(until([&] { return handler_.body.size() == written; }));
}

TEST_F(TunnelTest, EndsInSilence) {
  echo();
  options_.tunnel_idle_ns = 50 * kMs;
  options_.idle_timeout_ns = 5 * kMs;  // of answers, not of tunnels
  const auto call = start();
  EXPECT_TRUE(until([&] { return handler_.is_done; }));
  EXPECT_EQ(handler_.seen, "up101 idle_timeout");
}

TEST_F(TunnelTest, ACallMayDieAsItIsUpgraded) {
  echo("words");
  auto call = start();
  handler_.at_up = [&] {
    call.reset();
    handler_.is_done = true;
  };
  EXPECT_TRUE(until([&] { return handler_.is_done; }));
  EXPECT_EQ(handler_.body, "");
  EXPECT_TRUE(until([&] { return system_->all_ended(); }));
}

}  // namespace
}  // namespace banyan::net
