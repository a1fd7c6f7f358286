// SPDX-License-Identifier: Apache-2.0
//
// Every framing of requests and answers, as the client, the origin and the log see it.
#include <gtest/gtest.h>

#include "tests/proxy/rig.h"

namespace banyan::proxy {
namespace {

using model::Body;
using model::Side;

struct ProxyFraming : ::testing::Test, Rig {
  // Starts with an origin that answers `answer` to everything and keeps what it saw.
  void serve(std::string answer) {
    origin = std::make_unique<Origin>([this, answer = std::move(answer)](Wire& wire) {
      for (;;) {
        Message request = wire.read_request();
        if (request.first_line.empty()) return;
        {
          std::lock_guard lock(mutex);
          seen.push_back(request);
        }
        if (!wire.send(answer)) return;
        // Close-delimited and HTTP/1.0 answers end with their connection.
        if (answer.find("Content-Length") == std::string::npos &&
            answer.find("chunked") == std::string::npos &&
            answer.find(" 204 ") == std::string::npos &&
            answer.find(" 304 ") == std::string::npos) {
          return;
        }
      }
    });
    set_legacy(origin->address());
    set_candidate(origin->address());
    start();
  }
  Message last_seen() {
    std::lock_guard lock(mutex);
    return seen.empty() ? Message() : seen.back();
  }
  void TearDown() override { stop(); }

  std::mutex mutex;
  std::vector<Message> seen;
  std::unique_ptr<Origin> origin;
};

TEST_F(ProxyFraming, PassesAPlainAnswerAndRecordsBothSides) {
  serve(plain_answer("hello", "X-Answer: yes\r\nConnection: keep-alive\r\n"));
  Wire client = this->client();
  client.send("GET /a?b=c HTTP/1.1\r\nHost: shop.test\r\nX-Ask: 1\r\n\r\n");
  const Message answer = client.read_answer();
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(answer.field("x-answer"), "yes");
  const Message at_origin = last_seen();
  EXPECT_EQ(at_origin.first_line, "GET /a?b=c HTTP/1.1");
  EXPECT_EQ(at_origin.field("host"), "shop.test");
  EXPECT_EQ(at_origin.field("x-forwarded-for"), "127.0.0.1");
  EXPECT_EQ(at_origin.field("x-forwarded-host"), "shop.test");
  EXPECT_EQ(at_origin.field("banyan-hop"), kUuid);

  const Recorded recorded = wait_for_closed(1);
  ASSERT_EQ(recorded.requests.size(), 1U);
  ASSERT_EQ(recorded.responses.size(), 1U);
  const auto& request = recorded.requests[0];
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.target, "/a?b=c");
  EXPECT_EQ(request.body.kind, Body::Kind::kNone);
  EXPECT_EQ(field_of(request.fields, "x-ask"), "1");
  EXPECT_EQ(field_of(request.fields, "x-request-id"), at_origin.field("x-request-id"));
  const auto& response = recorded.responses[0];
  EXPECT_EQ(response.exchange, request.exchange);
  EXPECT_EQ(response.answer.status, 200);
  EXPECT_EQ(response.answer.body.bytes, "hello");
  EXPECT_EQ(field_of(response.answer.fields, "x-answer"), "yes");
  EXPECT_EQ(field_of(response.answer.fields, "connection"), "");
  EXPECT_EQ(response.delivery, Delivery::kWhole);
  EXPECT_GE(response.answer.ended.mono_ns, response.started.mono_ns);
}

TEST_F(ProxyFraming, KeepsConnectionsOnBothSides) {
  serve(plain_answer("x"));
  Wire client = this->client();
  for (int i = 0; i < 5; ++i) {
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_EQ(client.read_answer().status(), 200);
  }
  EXPECT_EQ(origin->connections(), 1);
  EXPECT_EQ(wait_for_closed(5).requests.size(), 5U);
}

TEST_F(ProxyFraming, AnswersPipelinedRequestsInOrder) {
  origin = std::make_unique<Origin>(Origin::answering([](const Message& request) {
    return plain_answer(std::string(split(request.first_line, ' ')[1]));
  }));
  set_legacy(origin->address());
  set_candidate(origin->address());
  start();
  Wire client = this->client();
  std::string burst;
  for (int i = 0; i < 50; ++i) {
    burst += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  }
  client.send(burst);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(client.read_answer().body, "/" + std::to_string(i));
  EXPECT_EQ(wait_for_closed(50).closers(), 50U);
}

TEST_F(ProxyFraming, ReadsSmallBodiesWholeAndForwardsThemWithTheirLength) {
  serve(plain_answer("ok"));
  Wire client = this->client();
  client.send("POST /o HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_EQ(client.read_answer().status(), 200);
  client.send(
      "POST /o HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  EXPECT_EQ(client.read_answer().status(), 200);
  EXPECT_EQ(last_seen().body, "abcde");
  EXPECT_EQ(last_seen().field("content-length"), "5");
  const Recorded recorded = wait_for_closed(2);
  ASSERT_EQ(recorded.requests.size(), 2U);
  EXPECT_EQ(recorded.requests[0].body.bytes, "hello");
  EXPECT_EQ(recorded.requests[1].body.bytes, "abcde");
  EXPECT_TRUE(recorded.requests[1].body.is_complete);
  EXPECT_TRUE(recorded.chunks.empty());
}

TEST_F(ProxyFraming, StreamsBodiesOneByteOverTheInlineLimit) {
  options.limits.inline_body_max = 1000;
  serve(plain_answer("ok"));
  for (const std::size_t size : {1000U, 1001U}) {
    Wire client = this->client();
    const std::string body(size, 'b');
    client.send("PUT /big HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(size) +
                "\r\n\r\n" + body);
    EXPECT_EQ(client.read_answer().status(), 200);
    EXPECT_EQ(last_seen().body, body);
  }
  const Recorded recorded = wait_for_closed(2);
  ASSERT_EQ(recorded.requests.size(), 2U);
  EXPECT_EQ(recorded.requests[0].body.kind, Body::Kind::kInline);
  EXPECT_EQ(recorded.requests[1].body.kind, Body::Kind::kChunks);
  ASSERT_FALSE(recorded.chunks.empty());
  EXPECT_EQ(recorded.body_of(Side::kRequest), std::string(1001, 'b'));
  EXPECT_TRUE(recorded.chunks.back().is_last);
  EXPECT_TRUE(recorded.chunks.back().is_complete);
  EXPECT_EQ(recorded.chunks.back().length, 1001U);
}

TEST_F(ProxyFraming, StreamsChunkedBodiesPastTheLimitWithTheirTrailers) {
  options.limits.inline_body_max = 100;
  serve(plain_answer("ok"));
  Wire client = this->client();
  std::string sent;
  client.send("POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 20; ++i) {
    client.send("14\r\n" + std::string(20, static_cast<char>('a' + i)) + "\r\n");
    sent += std::string(20, static_cast<char>('a' + i));
  }
  client.send("0\r\nX-Sum: 42\r\nAuthorization: never\r\n\r\n");
  EXPECT_EQ(client.read_answer().status(), 200);
  EXPECT_EQ(last_seen().body, sent);
  EXPECT_EQ(last_seen().raw_trailers, "X-Sum: 42\n");
  const Recorded recorded = wait_for_closed(1);
  EXPECT_EQ(recorded.body_of(Side::kRequest), sent);
  EXPECT_EQ(field_of(recorded.chunks.back().trailers, "x-sum"), "42");
}

TEST_F(ProxyFraming, StreamsASmallBodyThatHasTrailers) {
  serve(plain_answer("ok"));
  Wire client = this->client();
  client.send(
      "POST /t HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-T: "
      "1\r\n\r\n");
  EXPECT_EQ(client.read_answer().status(), 200);
  EXPECT_EQ(last_seen().body, "hi");
  EXPECT_EQ(last_seen().raw_trailers, "X-T: 1\n");
  const Recorded recorded = wait_for_closed(1);
  EXPECT_EQ(recorded.requests[0].body.kind, Body::Kind::kChunks);
  EXPECT_EQ(recorded.body_of(Side::kRequest), "hi");
}

TEST_F(ProxyFraming, PassesChunkedAnswersAndTheirTrailers) {
  serve(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-End: "
      "1\r\n\r\n");
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const Message answer = client.read_answer();
  EXPECT_TRUE(answer.is_whole);
  EXPECT_EQ(answer.body, "abcde");
  EXPECT_EQ(answer.raw_trailers, "X-End: 1\n");
  const Recorded recorded = wait_for_closed(1);
  EXPECT_EQ(recorded.responses[0].answer.body.bytes, "abcde");
  EXPECT_EQ(field_of(recorded.responses[0].answer.trailers, "x-end"), "1");
}

TEST_F(ProxyFraming, ReframesCloseDelimitedAnswers) {
  serve("HTTP/1.0 200 OK\r\nX-Old: 1\r\n\r\nuntil the end");
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  Message answer = client.read_answer();
  EXPECT_EQ(answer.field("transfer-encoding"), "chunked");
  EXPECT_TRUE(answer.is_whole);
  EXPECT_EQ(answer.body, "until the end");
  // The connection to the client is kept all the same.
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read_answer().body, "until the end");
  EXPECT_EQ(wait_for_closed(2).responses[0].answer.http_version, 0);
}

TEST_F(ProxyFraming, ClosesToHttp10ClientsWhereTheLengthIsUnknown) {
  serve("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
  Wire client = this->client();
  client.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
  const Message answer = client.read_answer();
  EXPECT_FALSE(answer.has("transfer-encoding"));
  EXPECT_EQ(answer.field("connection"), "close");
  EXPECT_EQ(answer.body, "abc");
  EXPECT_TRUE(answer.is_whole);
}

TEST_F(ProxyFraming, KeepsHttp10ConnectionsThatAskForIt) {
  serve(plain_answer("abc"));
  Wire client = this->client();
  for (int i = 0; i < 2; ++i) {
    client.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    const Message answer = client.read_answer();
    EXPECT_EQ(answer.body, "abc");
    EXPECT_EQ(answer.field("connection"), "keep-alive");
  }
  client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read_answer().body, "abc");
  EXPECT_TRUE(client.sees_end());
}

TEST_F(ProxyFraming, ClosesWhereTheClientAsksForIt) {
  serve(plain_answer("abc"));
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const Message answer = client.read_answer();
  EXPECT_EQ(answer.field("connection"), "close");
  EXPECT_TRUE(client.sees_end());
}

TEST_F(ProxyFraming, AnswersToHeadKeepTheirLengthAndHaveNoBody) {
  serve("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n");
  Wire client = this->client();
  for (int i = 0; i < 2; ++i) {
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    const Message answer = client.read_answer(false);
    EXPECT_EQ(answer.status(), 200);
    EXPECT_EQ(answer.field("content-length"), "1234");
  }
  EXPECT_EQ(wait_for_closed(2).responses[0].answer.body.kind, Body::Kind::kNone);
}

TEST_F(ProxyFraming, StatusesWithoutBodyKeepTheConnection) {
  for (const char* head :
       {"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n"}) {
    Rig rig;
    Origin end(Origin::answering([head](const Message&) { return std::string(head); }));
    rig.set_legacy(end.address());
    rig.set_candidate(end.address());
    rig.start();
    Wire client = rig.client();
    for (int i = 0; i < 2; ++i) {
      client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      const Message answer = client.read_answer();
      EXPECT_TRUE(answer.status() == 204 || answer.status() == 304);
      EXPECT_FALSE(answer.has("content-length"));
      EXPECT_FALSE(answer.has("transfer-encoding"));
    }
    rig.stop();
  }
}

TEST_F(ProxyFraming, PassesInformationalAnswersToHttp11Only) {
  serve("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + plain_answer("end"));
  Wire modern = client();
  modern.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const Message early = modern.read_answer();
  EXPECT_EQ(early.status(), 103);
  EXPECT_EQ(early.field("link"), "</a.css>");
  EXPECT_EQ(modern.read_answer().body, "end");
  Wire old = client();
  old.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
  EXPECT_EQ(old.read_answer().status(), 200);
}

TEST_F(ProxyFraming, LargeAnswersAreRecordedInChunks) {
  options.limits.inline_body_max = 64 * 1024;
  std::string body;
  for (int i = 0; i < 40'000; ++i) body += std::to_string(i) + ",";
  serve(plain_answer(body));
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read_answer().body, body);
  const Recorded recorded = wait_for_closed(1);
  const auto& answer = recorded.responses[0].answer;
  EXPECT_EQ(answer.body.kind, Body::Kind::kChunks);
  EXPECT_EQ(answer.body.length, body.size());
  EXPECT_TRUE(answer.body.is_complete);
  EXPECT_EQ(recorded.body_of(Side::kPrimary), body);
}

TEST_F(ProxyFraming, StopsRecordingPastTheCaptureLimitAndServesOn) {
  options.limits.inline_body_max = 1024;
  options.limits.body_captured_max = 100'000;
  const std::string body(500'000, 'z');
  serve(plain_answer(body));
  Wire client = this->client();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n" + body);
  EXPECT_EQ(client.read_answer().body.size(), body.size());
  EXPECT_EQ(last_seen().body.size(), body.size());
  const Recorded recorded = wait_for_closed(1);
  EXPECT_FALSE(recorded.responses[0].answer.body.is_complete);
  EXPECT_LE(recorded.body_of(Side::kPrimary).size(), 100'000U);
  EXPECT_LE(recorded.body_of(Side::kRequest).size(), 100'000U);
  for (const auto& chunk : recorded.chunks) {
    if (chunk.is_last) {
      EXPECT_FALSE(chunk.is_complete);
      EXPECT_EQ(chunk.length, body.size());
    }
  }
}

TEST_F(ProxyFraming, PassesTheOriginsContinueAndStreams) {
  origin = std::make_unique<Origin>([](Wire& wire) {
    Message request;
    if (!wire.read_head(request)) return;
    EXPECT_EQ(request.field("expect"), "100-continue");
    wire.send("HTTP/1.1 100 Continue\r\n\r\n");
    wire.read_body(request, false);
    wire.send(plain_answer(request.body));
    wire.read_request();
  });
  set_legacy(origin->address());
  set_candidate(origin->address());
  start();
  Wire client = this->client();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_answer().status(), 100);
  client.send("body");
  EXPECT_EQ(client.read_answer().body, "body");
  const Recorded recorded = wait_for_closed(1);
  EXPECT_EQ(recorded.requests[0].body.kind, Body::Kind::kChunks);
  EXPECT_EQ(field_of(recorded.requests[0].fields, "expect"), "");
}

TEST_F(ProxyFraming, ContinuesByItselfWhereTheOriginSaysNothing) {
  serve(plain_answer("late"));
  Wire client = this->client();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_answer().status(), 100);
  client.send("body");
  EXPECT_EQ(client.read_answer().body, "late");
  EXPECT_EQ(last_seen().body, "body");
}

TEST_F(ProxyFraming, PassesAnAnswerThatComesInsteadOfContinue) {
  origin = std::make_unique<Origin>([](Wire& wire) {
    Message request;
    if (!wire.read_head(request)) return;
    wire.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
  });
  set_legacy(origin->address());
  set_candidate(origin->address());
  start();
  Wire client = this->client();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  const Message answer = client.read_answer();
  EXPECT_EQ(answer.status(), 403);
  EXPECT_EQ(answer.field("connection"), "close");
  EXPECT_TRUE(client.sees_end());
  const Recorded recorded = wait_for_closed(1);
  EXPECT_EQ(recorded.responses[0].answer.status, 403);
  ASSERT_EQ(recorded.chunks.size(), 1U);
  EXPECT_FALSE(recorded.chunks[0].is_complete);
}

TEST_F(ProxyFraming, RecordModesKeepLess) {
  for (const RecordMode mode : {RecordMode::kHead, RecordMode::kOff}) {
    Rig rig;
    rig.route.record = mode;
    Origin end(Origin::answering([](const Message&) { return plain_answer("answer-canary"); }));
    rig.set_legacy(end.address());
    rig.set_candidate(end.address());
    rig.start();
    Wire client = rig.client();
    client.send("PUT /target-canary HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nbody-canary");
    EXPECT_EQ(client.read_answer().body, "answer-canary");
    const Recorded recorded = rig.wait_for_closed(1);
    ASSERT_EQ(recorded.requests.size(), 1U);
    EXPECT_FALSE(rig.log.holds_bytes("body-canary"));
    EXPECT_FALSE(rig.log.holds_bytes("answer-canary"));
    EXPECT_EQ(rig.log.holds_bytes("target-canary"), mode == RecordMode::kHead);
    const Body& body = recorded.responses[0].answer.body;
    EXPECT_EQ(body.kind, Body::Kind::kNotRecorded);
    EXPECT_EQ(body.length, mode == RecordMode::kHead ? 13U : 0U);
    EXPECT_EQ(recorded.responses[0].answer.status, 200);
    rig.stop();
  }
}

TEST_F(ProxyFraming, UpgradesThatNoRouteNamesAreForwardedPlainAndNotMirrored) {
  route.upgrades.clear();
  serve(plain_answer("plain"));
  Wire client = this->client();
  client.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_EQ(client.read_answer().body, "plain");
  EXPECT_FALSE(last_seen().has("upgrade"));
  EXPECT_FALSE(last_seen().has("connection"));
  const Recorded recorded = wait_for_closed(1);
  EXPECT_EQ(recorded.requests[0].mirror, MirrorDecision::kSkipped);
  EXPECT_EQ(recorded.requests[0].skip, SkipReason::kUpgrade);
}

TEST_F(ProxyFraming, SecretsReachTheOriginAndNeverTheLog) {
  serve(plain_answer("ok", "Set-Cookie: sid=set-canary; Path=/\r\n"));
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer auth-canary\r\n\r\n");
  EXPECT_EQ(client.read_answer().field("set-cookie"), "sid=set-canary; Path=/");
  EXPECT_EQ(last_seen().field("authorization"), "Bearer auth-canary");
  wait_for_closed(1);
  EXPECT_FALSE(log.holds_bytes("auth-canary"));
  EXPECT_FALSE(log.holds_bytes("set-canary"));
}

}  // namespace
}  // namespace banyan::proxy
