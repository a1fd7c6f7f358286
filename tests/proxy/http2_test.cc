// SPDX-License-Identifier: Apache-2.0
//
// Clients that speak HTTP/2: what is recorded of each stream, flow control, limits and ends.
#include <gtest/gtest.h>

#include "tests/proxy/http2_wire.h"
#include "tests/proxy/rig.h"

namespace banyan::proxy {
namespace {

struct ProxyHttp2 : ::testing::Test, Rig {
  void serve(Origin::Serve script) {
    options.listeners[0].speaks_http2 = true;
    origin = std::make_unique<Origin>(std::move(script));
    set_legacy(origin->address());
    set_candidate(origin->address());
    start();
  }
  // Answers "/N" with N bytes, and anything else with its body.
  void serve_sizes() {
    serve(Origin::answering([](const Message& request) {
      const std::string target(split(request.first_line, ' ')[1].substr(1));
      const auto bytes = parse_u64(target);
      return plain_answer(bytes ? std::string(*bytes, 'x') : "ok" + request.body);
    }));
  }
  // Takes requests and never answers.
  void serve_silence() {
    serve([this](Wire& wire) {
      while (!wire.read_request().first_line.empty()) ++seen;
      wire.sees_end();
    });
  }
  void TearDown() override { stop(); }
  std::unique_ptr<Origin> origin;
  std::atomic<int> seen{0};
};

TEST_F(ProxyHttp2, RecordsTheVersionThatWasSpoken) {
  serve_sizes();
  Http2Wire client(this->client());
  client.post(1, "body");
  EXPECT_EQ(client.answer(1).status(), 200);
  EXPECT_EQ(client.answer(1).body, "okbody");
  const Recorded recorded = wait_for_closed(1);
  ASSERT_EQ(recorded.requests.size(), 1U);
  EXPECT_EQ(recorded.requests[0].http_version, 20);
  EXPECT_EQ(model::http_version_name(recorded.requests[0].http_version), "HTTP/2.0");
  EXPECT_EQ(recorded.responses[0].answer.http_version, 1);
  EXPECT_EQ(recorded.body_of(model::Side::kRequest), "body");
  EXPECT_EQ(field_of(recorded.requests[0].fields, "host"), "a");
}

TEST_F(ProxyHttp2, TheSameListenerSpeaksHttp1) {
  serve_sizes();
  Wire client = this->client();
  for (const std::string_view piece :
       {"P", "UT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none"}) {
    client.send(piece);
  }
  EXPECT_EQ(client.read_answer().body, "okone");
  EXPECT_EQ(wait_for_closed(1).requests[0].http_version, 1);
}

// An answer longer than the held tail whose rest is exactly the tail, among others.
TEST_F(ProxyHttp2, AnswersOfEveryLengthEnd) {
  serve_sizes();
  Http2Wire client(this->client(),
                   net::http2_setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30));
  client.open_window(0, 1 << 30);
  std::int32_t id = 1;
  for (const std::size_t size : {0U, 1U, 16'383U, 16'384U, 65'535U, 65'536U, 65'537U, 81'920U,
                                 81'921U, 131'072U, 131'073U, 300'000U, 1'000'000U}) {
    client.get(id, "/" + std::to_string(size));
    ASSERT_EQ(client.answer(id).body.size(), size);
    EXPECT_TRUE(client.streams[id].is_whole);
    id += 2;
  }
}

TEST_F(ProxyHttp2, AClosedWindowHoldsUpItsOwnStreamOnlyAndMemoryIsBounded) {
  serve_sizes();
  Http2Wire client(this->client(), net::http2_setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0));
  client.get(1, "/30000000");
  client.get(3, "/1000");
  client.open_window(3, 1000);
  EXPECT_EQ(client.answer(3).body.size(), 1000U);
  EXPECT_TRUE(client.streams[1].body.empty());
  client.open_window(1, 30'000'000);
  client.open_window(0, 30'000'000);
  EXPECT_EQ(client.answer(1).body.size(), 30'000'000U);
  EXPECT_EQ(wait_for_closed(2).responses.size(), 2U);
}

TEST_F(ProxyHttp2, AResetIsAClientThatLeft) {
  serve_silence();
  Http2Wire client(this->client());
  client.get(1);
  ASSERT_TRUE(eventually([&] { return seen == 1; }));
  client.reset(1);
  const Recorded recorded = wait_for_closed(1);
  ASSERT_EQ(recorded.outcomes.size(), 1U);
  EXPECT_EQ(recorded.outcomes[0].kind, OutcomeKind::kAborted);
  EXPECT_EQ(recorded.outcomes[0].cause, "client_closed");
  EXPECT_EQ(recorded.outcomes[0].forwarded, Forwarded::kWhole);
}

TEST_F(ProxyHttp2, AConnectionThatIsLostEndsAllItsStreams) {
  serve_silence();
  {
    Http2Wire client(this->client());
    for (const std::int32_t id : {1, 3, 5}) client.get(id);
    ASSERT_TRUE(eventually([&] { return seen == 3; }));
    client.wire().reset();
  }
  EXPECT_EQ(wait_for_closed(3).outcomes.size(), 3U);
  EXPECT_TRUE(eventually([&] { return proxy->stats().exchanges_open == 0; }));
}

TEST_F(ProxyHttp2, ABodyOfAnotherLengthIsNeverForwardedWhole) {
  serve_sizes();
  Http2Wire client(this->client());
  auto fields = Http2Wire::request("POST", "/p");
  fields.emplace_back("content-length", "3");
  client.send(net::http2_headers(1, fields, false) + net::http2_data(1, "four", true));
  EXPECT_EQ(client.answer(1).reset, NGHTTP2_PROTOCOL_ERROR);
  const Recorded recorded = wait_for_closed(1);
  ASSERT_EQ(recorded.outcomes.size(), 1U);
  EXPECT_EQ(recorded.outcomes[0].cause, "malformed_stream");
  EXPECT_EQ(recorded.outcomes[0].forwarded, Forwarded::kNothing);
  EXPECT_EQ(origin->connections(), 0);
}

TEST_F(ProxyHttp2, RefusedRequestsLeaveTheConnectionAlone) {
  serve_sizes();
  Http2Wire client(this->client());
  client.send(net::http2_headers(1, Http2Wire::request("FROB", "/"), true));
  EXPECT_EQ(client.answer(1).status(), 501);
  client.send(net::http2_headers(3, Http2Wire::request("GET", "/#x"), true));
  EXPECT_EQ(client.answer(3).status(), 400);
  client.send(net::http2_headers(5, Http2Wire::request("GET", "x"), true));  // nghttp2 refuses it
  EXPECT_EQ(client.answer(5).reset, NGHTTP2_PROTOCOL_ERROR);
  client.get(7, "/5");
  EXPECT_EQ(client.answer(7).body, "xxxxx");
  EXPECT_EQ(refused(), (std::vector<int>{501, 400, 400}));
  EXPECT_EQ(wait_for_closed(1).requests.size(), 1U);
}

TEST_F(ProxyHttp2, TheLastRequestOfAConnectionIsFollowedByGoaway) {
  options.limits.requests_per_connection_max = 2;
  serve_sizes();
  Http2Wire client(this->client());
  std::string all;
  for (const std::int32_t id : {1, 3, 5}) {
    all += net::http2_headers(id, Http2Wire::request("GET", "/7"), true);
  }
  client.send(all);
  EXPECT_EQ(client.answer(1).body.size(), 7U);
  EXPECT_EQ(client.answer(3).body.size(), 7U);
  EXPECT_EQ(client.answer(5).reset, NGHTTP2_REFUSED_STREAM);
  EXPECT_TRUE(client.sees_end());
  EXPECT_EQ(client.goaways, std::vector<int>{NGHTTP2_NO_ERROR});
  EXPECT_EQ(wait_for_closed(2).requests.size(), 2U);
}

TEST_F(ProxyHttp2, WritesThatGoOnWithoutTheirClientAreBounded) {
  options.limits.http2.streams_max = 2;
  serve_silence();
  Http2Wire client(this->client());
  std::int32_t id = 1;
  for (int i = 0; i < 4; ++i, id += 2) {
    client.post(id, "x");
    ASSERT_TRUE(eventually([&] { return seen == i + 1; }));
    client.reset(id);
  }
  client.post(id, "x");
  EXPECT_EQ(client.answer(id).reset, NGHTTP2_REFUSED_STREAM);
  EXPECT_EQ(proxy->stats().exchanges, 4U);
}

TEST_F(ProxyHttp2, AHeadThatDoesNotEndIsTooLate) {
  options.timeouts.head_ns = 100'000'000;
  serve_sizes();
  Http2Wire client(this->client());
  client.send(net::http2_frame(NGHTTP2_HEADERS, 0, 1, net::http2_block({{":method", "GET"}})));
  EXPECT_TRUE(client.sees_end());
  ASSERT_FALSE(client.goaways.empty());
  EXPECT_EQ(client.goaways.back(), NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_EQ(refused(), std::vector<int>{408});
}

TEST_F(ProxyHttp2, ABodyThatDoesNotComeIsA408) {
  options.timeouts.body_ns = 100'000'000;
  serve_sizes();
  Http2Wire client(this->client());
  auto fields = Http2Wire::request("POST", "/p");
  fields.emplace_back("content-length", "3");
  client.send(net::http2_headers(1, fields, false) + net::http2_data(1, "a", false));
  EXPECT_EQ(client.answer(1).status(), 408);
  client.get(3, "/4");
  EXPECT_EQ(client.answer(3).body.size(), 4U);
  EXPECT_EQ(wait_for_closed(2).outcomes[0].cause, "body_timeout");
}

TEST_F(ProxyHttp2, AStreamWhoseWindowStaysClosedIsReset) {
  options.timeouts.write_ns = 100'000'000;
  options.limits.rate_floor = 0;
  serve_sizes();
  Http2Wire client(this->client(), net::http2_setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0));
  client.get(1, "/100");
  EXPECT_EQ(client.answer(1).reset, NGHTTP2_CANCEL);
  EXPECT_TRUE(client.goaways.empty());
  client.get(3, "/0");
  EXPECT_EQ(client.answer(3).status(), 200);
  EXPECT_EQ(wait_for_closed(2).closers(), 2U);
}

TEST_F(ProxyHttp2, AConnectionWhoseWindowStaysClosedIsCut) {
  options.timeouts.write_ns = 100'000'000;
  options.limits.rate_floor = 0;
  serve_sizes();
  Http2Wire client(this->client(),
                   net::http2_setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30));
  client.get(1, "/1000000");
  EXPECT_TRUE(client.sees_end());
  EXPECT_EQ(client.streams[1].body.size(), 65'535U);
  EXPECT_FALSE(client.streams[1].is_whole);
  EXPECT_EQ(wait_for_closed(1).closers(), 1U);
}

TEST_F(ProxyHttp2, ABodyBelowTheFloorIsA408) {
  options.limits.rate_floor = 1 << 20;
  options.timeouts.rate_grace_ns = 50'000'000;
  serve_sizes();
  Http2Wire client(this->client());
  client.post(1, "a", false);
  EXPECT_EQ(client.answer(1).status(), 408);
  EXPECT_EQ(wait_for_closed(1).outcomes[0].cause, "body_too_slow");
}

TEST_F(ProxyHttp2, AnAnswerThatIsTakenBelowTheFloorIsCut) {
  options.limits.rate_floor = 1 << 20;
  options.timeouts.rate_grace_ns = 100'000'000;
  serve_sizes();
  Http2Wire client(this->client());
  client.get(1, "/1000000");
  EXPECT_TRUE(client.sees_end());  // No window was opened for the connection.
  EXPECT_FALSE(client.streams[1].is_whole);
  EXPECT_EQ(wait_for_closed(1).closers(), 1U);
}

// gRPC: once the answer has begun, either side may be silent.
TEST_F(ProxyHttp2, AConversationMayBeSilent) {
  options.timeouts.body_ns = 50'000'000;
  options.limits.rate_floor = 1 << 20;
  options.timeouts.rate_grace_ns = 50'000'000;
  serve([](Wire& wire) {
    Message request;
    if (!wire.read_head(request)) return;
    wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
    wire.read_body(request, false);
    wire.send("2\r\n" + request.body.substr(0, 2) + "\r\n0\r\n\r\n");
    wire.sees_end();
  });
  Http2Wire client(this->client());
  client.send(net::http2_headers(1, Http2Wire::request("POST", "/talk"), false));
  ASSERT_TRUE(client.read_until([&] { return client.streams[1].body == "hi"; }));
  EXPECT_FALSE(client.wire().has_bytes_within(400));  // Eight times what a body may be silent.
  client.send(net::http2_data(1, "yo", true));
  EXPECT_EQ(client.answer(1).body, "hiyo");
  EXPECT_TRUE(client.streams[1].is_whole);
  EXPECT_EQ(wait_for_closed(1).responses.size(), 1U);
}

TEST_F(ProxyHttp2, AnAnswerThatBreaksOffNeverLooksWhole) {
  serve([](Wire& wire) {
    if (wire.read_request().first_line.empty()) return;
    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  });
  Http2Wire client(this->client());
  client.get(1);
  EXPECT_EQ(client.answer(1).reset, NGHTTP2_INTERNAL_ERROR);
  EXPECT_FALSE(client.streams[1].is_whole);
  EXPECT_EQ(wait_for_closed(1).responses[0].delivery, Delivery::kTruncated);
}

TEST_F(ProxyHttp2, AnEarlyAnswerEndsARequestThatIsStillComing) {
  serve([](Wire& wire) {
    Message request;
    if (wire.read_head(request)) wire.send(plain_answer("early"));
    wire.sees_end();
  });
  Http2Wire client(this->client());
  client.post(1, "begun", false);
  EXPECT_EQ(client.answer(1).body, "early");
  ASSERT_TRUE(client.read_until([&] { return client.streams[1].reset >= 0; }));
  EXPECT_EQ(client.streams[1].reset, NGHTTP2_NO_ERROR);
  EXPECT_EQ(wait_for_closed(1).responses.size(), 1U);
}

TEST_F(ProxyHttp2, AnIdleConnectionIsToldAndClosed) {
  options.timeouts.keep_alive_ns = 100'000'000;
  serve_sizes();
  Http2Wire client(this->client());
  client.get(1, "/4");
  EXPECT_EQ(client.answer(1).body.size(), 4U);
  EXPECT_TRUE(client.sees_end());
  EXPECT_EQ(client.goaways, std::vector<int>{NGHTTP2_NO_ERROR});
}

TEST_F(ProxyHttp2, TooManyConnectionsAreToldSo) {
  options.limits.connections_max = 1;
  serve_sizes();
  Http2Wire first(this->client());
  first.get(1, "/4");
  EXPECT_EQ(first.answer(1).body.size(), 4U);
  Wire second = this->client();
  EXPECT_EQ(second.read_answer().status(), 503);
}

TEST_F(ProxyHttp2, AFloodEndsTheConnectionAndIsCounted) {
  options.limits.http2.control_frames_max = 100;
  serve_sizes();
  Http2Wire client(this->client());
  std::string flood;
  for (int i = 0; i < 300; ++i) flood += net::http2_frame(NGHTTP2_PING, 0, 0, "12345678");
  client.send(flood);
  EXPECT_TRUE(client.sees_end());
  ASSERT_FALSE(client.goaways.empty());
  EXPECT_EQ(client.goaways.back(), NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_EQ(metrics
                .counter("banyan_proxy_http2_breaches_total",
                         "HTTP/2 connections that Banyan ended because of what the client sent.",
                         {{"kind", "control_frames"}})
                .value(),
            1U);
}

TEST_F(ProxyHttp2, AStopWithoutPatienceRecordsEveryStream) {
  serve_silence();
  Http2Wire client(this->client());
  for (const std::int32_t id : {1, 3, 5}) client.get(id);
  ASSERT_TRUE(eventually([&] { return seen == 3; }));
  proxy->stop(0);
  const Recorded recorded = wait_for_closed(3);
  ASSERT_EQ(recorded.outcomes.size(), 3U);
  for (const auto& outcome : recorded.outcomes) EXPECT_EQ(outcome.cause, "shutting_down");
  EXPECT_TRUE(client.sees_end());
  EXPECT_EQ(client.streams[5].status(), 503);
}

TEST_F(ProxyHttp2, AClientThatReadsNothingIsCut) {
  options.timeouts.write_ns = 200'000'000;
  options.limits.rate_floor = 0;
  serve_sizes();
  Http2Wire client(this->client(),
                   net::http2_setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30));
  client.open_window(0, 1 << 30);
  for (const std::int32_t id : {1, 3, 5}) client.get(id, "/30000000");
  EXPECT_EQ(wait_for_closed(3).closers(), 3U);
  EXPECT_TRUE(eventually([&] { return proxy->stats().exchanges_open == 0; }));
}

TEST_F(ProxyHttp2, AStopAnswersWhatIsOpenAndSaysGoodbye) {
  serve_sizes();
  Http2Wire client(this->client());
  client.get(1, "/4");
  EXPECT_EQ(client.answer(1).body.size(), 4U);
  std::thread stopping([this] { proxy->stop(5'000'000'000); });
  EXPECT_TRUE(client.sees_end());
  EXPECT_EQ(client.goaways.back(), NGHTTP2_NO_ERROR);
  EXPECT_EQ(client.last_streams.back(), 1);
  stopping.join();
}

}  // namespace
}  // namespace banyan::proxy
