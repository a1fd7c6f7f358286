// SPDX-License-Identifier: Apache-2.0
//
// What tests of pools share: a loop, the options of the pool, and asking through it.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/core/net/fake_peers.h"
#include "tests/support/times.h"

namespace banyan::net {

class PoolTest : public testing::Test {
 protected:
  PoolTest() : loop_(std::move(EventLoop::create()).value()) {}

  // Made when it is first asked, of `options_` and `addresses_` as they are then.
  UpstreamPool& pool() {
    if (!pool_) {
      options_.endpoints = Endpoints::fixed(addresses_);
      pool_ = std::make_unique<UpstreamPool>(*loop_, options_);
    }
    return *pool_;
  }
  static UpstreamRequest get() {
    UpstreamRequest request;
    request.head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    request.method = "GET";
    return request;
  }
  bool until(const std::function<bool()>& condition) { return run_until(*loop_, condition); }
  // What the handler was told.
  std::string ask(UpstreamRequest request = get()) {
    KeepingHandler handler;
    const auto call = pool().start(std::move(request), handler);
    EXPECT_TRUE(handler.seen.empty());
    EXPECT_TRUE(until([&] { return handler.is_done; }));
    failure_ = handler.failure;
    body_ = handler.body;
    return handler.seen;
  }

  std::unique_ptr<EventLoop> loop_;
  UpstreamOptions options_;
  std::vector<UpstreamAddress> addresses_;
  std::unique_ptr<UpstreamPool> pool_;
  UpstreamFailure failure_;  // of the last that was asked
  std::string body_;
};

}  // namespace banyan::net
