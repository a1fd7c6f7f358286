// SPDX-License-Identifier: Apache-2.0
#include "core/net/http2_link.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/core/net/http2_fixture.h"

namespace banyan::net {
namespace {

class Http2LinkTest : public Http2PoolTest {};

TEST_F(Http2LinkTest, SendsARequestInTheFormOfHttp2) {
  Http2Pairs fields;
  answer([&](Peer& peer, const Http2Frame& it) {
    if (it.type != NGHTTP2_HEADERS) return;
    fields = system_->fields_of(peer, it);
    peer.send(ok(it.stream));
  });
  UpstreamRequest request = get();
  request.head = "GET /a?b=c HTTP/1.1\r\nHost: shop.example\r\nX-Id: 7\r\n\r\n";
  EXPECT_EQ(ask(std::move(request)), "h200 b complete");
  EXPECT_EQ(body_, "ok");
  const Http2Pairs expected = {{":method", "GET"},
                               {":scheme", "http"},
                               {":authority", "shop.example"},
                               {":path", "/a?b=c"},
                               {"x-id", "7"}};
  EXPECT_EQ(fields, expected);
}

TEST_F(Http2LinkTest, LeavesFieldsOfTheConnectionOutAndTeIn) {
  Http2Pairs fields;
  answer([&](Peer& peer, const Http2Frame& it) {
    if (it.type != NGHTTP2_HEADERS) return;
    fields = system_->fields_of(peer, it);
    peer.send(ok(it.stream));
  });
  UpstreamRequest request = get();
  request.head =
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nKeep-Alive: 5\r\nUpgrade: h2c\r\n"
      "HTTP2-Settings: AA\r\nTE: gzip\r\nCookie: b=c\r\n\r\n";
  request.accepts_trailers = true;
  ask(std::move(request));
  const Http2Pairs expected = {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"},
                               {":path", "/"},     {"cookie", "b=c"},   {"te", "trailers"}};
  EXPECT_EQ(fields, expected);
}

TEST_F(Http2LinkTest, CarriesManyCallsOnOneConnection) {
  std::vector<std::int32_t> open;
  answer([&](Peer& peer, const Http2Frame& it) {
    if (it.type != NGHTTP2_HEADERS) return;
    open.push_back(it.stream);
    if (open.size() < 20) return;
    std::reverse(open.begin(), open.end());
    for (const std::int32_t stream : open) peer.send(ok(stream));
  });
  std::vector<std::unique_ptr<KeepingHandler>> handlers;
  std::vector<std::unique_ptr<UpstreamCall>> calls;
  for (int i = 0; i < 20; ++i) {
    handlers.push_back(std::make_unique<KeepingHandler>());
    calls.push_back(pool().start(get(), *handlers.back()));
  }
  for (const auto& handler : handlers) {
    EXPECT_TRUE(until([&] { return handler->is_done; }));
    EXPECT_EQ(handler->seen, "h200 b complete");
  }
  EXPECT_EQ(pool().stats().connections_opened, 1U);
}

TEST_F(Http2LinkTest, OpensAnotherConnectionWhereTheFirstIsFull) {
  std::vector<std::pair<Peer*, std::int32_t>> open;
  std::map<Peer*, int> streams;
  answer(
      [&](Peer& peer, const Http2Frame& it) {
        if (it.type != NGHTTP2_HEADERS) return;
        // A new connection's requests may come before its limit is known.
        if (streams[&peer] == 2) {
          peer.send(
              http2_frame(NGHTTP2_RST_STREAM, 0, it.stream, http2_word(NGHTTP2_REFUSED_STREAM)));
          return;
        }
        ++streams[&peer];
        open.emplace_back(&peer, it.stream);
      },
      http2_setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2));
  options_.connections_max = 2;
  KeepingHandler first;
  auto first_call = pool().start(get(), first);
  // The number of streams is known before the others come.
  ASSERT_TRUE(until([&] { return system_->count(NGHTTP2_SETTINGS) >= 2; }));
  std::vector<std::unique_ptr<KeepingHandler>> handlers;
  std::vector<std::unique_ptr<UpstreamCall>> calls;
  for (int i = 0; i < 5; ++i) {
    handlers.push_back(std::make_unique<KeepingHandler>());
    calls.push_back(pool().start(get(), *handlers.back()));
  }
  ASSERT_TRUE(until([&] { return open.size() == 4; }));
  EXPECT_EQ(pool().stats().connections_open, 2U);
  // The rest waits in line, and goes where a stream ends.
  for (std::size_t i = 0; i < 6; ++i) {
    ASSERT_TRUE(until([&] { return open.size() > i; }));
    --streams[open[i].first];
    open[i].first->send(ok(open[i].second));
  }
  for (const auto& handler : handlers) EXPECT_TRUE(until([&] { return handler->is_done; }));
  EXPECT_TRUE(first.is_done);
  EXPECT_EQ(pool().stats().connections_opened, 2U);
}

// Messages of the answer come before the request has ended, as gRPC does.
TEST_F(Http2LinkTest, StreamsInBothDirectionsWithTrailers) {
  Http2Pairs fields, trailers;
  std::string received;
  bool has_head = false;
  answer([&](Peer& peer, const Http2Frame& it) {
    if (it.type == NGHTTP2_HEADERS && !has_head) {
      has_head = true;
      fields = system_->fields_of(peer, it);
      peer.send(http2_headers(it.stream, {{":status", "200"}}, false));
    } else if (it.type == NGHTTP2_DATA) {
      received += it.payload;
      peer.send(http2_data(it.stream, "echo:" + it.payload, false));
    } else if (it.type == NGHTTP2_HEADERS) {
      trailers = system_->fields_of(peer, it);
      peer.send(http2_headers(it.stream, {{"grpc-status", "0"}, {"host", "a"}}, true));
    }
  });
  KeepingHandler handler;
  const auto call = pool().start(post(), handler);
  call->write_body("one");
  EXPECT_TRUE(until([&] { return handler.body == "echo:one"; }));
  call->write_body("two");
  EXPECT_TRUE(until([&] { return handler.body == "echo:oneecho:two"; }));
  EXPECT_FALSE(call->is_request_sent());
  call->finish_body({{"Checksum", "1"}});
  EXPECT_TRUE(until([&] { return handler.is_done; }));
  EXPECT_EQ(handler.seen, "h200 b complete");
  EXPECT_EQ(handler.trailers, "grpc-status=0;");  // what routes a message is no trailer
  EXPECT_EQ(received, "onetwo");
  EXPECT_EQ(trailers, (Http2Pairs{{"checksum", "1"}}));
  EXPECT_EQ(fields.back(), (std::pair<std::string, std::string>{"te", "trailers"}));
}

TEST_F(Http2LinkTest, PassesInterimAnswersOn) {
  answer_with([](std::int32_t stream) {
    return http2_headers(stream, {{":status", "103"}, {"link", "</a>"}}, false) + ok(stream);
  });
  EXPECT_EQ(ask(), "i103 h200 b complete");
}

TEST_F(Http2LinkTest, ReadsAnAnswerWithoutABody) {
  answer_with([](std::int32_t stream) {
    return http2_headers(stream, {{":status", "204"}}, true);
  });
  EXPECT_EQ(ask(), "h204 complete");
  UpstreamRequest head = get();
  head.head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
  head.method = "HEAD";
  answer_with([](std::int32_t stream) {
    return http2_headers(stream, {{":status", "200"}, {"content-length", "100"}}, true);
  });
  pool_.reset();
  EXPECT_EQ(ask(std::move(head)), "h200 complete");
}

struct BadAnswer {
  const char* name;
  std::function<std::string(std::int32_t)> bytes;
  const char* seen;
};

TEST_F(Http2LinkTest, RefusesBadAnswers) {
  const auto fields = [](Http2Pairs more) {
    more.insert(more.begin(), {":status", "200"});
    return [more](std::int32_t stream) { return http2_headers(stream, more, true); };
  };
  const auto raw = [](std::uint8_t type, std::uint8_t flags, std::int32_t id, std::string payload) {
    return [=](std::int32_t) { return http2_frame(type, flags, id, payload); };
  };
  const auto status = [](const char* value) {
    return [value](std::int32_t stream) {
      return http2_headers(stream, {{":status", value}}, true);
    };
  };
  const BadAnswer cases[] = {
      {"connection field", fields({{"connection", "close"}}), "bad_answer"},
      {"keep-alive field", fields({{"keep-alive", "5"}}), "bad_answer"},
      {"proxy-connection field", fields({{"proxy-connection", "x"}}), "bad_answer"},
      {"transfer-encoding field", fields({{"transfer-encoding", "chunked"}}), "bad_answer"},
      {"upgrade field", fields({{"upgrade", "x"}}), "bad_answer"},
      {"upper case name", fields({{"X-Id", "1"}}), "bad_answer"},
      {"empty name", fields({{"", "1"}}), "bad_answer"},
      {"space in a name", fields({{"a b", "1"}}), "bad_answer"},
      {"CR LF in a value", fields({{"a", "b\r\nc: d"}}), "bad_answer"},
      {"NUL in a value", fields({{"a", std::string("b\0c", 3)}}), "bad_answer"},
      {"control byte in a value", fields({{"a", "b\x01"}}), "bad_answer"},
      {"pseudo field of requests", fields({{":path", "/"}}), "bad_answer"},
      {"unknown pseudo field", fields({{":sorry", "1"}}), "bad_answer"},
      {"pseudo field last",
       [](std::int32_t s) {
         return http2_headers(s, {{"a", "b"}, {":status", "200"}}, true);
       },
       "bad_answer"},
      {"two statuses", fields({{":status", "200"}}), "bad_answer"},
      {"no status",
       [](std::int32_t s) {
         return http2_headers(s, {{"a", "b"}}, true);
       },
       "bad_answer"},
      {"status of two digits", status("20"), "bad_answer"},
      {"status of letters", status("2xx"), "bad_answer"},
      {"status 600", status("600"), "bad_answer"},
      {"status 101",
       [](std::int32_t s) {
         return http2_headers(s, {{":status", "101"}}, false);
       },
       "bad_answer"},
      {"interim answer that ends", status("103"), "bad_answer"},
      {"two lengths", fields({{"content-length", "1"}, {"content-length", "2"}}), "bad_answer"},
      {"bad length", fields({{"content-length", "-1"}}), "bad_answer"},
      {"length without a body", fields({{"content-length", "5"}}), "bad_answer"},
      {"less than its length",
       [](std::int32_t s) {
         return http2_headers(s, {{":status", "200"}, {"content-length", "5"}}, false) +
                http2_data(s, "ab", true);
       },
       "h200 b bad_answer"},
      {"more than its length",
       [](std::int32_t s) {
         return http2_headers(s, {{":status", "200"}, {"content-length", "1"}}, false) +
                http2_data(s, "ab", true);
       },
       "h200 bad_answer"},
      {"body of a 204",
       [](std::int32_t s) {
         return http2_headers(s, {{":status", "204"}}, false) + http2_data(s, "ab", true);
       },
       "h204 bad_answer"},
      {"data before a head", [](std::int32_t s) { return http2_data(s, "ab", true); },
       "bad_answer"},
      {"trailers that do not end",
       [](std::int32_t s) {
         return http2_headers(s, {{":status", "200"}}, false) +
                http2_headers(s, {{"a", "b"}}, false);
       },
       "h200 bad_answer"},
      {"status in trailers",
       [](std::int32_t s) {
         return http2_headers(s, {{":status", "200"}}, false) +
                http2_headers(s, {{":status", "200"}}, true);
       },
       "h200 bad_answer"},
      {"cut off by a reset",
       [](std::int32_t s) {
         return http2_headers(s, {{":status", "200"}}, false) + http2_data(s, "ab", false) +
                http2_frame(NGHTTP2_RST_STREAM, 0, s, http2_word(NGHTTP2_INTERNAL_ERROR));
       },
       "h200 b reset"},
      {"cut off with no error",
       [](std::int32_t s) {
         return http2_headers(s, {{":status", "200"}}, false) +
                http2_frame(NGHTTP2_RST_STREAM, 0, s, http2_word(NGHTTP2_NO_ERROR));
       },
       "h200 reset"},
      {"too many fields",
       [](std::int32_t s) {
         Http2Pairs many = {{":status", "200"}};
         for (int i = 0; i < 101; ++i) many.emplace_back("a", "b");
         return http2_headers(s, many, true);
       },
       "bad_answer"},
      {"head too large",
       [](std::int32_t s) {
         Http2Pairs many = {{":status", "200"}};
         for (int i = 0; i < 5; ++i) many.emplace_back("a", std::string(3000, 'x'));
         std::string block = http2_block(many), more;
         std::string bytes = http2_frame(NGHTTP2_HEADERS, 1, s, block);
         for (int i = 0; i < 4; ++i) {
           more = http2_block({{"a", std::string(15000, 'y')}});
           bytes += http2_frame(NGHTTP2_CONTINUATION, i == 3 ? 4 : 0, s, more);
         }
         return bytes;
       },
       "bad_answer"},
      {"endless continuation",
       [](std::int32_t s) {
         std::string bytes = http2_frame(NGHTTP2_HEADERS, 1, s, http2_block({{":status", "200"}}));
         for (int i = 0; i < 100; ++i) bytes += http2_frame(NGHTTP2_CONTINUATION, 0, s, "");
         return bytes;
       },
       "bad_answer"},
      {"17 interim answers",
       [](std::int32_t s) {
         std::string bytes;
         for (int i = 0; i < 17; ++i) bytes += http2_headers(s, {{":status", "100"}}, false);
         return bytes;
       },
       "i100 i100 i100 i100 i100 i100 i100 i100 i100 i100 i100 i100 i100 i100 i100 i100 "
       "bad_answer"},
      {"garbage for compression",
       [](std::int32_t s) { return http2_frame(NGHTTP2_HEADERS, 5, s, std::string(4, '\xff')); },
       "bad_answer"},
      {"pushed request",
       [](std::int32_t s) {
         return http2_frame(NGHTTP2_PUSH_PROMISE, 4, s,
                            http2_word(2) + http2_block({{":method", "GET"}}));
       },
       "bad_answer"},
      {"frame too large", raw(NGHTTP2_PING, 0, 0, std::string(20000, 'x')), "bad_answer"},
      {"ping of wrong size", raw(NGHTTP2_PING, 0, 0, "abc"), "bad_answer"},
      {"settings of wrong size", raw(NGHTTP2_SETTINGS, 0, 0, "abc"), "bad_answer"},
      {"data on stream 0", raw(NGHTTP2_DATA, 0, 0, "abc"), "bad_answer"},
      {"window of 0", raw(NGHTTP2_WINDOW_UPDATE, 0, 0, http2_word(0)), "bad_answer"},
      {"window overflow", raw(NGHTTP2_WINDOW_UPDATE, 0, 0, http2_word(0x7fffffff)), "bad_answer"},
      {"stream that nobody opened", raw(NGHTTP2_HEADERS, 5, 2, http2_block({{":status", "200"}})),
       "bad_answer"},
      {"plain HTTP/1.1", [](std::int32_t) { return std::string("HTTP/1.1 200 OK\r\n\r\n"); },
       "bad_answer"},
  };
  for (const BadAnswer& it : cases) {
    pool_.reset();
    answer_with(it.bytes);
    EXPECT_EQ(ask(), it.seen) << it.name;
    EXPECT_TRUE(failure_.any_byte_sent) << it.name;
    EXPECT_FALSE(failure_.message.empty()) << it.name;
  }
}

TEST_F(Http2LinkTest, GivesUpAConnectionThatFloods) {
  struct Flood {
    const char* name;
    std::string frame;
  };
  for (const Flood& it : {Flood{"settings", http2_frame(NGHTTP2_SETTINGS, 0, 0, "")},
                          Flood{"ping", http2_frame(NGHTTP2_PING, 0, 0, "12345678")},
                          Flood{"priority", http2_frame(NGHTTP2_PRIORITY, 0, 3, "12345")},
                          Flood{"empty data", http2_data(1, "", false)}}) {
    pool_.reset();
    answer_with([&](std::int32_t stream) {
      std::string bytes = http2_headers(stream, {{":status", "200"}}, false);
      for (int i = 0; i < 5000; ++i) bytes += it.frame;
      return bytes;
    });
    EXPECT_EQ(ask(), "h200 bad_answer") << it.name;
    EXPECT_EQ(pool().stats().connections_open, 0U) << it.name;
  }
}

TEST_F(Http2LinkTest, HoldsABodyBackUntilTheWindowOpens) {
  std::size_t received = 0;
  Peer* peer_of_it = nullptr;
  answer([&](Peer& peer, const Http2Frame& it) {
    peer_of_it = &peer;
    if (it.type == NGHTTP2_DATA) received += it.payload.size();
    if (it.type == NGHTTP2_DATA && (it.flags & 1) != 0) peer.send(ok(it.stream));
  });
  options_.write_high_water_bytes = 100'000;
  KeepingHandler handler;
  const auto call = pool().start(post(), handler);
  call->write_body(std::string(300'000, 'x'));
  EXPECT_TRUE(call->is_write_full());
  EXPECT_TRUE(until([&] { return received == 65535; }));
  EXPECT_TRUE(call->is_write_full());
  EXPECT_EQ(handler.writable, 0);
  const std::string more = http2_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, http2_word(1'000'000)) +
                           http2_frame(NGHTTP2_WINDOW_UPDATE, 0, 1, http2_word(1'000'000));
  peer_of_it->send(more);
  EXPECT_TRUE(until([&] { return handler.writable == 1; }));
  EXPECT_TRUE(until([&] { return received == 300'000; }));
  EXPECT_FALSE(call->is_write_full());
  call->finish_body();
  EXPECT_TRUE(until([&] { return handler.is_done; }));
  EXPECT_EQ(handler.seen, "h200 b complete");
}

TEST_F(Http2LinkTest, OpensNoWindowWhilePaused) {
  answer([&](Peer& peer, const Http2Frame& it) {
    if (it.type != NGHTTP2_HEADERS) return;
    std::string bytes = http2_headers(it.stream, {{":status", "200"}}, false);
    for (int i = 0; i < 16; ++i) bytes += http2_data(it.stream, std::string(16384, 'x'), false);
    peer.send(bytes);  // the whole window
  });
  options_.idle_timeout_ns = 100 * kMs;  // does not run while paused
  KeepingHandler handler;
  const auto call = pool().start(get(), handler);
  handler.at_head = [&] { call->pause_reading(); };
  EXPECT_TRUE(until([&] { return handler.body.size() == 262144; }));
  const auto windows_of_stream = [&] {
    int found = 0;
    for (const Http2Frame& it : system_->frames) {
      found += it.type == NGHTTP2_WINDOW_UPDATE && it.stream == 1 ? 1 : 0;
    }
    return found;
  };
  EXPECT_EQ(windows_of_stream(), 0);
  call->resume_reading();
  EXPECT_TRUE(until([&] { return windows_of_stream() > 0; }));
  EXPECT_TRUE(until([&] { return handler.is_done; }));
  EXPECT_EQ(handler.seen, "h200 b idle_timeout");
}

TEST_F(Http2LinkTest, ResetsTheStreamOfACancelledCall) {
  answer([](Peer&, const Http2Frame&) {});
  KeepingHandler first, second;
  auto cancelled = pool().start(get(), first);
  const auto kept = pool().start(get(), second);
  EXPECT_TRUE(until([&] { return system_->count(NGHTTP2_HEADERS) == 2; }));
  cancelled.reset();
  EXPECT_TRUE(until([&] { return system_->count(NGHTTP2_RST_STREAM) == 1; }));
  EXPECT_EQ(system_->frames.back().payload, http2_word(NGHTTP2_CANCEL));
  system_->upstream().peer(0).send(ok(3));
  EXPECT_TRUE(until([&] { return second.is_done; }));
  EXPECT_EQ(second.seen, "h200 b complete");
  EXPECT_EQ(pool().stats().connections_opened, 1U);
}

TEST_F(Http2LinkTest, ACallMayDieInEveryCallback) {
  answer_with([](std::int32_t stream) {
    return http2_headers(stream, {{":status", "103"}}, false) + ok(stream);
  });
  for (int at = 0; at < 4; ++at) {
    KeepingHandler handler;
    std::unique_ptr<UpstreamCall> call;
    const auto die = [&] {
      call.reset();
      handler.is_done = true;
    };
    if (at == 0) handler.at_informational = die;
    if (at == 1) handler.at_head = die;
    if (at == 2) handler.at_body = die;
    if (at == 3) handler.at_end = die;
    call = pool().start(get(), handler);
    EXPECT_TRUE(until([&] { return handler.is_done; })) << at;
  }
  EXPECT_EQ(ask(), "i103 h200 b complete");
  EXPECT_EQ(pool().stats().connections_opened, 1U);
}

TEST_F(Http2LinkTest, StartsTheNextCallInsideTheEndOfTheLast) {
  answer_with(ok);
  KeepingHandler first, second;
  std::unique_ptr<UpstreamCall> next;
  first.at_end = [&] { next = pool().start(get(), second); };
  const auto call = pool().start(get(), first);
  EXPECT_TRUE(until([&] { return second.is_done; }));
  EXPECT_EQ(second.seen, "h200 b complete");
  EXPECT_EQ(pool().stats().connections_opened, 1U);
}

TEST_F(Http2LinkTest, GivesUpWhereNoAnswerComes) {
  answer([](Peer&, const Http2Frame&) {});
  options_.first_byte_timeout_ns = 50 * kMs;
  EXPECT_EQ(ask(), "first_byte_timeout");
  EXPECT_TRUE(until([&] { return system_->count(NGHTTP2_RST_STREAM) == 1; }));
  EXPECT_EQ(pool().stats().connections_open, 1U);  // others may go on using it
}

TEST_F(Http2LinkTest, PassesAnEarlyAnswerOnAndStopsSending) {
  answer([&](Peer& peer, const Http2Frame& it) {
    if (it.type == NGHTTP2_HEADERS) {
      peer.send(http2_headers(it.stream, {{":status", "413"}}, true));
    }
  });
  KeepingHandler handler;
  const auto call = pool().start(post(), handler);
  call->write_body("abc");
  EXPECT_TRUE(until([&] { return handler.is_done; }));
  EXPECT_EQ(handler.seen, "h413 complete");
  EXPECT_TRUE(until([&] { return system_->count(NGHTTP2_RST_STREAM) == 1; }));
}

TEST_F(Http2LinkTest, ClosesAnIdleConnection) {
  answer_with(ok);
  options_.keep_alive_ns = 50 * kMs;
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_TRUE(until([&] { return pool().stats().connections_open == 0; }));
  EXPECT_TRUE(until([&] { return system_->count(NGHTTP2_GOAWAY) == 1; }));
}

}  // namespace
}  // namespace banyan::net
