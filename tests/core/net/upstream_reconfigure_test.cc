// SPDX-License-Identifier: Apache-2.0
//
// A pool gets other options while calls run: none of them is cut.
#include <gtest/gtest.h>

#include "core/net/upstream.h"
#include "tests/core/net/fake_peers.h"

namespace banyan::net {
namespace {

class UpstreamReconfigureTest : public testing::Test {
 protected:
  UpstreamReconfigureTest() : loop_(std::move(EventLoop::create()).value()) {
    upstream_ = std::make_unique<FakeUpstream>(*loop_, [this](FakeUpstream::Peer& peer) {
      while (peer.take_head()) {
        if (holds_) {
          held_.push_back(&peer);
        } else {
          peer.send(kOk);
        }
      }
    });
    options_.endpoints = Endpoints::fixed(upstream_->addresses());
    pool_ = std::make_unique<UpstreamPool>(*loop_, options_);
  }
  struct Asked {
    KeepingHandler handler;
    std::unique_ptr<UpstreamCall> call;
  };
  Asked& start() {
    UpstreamRequest request;
    request.head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    request.method = "GET";
    asked_.push_back(std::make_unique<Asked>());
    asked_.back()->call = pool_->start(std::move(request), asked_.back()->handler);
    return *asked_.back();
  }
  bool finish(Asked& asked) {
    const bool is_done = run_until(*loop_, [&] { return asked.handler.is_done; });
    asked.call.reset();
    return is_done && asked.handler.seen == "h200 b complete";
  }

  std::unique_ptr<EventLoop> loop_;
  UpstreamOptions options_;
  bool holds_ = false;
  std::vector<FakeUpstream::Peer*> held_;
  std::unique_ptr<FakeUpstream> upstream_;
  std::unique_ptr<UpstreamPool> pool_;
  std::vector<std::unique_ptr<Asked>> asked_;
};

TEST_F(UpstreamReconfigureTest, IdleConnectionsServeOnUnlessTheyAreRenewed) {
  ASSERT_TRUE(finish(start()));
  pool_->reconfigure(options_, false);
  ASSERT_TRUE(finish(start()));
  EXPECT_EQ(upstream_->connections(), 1U);
  pool_->reconfigure(options_, true);
  ASSERT_TRUE(finish(start()));
  EXPECT_EQ(upstream_->connections(), 2U);
  EXPECT_TRUE(run_until(*loop_, [&] { return upstream_->peer(0).has_ended; }));
}

TEST_F(UpstreamReconfigureTest, ACallThatRunsIsFinishedOnItsOldConnectionWhichThenCloses) {
  holds_ = true;
  Asked& running = start();
  ASSERT_TRUE(run_until(*loop_, [&] { return held_.size() == 1; }));
  pool_->reconfigure(options_, true);
  holds_ = false;
  ASSERT_TRUE(finish(start()));
  EXPECT_EQ(upstream_->connections(), 2U);
  held_[0]->send(kOk);
  ASSERT_TRUE(finish(running));
  EXPECT_TRUE(run_until(*loop_, [&] { return upstream_->peer(0).has_ended; }));
  ASSERT_TRUE(finish(start()));
  EXPECT_EQ(upstream_->connections(), 2U);
}

TEST_F(UpstreamReconfigureTest, AHigherBoundServesWhoWaitsInLine) {
  options_.connections_max = 1;
  pool_->reconfigure(options_, false);
  holds_ = true;
  start();
  start();
  ASSERT_TRUE(run_until(*loop_, [&] { return held_.size() == 1; }));
  options_.connections_max = 2;
  pool_->reconfigure(options_, false);
  EXPECT_TRUE(run_until(*loop_, [&] { return held_.size() == 2; }));
}

TEST_F(UpstreamReconfigureTest, NewTimeoutsHoldForNewCalls) {
  options_.first_byte_timeout_ns = 30'000'000;
  pool_->reconfigure(options_, false);
  holds_ = true;
  Asked& asked = start();
  ASSERT_TRUE(run_until(*loop_, [&] { return asked.handler.is_done; }));
  EXPECT_EQ(asked.handler.failure.kind, UpstreamFailureKind::kFirstByteTimeout);
}

}  // namespace
}  // namespace banyan::net
