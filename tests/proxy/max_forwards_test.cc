// SPDX-License-Identifier: Apache-2.0
//
// OPTIONS and TRACE that may be passed on so many times (RFC 9110 section 7.6.2).
#include "proxy/max_forwards.h"

#include <gtest/gtest.h>

#include "tests/proxy/http2_wire.h"
#include "tests/proxy/rig.h"

namespace banyan::proxy {
namespace {

http::RequestHead head_with(std::string_view method, http::HeaderList fields) {
  http::RequestHead head;
  head.method = method;
  head.fields = std::move(fields);
  return head;
}

TEST(MaxForwardsTest, CountsForOptionsAndTraceAlone) {
  for (const char* method : {"OPTIONS", "TRACE"}) {
    const HopsLeft hops = hops_left(head_with(method, {{"max-FORWARDS", "7"}}));
    EXPECT_TRUE(hops.is_given && !hops.is_bad && !hops.ends_here());
    EXPECT_EQ(hops.count, 7U);
    EXPECT_TRUE(hops_left(head_with(method, {{"Max-Forwards", "000"}})).ends_here());
    EXPECT_FALSE(hops_left(head_with(method, {{"X", "0"}})).is_given);
  }
  for (const char* method : {"GET", "POST", "options", "PUT"}) {
    const HopsLeft hops = hops_left(head_with(method, {{"Max-Forwards", "x"}}));
    EXPECT_FALSE(hops.is_given || hops.is_bad || hops.ends_here()) << method;
  }
}

TEST(MaxForwardsTest, TakesDigitsAloneAndLowersWhatIsTooMuch) {
  for (const char* bad : {"", "-1", "+1", "1.0", "0x1", "1, 1", "1 1", "one"}) {
    EXPECT_TRUE(hops_left(head_with("TRACE", {{"Max-Forwards", bad}})).is_bad) << bad;
  }
  EXPECT_TRUE(hops_left(head_with("TRACE", {{"Max-Forwards", "1"}, {"Max-Forwards", "1"}})).is_bad);
  for (const char* many : {"1000000000", "1000000001", "99999999999999999999999999"}) {
    const HopsLeft hops = hops_left(head_with("OPTIONS", {{"Max-Forwards", many}}));
    EXPECT_EQ(hops.count, HopsLeft::kMax) << many;
    EXPECT_FALSE(hops.is_bad) << many;
  }
}

struct ProxyMaxForwards : ::testing::Test, Rig {
  void SetUp() override {
    options.listeners[0].speaks_http2 = true;
    origin = std::make_unique<Origin>(Origin::answering(
        [](const Message& request) { return plain_answer(request.field("max-forwards") + "!"); }));
    set_legacy(origin->address());
    set_candidate(origin->address());
    start();
  }
  void TearDown() override { stop(); }
  Message ask(const std::string& request) {
    Wire client = this->client();
    client.send(request);
    return client.read_answer();
  }
  std::unique_ptr<Origin> origin;
};

TEST_F(ProxyMaxForwards, PassesOneLessOnAndRecordsWhatItPassed) {
  EXPECT_EQ(ask("OPTIONS /a HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n").body, "2!");
  EXPECT_EQ(ask("TRACE /a HTTP/1.1\r\nHost: a\r\nMax-Forwards: 1\r\n\r\n").body, "0!");
  EXPECT_EQ(ask("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 99999999999999999999\r\n\r\n").body,
            "999999999!");
  EXPECT_EQ(ask("GET /a HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n").body, "0!");
  EXPECT_EQ(ask("OPTIONS /a HTTP/1.1\r\nHost: a\r\n\r\n").body, "!");
  const Recorded recorded = wait_for_closed(5);
  ASSERT_EQ(recorded.responses.size(), 5U);
  // Copies are made of the record, so the shadow gets the same.
  EXPECT_EQ(field_of(recorded.requests[0].fields, "max-forwards"), "2");
  EXPECT_EQ(field_of(recorded.requests[1].fields, "max-forwards"), "0");
  EXPECT_EQ(recorded.requests[0].mirror, MirrorDecision::kSelected);
}

TEST_F(ProxyMaxForwards, AnswersOptionsThatEndHere) {
  Wire client = this->client();
  client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nX-Request-Id: r1\r\n\r\n");
  Message answer = client.read_answer();
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.field("content-length"), "0");
  EXPECT_EQ(answer.field("allow"), "");
  EXPECT_EQ(answer.field("x-request-id"), "r1");
  // The connection goes on, also behind a body.
  client.send(
      "OPTIONS /a HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nContent-Length: 3\r\n\r\nabc"
      "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read_answer().status(), 200);
  EXPECT_EQ(client.read_answer().body, "!");
  const Recorded recorded = wait_for_closed(3);
  EXPECT_EQ(recorded.requests.size(), 3U);
  ASSERT_EQ(recorded.outcomes.size(), 2U);
  ASSERT_EQ(recorded.responses.size(), 1U);
  for (const model::OutcomeRecord& outcome : recorded.outcomes) {
    EXPECT_EQ(outcome.kind, OutcomeKind::kBanyan);
    EXPECT_EQ(outcome.status, 200);
    EXPECT_EQ(outcome.cause, "max_forwards");
    EXPECT_EQ(outcome.forwarded, Forwarded::kNothing);
  }
  // Nobody else is asked either.
  EXPECT_EQ(recorded.requests[0].mirror, MirrorDecision::kSkipped);
  EXPECT_EQ(recorded.requests[0].skip, SkipReason::kNotForwarded);
  EXPECT_NE(recorded.requests[0].decision.find("max_forwards"), std::string::npos);
  EXPECT_EQ(origin->connections(), 1);
}

TEST_F(ProxyMaxForwards, ReflectsNoTrace) {
  const Message answer =
      ask("TRACE /secret-path HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nCookie: session=canary\r\n"
          "Authorization: Bearer canary\r\n\r\n");
  EXPECT_EQ(answer.status(), 405);
  EXPECT_EQ(answer.field("allow"), "OPTIONS");
  EXPECT_EQ(answer.field("content-type"), "application/json");
  EXPECT_NE(answer.body.find("trace_refused"), std::string::npos);
  EXPECT_EQ(answer.body.find("canary"), std::string::npos);
  EXPECT_EQ(answer.body.find("secret-path"), std::string::npos);
  const Recorded recorded = wait_for_closed(1);
  ASSERT_EQ(recorded.outcomes.size(), 1U);
  EXPECT_EQ(recorded.outcomes[0].status, 405);
  EXPECT_EQ(recorded.closers(), 1U);
  EXPECT_EQ(origin->connections(), 0);
}

TEST_F(ProxyMaxForwards, AnswersBeforeABodyThatIsStillComing) {
  Wire client = this->client();
  client.send(
      "OPTIONS /a HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nContent-Length: 100\r\n"
      "Expect: 100-continue\r\n\r\n");
  const Message answer = client.read_answer();
  EXPECT_EQ(answer.status(), 200);
  EXPECT_EQ(answer.field("connection"), "close");
  const Recorded recorded = wait_for_closed(1);
  EXPECT_EQ(recorded.requests.size(), 1U);
  EXPECT_EQ(recorded.closers(), 1U);
  EXPECT_EQ(origin->connections(), 0);
}

TEST_F(ProxyMaxForwards, CountsForHttp2ClientsAlike) {
  Http2Wire client(this->client());
  std::int32_t id = 1;
  for (const char* method : {"OPTIONS", "TRACE"}) {
    for (const char* left : {"0", "4"}) {
      auto fields = Http2Wire::request(method, "/a");
      fields.emplace_back("max-forwards", left);
      client.send(net::http2_headers(id, fields, true));
      id += 2;
    }
  }
  EXPECT_EQ(client.answer(1).status(), 200);
  EXPECT_EQ(client.answer(1).body, "");
  EXPECT_EQ(client.answer(3).body, "3!");
  EXPECT_EQ(client.answer(5).status(), 405);
  EXPECT_NE(client.answer(5).body.find("trace_refused"), std::string::npos);
  EXPECT_EQ(client.answer(7).body, "3!");
  EXPECT_EQ(wait_for_closed(4).requests.size(), 4U);
}

TEST_F(ProxyMaxForwards, RefusesWhatIsNoNumber) {
  for (const char* bad : {"x", "-1", "1, 2"}) {
    const Message answer =
        ask(std::string("OPTIONS /a HTTP/1.1\r\nHost: a\r\nMax-Forwards: ") + bad + "\r\n\r\n");
    EXPECT_EQ(answer.status(), 400) << bad;
    EXPECT_NE(answer.body.find("bad_max_forwards"), std::string::npos) << bad;
  }
  EXPECT_EQ(
      ask("TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 1\r\nMax-Forwards: 1\r\n\r\n").status(),
      400);
  EXPECT_EQ(refused().size(), 4U);
  EXPECT_EQ(log.size(), 0U);
}

}  // namespace
}  // namespace banyan::proxy
