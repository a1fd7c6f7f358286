// SPDX-License-Identifier: Apache-2.0
//
// What an Http2Link asks again after a stream, a connection or the protocol came to nothing, and
// what it must not.
#include <gtest/gtest.h>

#include "core/net/http2_link.h"
#include "tests/core/net/http2_fixture.h"

namespace banyan::net {
namespace {

class Http2AgainTest : public Http2PoolTest {
 protected:
  // Another address, where all is answered.
  FakeHttp2& add_good_address() {
    other_ = std::make_unique<FakeHttp2>(*loop_, [](Peer& peer, const Http2Frame& it) {
      if (it.type <= NGHTTP2_HEADERS && (it.flags & 1) != 0) peer.send(ok(it.stream));
    });
    addresses_.push_back(other_->upstream().addresses().front());
    return *other_;
  }
  std::uint64_t failures_of_first() {
    return options_.endpoints->status(loop_->now().mono_ns).endpoints.front().failures;
  }
  // Asks until the first address was asked as well.
  std::string ask_both(UpstreamRequest (*make)()) {
    std::string seen;
    for (int i = 0; i < 20 && system_->frames.empty(); ++i) seen = ask(make());
    EXPECT_FALSE(system_->frames.empty());
    return seen;
  }

  std::unique_ptr<FakeHttp2> other_;
};

// ---- the system says that it did nothing

TEST_F(Http2AgainTest, AsksAgainElsewhereWhatAGoawayLeftUnprocessed) {
  answer([&](Peer& peer, const Http2Frame& it) {
    if (it.type != NGHTTP2_HEADERS) return;
    if (peer.number > 1) return peer.send(ok(it.stream));
    peer.send(goaway(0, NGHTTP2_NO_ERROR));
  });
  // Also what is not idempotent: nothing was done with it.
  EXPECT_EQ(ask(inline_post()), "h200 b complete");
  EXPECT_EQ(pool().stats().retries, 1U);
  EXPECT_EQ(system_->frames.back().payload, "abc");
}

TEST_F(Http2AgainTest, LetsStreamsEndThatAGoawayCovers) {
  answer([&](Peer& peer, const Http2Frame& it) {
    if (it.type != NGHTTP2_HEADERS) return;
    if (peer.number == 1) {
      peer.send(goaway(1, NGHTTP2_NO_ERROR));
    }
    peer.send(ok(it.stream));
  });
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_TRUE(until([&] { return pool().stats().connections_open == 0; }));
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_EQ(pool().stats().connections_opened, 2U);
}

TEST_F(Http2AgainTest, AsksAgainWhatWasRefusedAndGivesUpInTheEnd) {
  int requests = 0;
  answer([&](Peer& peer, const Http2Frame& it) {
    if (it.type != NGHTTP2_HEADERS) return;
    ++requests;
    peer.send(reset(it.stream, NGHTTP2_REFUSED_STREAM));
  });
  EXPECT_EQ(ask(), "reset");
  EXPECT_EQ(requests, 1 + Http2Link::kRefusalsMax);
  EXPECT_FALSE(failure_.any_byte_sent);  // so it may be asked elsewhere
  EXPECT_EQ(pool().stats().connections_opened, 1U);
}

TEST_F(Http2AgainTest, NeverAsksAgainWhatWasStreamed) {
  answer([&](Peer& peer, const Http2Frame& it) {
    if (it.type != NGHTTP2_DATA) return;
    peer.send(reset(it.stream, NGHTTP2_REFUSED_STREAM));
  });
  KeepingHandler handler;
  const auto call = pool().start(post(), handler);
  call->write_body("abc");
  EXPECT_TRUE(until([&] { return handler.is_done; }));
  EXPECT_EQ(handler.seen, "reset");
}

// A request whose first sending may have been processed stays one that may have been.
TEST_F(Http2AgainTest, RemembersThatALostConnectionMayHaveDoneIt) {
  answer([&](Peer& peer, const Http2Frame& it) {
    if (it.type != NGHTTP2_HEADERS) return;
    if (peer.number > 1) return peer.send(reset(it.stream, NGHTTP2_REFUSED_STREAM));
    if (it.stream == 1) return peer.send(ok(it.stream));
    peer.reset();
  });
  EXPECT_EQ(ask(idempotent()), "h200 b complete");
  EXPECT_EQ(ask(idempotent()), "reset");
  EXPECT_TRUE(failure_.any_byte_sent);
}

// ---- the connection was lost

TEST_F(Http2AgainTest, FailsAllCallsOfALostConnection) {
  answer([&](Peer& peer, const Http2Frame& it) {
    if (it.type == NGHTTP2_HEADERS && it.stream == 3) peer.reset();
  });
  KeepingHandler first, second;
  const auto one = pool().start(get(), first);
  const auto two = pool().start(get(), second);
  EXPECT_TRUE(until([&] { return first.is_done && second.is_done; }));
  EXPECT_EQ(first.seen, "reset");
  EXPECT_EQ(second.seen, "reset");
}

TEST_F(Http2AgainTest, AsksAgainOnceWhereAConnectionThatHadWorkedIsLost) {
  answer([&](Peer& peer, const Http2Frame& it) {
    if (it.type != NGHTTP2_HEADERS) return;
    if (it.stream == 1 && peer.number != 3) return peer.send(ok(it.stream));
    peer.reset();
  });
  EXPECT_EQ(ask(idempotent()), "h200 b complete");
  EXPECT_EQ(ask(idempotent()), "h200 b complete");  // on the second connection
  EXPECT_EQ(pool().stats().retries, 1U);
  EXPECT_EQ(failures_of_first(), 0U);      // it may just have restarted
  EXPECT_EQ(ask(inline_post()), "reset");  // it may have been processed
  EXPECT_TRUE(failure_.any_byte_sent);
  EXPECT_EQ(ask(idempotent()), "reset");  // a fresh connection of the only address
  EXPECT_EQ(pool().stats().retries, 1U);
}

TEST_F(Http2AgainTest, AsksElsewhereWhereAFreshConnectionIsLost) {
  answer([](Peer& peer, const Http2Frame& it) {
    if (it.type == NGHTTP2_HEADERS) peer.reset();
  });
  FakeHttp2& good = add_good_address();
  EXPECT_EQ(ask_both(idempotent), "h200 b complete");
  EXPECT_EQ(pool().stats().retries, 1U);
  EXPECT_EQ(failures_of_first(), 1U);
  // It rests, so the next ones go where the retry went.
  const int before = good.count(NGHTTP2_HEADERS);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(idempotent()), "h200 b complete");
  EXPECT_EQ(good.count(NGHTTP2_HEADERS), before + 5);
  EXPECT_EQ(failures_of_first(), 1U);
}

TEST_F(Http2AgainTest, BlamesALostConnectionOnceHoweverManyItCarried) {
  answer([](Peer& peer, const Http2Frame& it) {
    if (it.type == NGHTTP2_HEADERS && it.stream == 5) peer.reset();
  });
  std::vector<std::unique_ptr<KeepingHandler>> handlers;
  std::vector<std::unique_ptr<UpstreamCall>> calls;
  for (int i = 0; i < 3; ++i) {
    handlers.push_back(std::make_unique<KeepingHandler>());
    calls.push_back(pool().start(i == 1 ? inline_post() : idempotent(), *handlers.back()));
  }
  add_good_address();
  options_.endpoints->set_addresses(addresses_, loop_->now().mono_ns);
  for (const auto& handler : handlers) EXPECT_TRUE(until([&] { return handler->is_done; }));
  EXPECT_EQ(handlers[0]->seen, "h200 b complete");
  EXPECT_EQ(handlers[1]->seen, "reset");
  EXPECT_EQ(handlers[2]->seen, "h200 b complete");
  EXPECT_EQ(failures_of_first(), 1U);
}

TEST_F(Http2AgainTest, NeverAsksElsewhereWhatIsNotIdempotent) {
  answer([](Peer& peer, const Http2Frame& it) {
    if (it.type == NGHTTP2_HEADERS) peer.reset();
  });
  add_good_address();
  EXPECT_EQ(ask_both(inline_post), "reset");
  EXPECT_TRUE(failure_.any_byte_sent);
  EXPECT_EQ(pool().stats().retries, 0U);
}

// ---- the system wants HTTP/1.1

TEST_F(Http2AgainTest, AsksOverHttp1WhereTheSystemWantsThat) {
  answer([](Peer& peer, const Http2Frame& it) {
    if (it.type == NGHTTP2_HEADERS) peer.send(reset(it.stream, NGHTTP2_HTTP_1_1_REQUIRED));
  });
  // Whatever its method: the code says that nothing was done.
  EXPECT_EQ(ask(inline_post()), "h200 b complete");
  EXPECT_EQ(system_->http1_heads, std::vector<std::string>{inline_post().head});
  EXPECT_EQ(pool().stats().retries, 1U);
  // From then on nothing else is tried, and the connection of before ends.
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_EQ(system_->count(NGHTTP2_HEADERS), 1);
  EXPECT_EQ(pool().stats().retries, 1U);
  EXPECT_TRUE(until([&] { return pool().stats().connections_open == 1; }));
  EXPECT_EQ(failures_of_first(), 0U);
}

TEST_F(Http2AgainTest, LetsOtherStreamsEndOnTheConnectionOfBefore) {
  Peer* open = nullptr;
  answer([&](Peer& peer, const Http2Frame& it) {
    if (it.type != NGHTTP2_HEADERS) return;
    open = &peer;
    if (it.stream == 3) peer.send(reset(it.stream, NGHTTP2_HTTP_1_1_REQUIRED));
  });
  KeepingHandler first, second;
  const auto kept = pool().start(get(), first);
  const auto refused = pool().start(get(), second);
  EXPECT_TRUE(until([&] { return second.is_done; }));
  EXPECT_EQ(second.seen, "h200 b complete");
  EXPECT_FALSE(first.is_done);
  open->send(ok(1));
  EXPECT_TRUE(until([&] { return first.is_done; }));
  EXPECT_EQ(first.seen, "h200 b complete");
  EXPECT_TRUE(until([&] { return pool().stats().connections_open == 1; }));
}

TEST_F(Http2AgainTest, AsksOverHttp1WhereAGoawayWantsThat) {
  answer([](Peer& peer, const Http2Frame& it) {
    if (it.type == NGHTTP2_HEADERS) peer.send(goaway(0, NGHTTP2_HTTP_1_1_REQUIRED));
  });
  EXPECT_EQ(ask(inline_post()), "h200 b complete");
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_EQ(system_->http1_heads.size(), 2U);
  EXPECT_EQ(system_->count(NGHTTP2_HEADERS), 1);
}

TEST_F(Http2AgainTest, CannotAskOverHttp1WhatWasStreamedButTheNextGoesThere) {
  answer([](Peer& peer, const Http2Frame& it) {
    if (it.type == NGHTTP2_DATA) peer.send(reset(it.stream, NGHTTP2_HTTP_1_1_REQUIRED));
  });
  KeepingHandler handler;
  const auto call = pool().start(post(), handler);
  call->write_body("abc");
  EXPECT_TRUE(until([&] { return handler.is_done; }));
  EXPECT_EQ(handler.seen, "reset");
  EXPECT_NE(handler.failure.message.find("HTTP/1.1"), std::string::npos);
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_EQ(system_->http1_heads.size(), 1U);
}

TEST_F(Http2AgainTest, TakesNoHttp2ThatWasDialledBeforeTheSystemWantedHttp1) {
  answer([](Peer& peer, const Http2Frame& it) {
    if (it.type == NGHTTP2_HEADERS) peer.send(reset(it.stream, NGHTTP2_HTTP_1_1_REQUIRED));
  });
  std::vector<std::unique_ptr<KeepingHandler>> handlers;
  std::vector<std::unique_ptr<UpstreamCall>> calls;
  for (int i = 0; i < 150; ++i) {  // more than one connection's riders
    handlers.push_back(std::make_unique<KeepingHandler>());
    calls.push_back(pool().start(get(), *handlers.back()));
  }
  for (const auto& handler : handlers) {
    EXPECT_TRUE(until([&] { return handler->is_done; }));
    EXPECT_EQ(handler->seen, "h200 b complete");
  }
  EXPECT_EQ(system_->http1_heads.size(), 150U);
}

}  // namespace
}  // namespace banyan::net
