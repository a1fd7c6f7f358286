// SPDX-License-Identifier: Apache-2.0
//
// A pool and several addresses: one dead, one slow, one that flaps. Requests go well all the same.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>

#include "core/net/upstream.h"
#include "tests/core/net/fake_peers.h"
#include "tests/support/times.h"

namespace banyan::net {
namespace {

UpstreamAddress closed_address() {
  auto listening = listen_on("127.0.0.1:0", false);
  return resolve_url("http://" + listening->address)->front();
}

class UpstreamBalanceTest : public testing::Test {
 protected:
  UpstreamBalanceTest() : loop_(std::move(EventLoop::create()).value()) {
    options_.endpoints = std::make_shared<Endpoints>("");
  }

  FakeUpstream& add(FakeUpstream::Script script) {
    upstreams_.push_back(std::make_unique<FakeUpstream>(*loop_, std::move(script)));
    addresses_.push_back(upstreams_.back()->addresses().front());
    return *upstreams_.back();
  }
  FakeUpstream& add_good() {
    return add([](FakeUpstream::Peer& peer) {
      while (peer.take_head()) peer.send(kOk);
    });
  }
  // Answers when told to.
  FakeUpstream& add_held(std::vector<FakeUpstream::Peer*>& held) {
    return add([&held](FakeUpstream::Peer& peer) {
      while (peer.take_head()) held.push_back(&peer);
    });
  }
  void publish() {
    options_.endpoints->set_addresses(addresses_, loop_->now().mono_ns);
    if (!pool_) pool_ = std::make_unique<UpstreamPool>(*loop_, options_);
  }
  UpstreamRequest get() const {
    UpstreamRequest request;
    request.head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    request.method = "GET";
    request.may_retry = may_retry_;
    return request;
  }
  struct Asked {
    KeepingHandler handler;
    std::unique_ptr<UpstreamCall> call;
  };
  Asked& start() {
    asked_.push_back(std::make_unique<Asked>());
    asked_.back()->call = pool_->start(get(), asked_.back()->handler);
    return *asked_.back();
  }
  bool until(const std::function<bool()>& condition) { return run_until(*loop_, condition); }
  std::string ask() {
    Asked& asked = start();
    EXPECT_TRUE(until([&] { return asked.handler.is_done; }));
    asked.call.reset();
    return asked.handler.seen;
  }
  EndpointStatus status(std::size_t index) {
    return options_.endpoints->status(loop_->now().mono_ns).endpoints.at(index);
  }

  std::unique_ptr<EventLoop> loop_;
  bool may_retry_ = true;
  UpstreamOptions options_;
  std::vector<UpstreamAddress> addresses_;
  std::vector<std::unique_ptr<FakeUpstream>> upstreams_;
  std::unique_ptr<UpstreamPool> pool_;
  std::vector<std::unique_ptr<Asked>> asked_;
};

TEST_F(UpstreamBalanceTest, SpreadsConcurrentRequestsEvenly) {
  std::vector<FakeUpstream::Peer*> held;
  for (int i = 0; i < 3; ++i) add_held(held);
  publish();
  for (int i = 0; i < 30; ++i) start();
  EXPECT_TRUE(until([&] { return held.size() == 30; }));
  for (const auto& upstream : upstreams_) EXPECT_EQ(upstream->connections(), 10U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(status(i).in_flight, 10U);
    EXPECT_EQ(status(i).connections, 10U);
  }
  for (FakeUpstream::Peer* peer : held) peer->send(kOk);
  EXPECT_TRUE(until([&] {
    return std::all_of(asked_.begin(), asked_.end(), [](auto& it) { return it->handler.is_done; });
  }));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(status(i).in_flight, 0U);
}

// The connection that has just answered is warm, and yet not the only one used.
TEST_F(UpstreamBalanceTest, WarmConnectionDoesNotDrawAllRequests) {
  add_good();
  add_good();
  publish();
  for (int i = 0; i < 60; ++i) EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_GE(status(0).requests, 15U);
  EXPECT_GE(status(1).requests, 15U);
  EXPECT_EQ(pool_->stats().connections_opened, 2U);
}

TEST_F(UpstreamBalanceTest, CallStartedAtAnEndKeepsTheBalance) {
  add_good();
  add_good();
  publish();
  std::vector<std::unique_ptr<KeepingHandler>> handlers;
  std::vector<std::unique_ptr<UpstreamCall>> calls;
  int done = 0;
  std::function<void()> next = [&] {
    if (++done > 60) return;
    handlers.push_back(std::make_unique<KeepingHandler>());
    handlers.back()->at_end = next;
    calls.push_back(pool_->start(get(), *handlers.back()));
  };
  next();
  EXPECT_TRUE(until([&] { return done > 60; }));
  EXPECT_GE(status(0).requests, 15U);
  EXPECT_GE(status(1).requests, 15U);
  EXPECT_EQ(pool_->stats().connections_opened, 2U);
}

TEST_F(UpstreamBalanceTest, DeadAddressCostsNoRequest) {
  add_good();
  addresses_.push_back(closed_address());
  add_good();
  publish();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_LE(status(1).requests, 2U);  // it rests for a second after each refusal
  EXPECT_GE(status(1).failures, 1U);
}

TEST_F(UpstreamBalanceTest, AddressThatDoesNotAcceptIsPassedOn) {
  auto full = listen_on("127.0.0.1:0", false, 0);
  ASSERT_TRUE(full.ok());
  addresses_ = *resolve_url("http://" + full->address);
  std::vector<UniqueFd> fill;
  for (int i = 0; i < 8; ++i) {
    fill.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    const std::string& bytes = addresses_[0].socket_address;
    (void)::connect(fill.back().get(), reinterpret_cast<const sockaddr*>(bytes.data()),
                    static_cast<socklen_t>(bytes.size()));
  }
  add_good();
  options_.connect_timeout_ns = 60 * kMs;
  publish();
  for (int i = 0; i < 30; ++i) EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_GE(status(0).failures, 1U);
}

TEST_F(UpstreamBalanceTest, SlowAddressGetsFewRequests) {
  std::vector<FakeUpstream::Peer*> held;
  add_held(held);
  add_good();
  publish();
  // Once one hangs at the slow address, the other has always less to do.
  int answered = 0;
  for (int i = 0; i < 100; ++i) {
    Asked& asked = start();
    const std::size_t before = held.size();
    EXPECT_TRUE(until([&] { return asked.handler.is_done || held.size() > before; }));
    answered += asked.handler.is_done ? 1 : 0;
  }
  EXPECT_EQ(held.size(), 1U);
  EXPECT_EQ(answered, 99);
}

TEST_F(UpstreamBalanceTest, FlappingAddressIsEjectedAndTriedAgain) {
  bool is_sick = true;
  add([&](FakeUpstream::Peer& peer) {
    while (peer.take_head()) {
      if (is_sick) return peer.reset();
      peer.send(kOk);
    }
  });
  add_good();
  EndpointsOptions judgement;
  judgement.failures_max = 3;
  judgement.ejection_ns = 100 * kMs;
  judgement.slow_start_ns = 0;
  options_.endpoints->set_options(judgement);
  publish();
  may_retry_ = false;
  int failed = 0;
  while (status(0).state != "ejected") {
    failed += ask() == "h200 b complete" ? 0 : 1;
    ASSERT_LE(failed, 3);
  }
  EXPECT_EQ(failed, 3);
  is_sick = false;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_TRUE(until([&] { return status(0).state == "usable"; }));
  const std::uint64_t before = status(0).requests;
  for (int i = 0; i < 30; ++i) EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_GT(status(0).requests, before);
}

// It takes requests and closes on them: what may be sent twice is asked elsewhere, and for a second
// nothing more is tried there.
TEST_F(UpstreamBalanceTest, RequestThatMayBeSentTwiceIsAskedElsewhere) {
  add([](FakeUpstream::Peer& peer) {
    if (peer.take_head()) peer.close();
  });
  add_good();
  publish();
  for (int i = 0; i < 40; ++i) EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_EQ(status(0).failures, 1U);
  EXPECT_EQ(status(0).state, "resting");
  EXPECT_EQ(pool_->stats().retries, 1U);
  // Once only: the other one fails too.
  addresses_.pop_back();
  upstreams_.pop_back();
  for (int i = 0; i < 2; ++i) {
    add([](FakeUpstream::Peer& peer) {
      if (peer.take_head()) peer.close();
    });
  }
  publish();
  EXPECT_EQ(ask(), "reset");
}

TEST_F(UpstreamBalanceTest, LeavingAddressDrains) {
  std::vector<FakeUpstream::Peer*> held;
  add_held(held);
  publish();
  Asked& running = start();
  EXPECT_TRUE(until([&] { return held.size() == 1; }));
  addresses_.clear();
  add_good();
  publish();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ask(), "h200 b complete");
  held[0]->send(kOk);  // What runs there is finished, and its connection is not used again.
  EXPECT_TRUE(until([&] { return running.handler.is_done; }));
  EXPECT_EQ(running.handler.seen, "h200 b complete");
  EXPECT_TRUE(until([&] { return upstreams_[0]->all_ended(); }));
  EXPECT_EQ(upstreams_[0]->connections(), 1U);
}

TEST_F(UpstreamBalanceTest, IdleConnectionsToALeavingAddressClose) {
  add_good();
  publish();
  EXPECT_EQ(ask(), "h200 b complete");
  addresses_.clear();
  add_good();
  publish();
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_TRUE(until([&] { return upstreams_[0]->all_ended(); }));
  EXPECT_EQ(pool_->stats().connections_open, 1U);
  addresses_.clear();
  publish();
  EXPECT_EQ(ask(), "connect_failed");
}

TEST_F(UpstreamBalanceTest, FullPoolUsesTheIdleConnectionThereIs) {
  std::vector<FakeUpstream::Peer*> held;
  add_held(held);
  add_good();
  options_.connections_max = 2;
  publish();
  // Both addresses have their connection; of the good one it is idle.
  while (held.empty() || pool_->stats().connections_open < 2) {
    Asked& asked = start();
    EXPECT_TRUE(until([&] { return asked.handler.is_done || !held.empty(); }));
  }
  for (int i = 0; i < 5; ++i) {
    Asked& asked = start();
    EXPECT_TRUE(until([&] { return asked.handler.is_done; }));
    EXPECT_EQ(asked.handler.seen, "h200 b complete");
  }
  EXPECT_EQ(pool_->stats().overloaded, 0U);
}

TEST_F(UpstreamBalanceTest, BoundsWhatIsUnderWay) {
  std::vector<FakeUpstream::Peer*> held;
  add_held(held);
  options_.calls_max = 2;
  publish();
  start();
  start();
  Asked& third = start();
  EXPECT_TRUE(until([&] { return third.handler.is_done; }));
  EXPECT_EQ(third.handler.seen, "overloaded");
  EXPECT_FALSE(third.handler.failure.any_byte_sent);
  asked_.pop_back();
  asked_.front()->call.reset();
  Asked& fourth = start();
  EXPECT_TRUE(until([&] { return held.size() == 3; }));
  held.back()->send(kOk);
  EXPECT_TRUE(until([&] { return fourth.handler.is_done; }));
  EXPECT_EQ(fourth.handler.seen, "h200 b complete");
}

TEST_F(UpstreamBalanceTest, OnlyWhoObeysTheCircuitIsHeldBack) {
  bool is_sick = true;
  add([&](FakeUpstream::Peer& peer) {
    while (peer.take_head()) {
      if (is_sick) return peer.close();
      peer.send(kOk);
    }
  });
  EndpointsOptions judgement;
  judgement.circuit.failures_max = 3;
  judgement.circuit.open_ns = judgement.circuit.open_max_ns = 100 * kMs;
  options_.endpoints->set_options(judgement);
  publish();
  UpstreamOptions obedient = options_;
  obedient.obeys_circuit = true;
  auto primary = std::exchange(pool_, std::make_unique<UpstreamPool>(*loop_, obedient));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(), "reset");
  EXPECT_EQ(ask(), "circuit_open");
  EXPECT_EQ(upstreams_[0]->connections(), 3U);
  // A primary asks all the same, and its answer closes the circuit for everybody.
  std::swap(pool_, primary);
  EXPECT_EQ(ask(), "reset");
  is_sick = false;
  EXPECT_EQ(ask(), "h200 b complete");
  std::swap(pool_, primary);
  EXPECT_EQ(ask(), "h200 b complete");
}

TEST_F(UpstreamBalanceTest, GivingUpCountsAgainstTheAddress) {
  std::vector<FakeUpstream::Peer*> held;
  add_held(held);
  publish();
  Asked& asked = start();
  EXPECT_TRUE(until([&] { return held.size() == 1; }));
  asked.call->give_up();
  asked.call.reset();
  EXPECT_EQ(status(0).failures, 1U);
  EXPECT_EQ(status(0).in_flight, 0U);
  // Who leaves for its own reasons says nothing about the address.
  Asked& other = start();
  EXPECT_TRUE(until([&] { return held.size() == 2; }));
  other.call.reset();
  EXPECT_EQ(status(0).failures, 1U);
}

}  // namespace
}  // namespace banyan::net
