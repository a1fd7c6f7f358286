// SPDX-License-Identifier: Apache-2.0
//
// Peers that leave, at each state of an exchange.
#include <gtest/gtest.h>

#include <condition_variable>

#include "tests/proxy/rig.h"

namespace banyan::proxy {
namespace {

// A door that a test opens for its origin.
class Gate {
 public:
  void open() {
    {
      std::lock_guard lock(mutex_);
      is_open_ = true;
    }
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(kPatienceMs), [this] { return is_open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_open_ = false;
};

struct ProxyLeaving : ::testing::Test, Rig {
  void serve(Origin::Serve script) {
    origin = std::make_unique<Origin>(std::move(script));
    set_legacy(origin->address());
    set_candidate(origin->address());
    start();
  }
  // Answers the first request of a connection once the gate is open.
  void serve_behind_gate(const std::string& body) {
    serve([this, body](Wire& wire) {
      wire.read_request();
      origin_saw_request = true;
      gate.wait();
      wire.send(plain_answer(body));
      origin_has_answered = true;
      wire.read_request();
    });
  }
  void TearDown() override {
    gate.open();
    stop();
  }
  // The one outcome of an exchange that no system answered.
  void expect_outcome(OutcomeKind kind, int status, Forwarded forwarded, std::string_view cause) {
    const Recorded recorded = wait_for_closed(1);
    ASSERT_EQ(recorded.requests.size(), 1U);
    ASSERT_EQ(recorded.outcomes.size(), 1U);
    EXPECT_TRUE(recorded.responses.empty());
    EXPECT_EQ(recorded.outcomes[0].kind, kind);
    EXPECT_EQ(recorded.outcomes[0].status, status);
    EXPECT_EQ(recorded.outcomes[0].forwarded, forwarded);
    EXPECT_EQ(recorded.outcomes[0].cause, cause);
    EXPECT_EQ(recorded.outcomes[0].exchange, recorded.requests[0].exchange);
  }

  Gate gate;
  std::atomic<bool> origin_saw_request{false};
  std::atomic<bool> origin_saw_end{false};
  std::atomic<bool> origin_has_answered{false};
  std::unique_ptr<Origin> origin;
};

TEST_F(ProxyLeaving, ClientThatLeavesInItsHeadLeavesNoRecord) {
  serve(Origin::answering([](const Message&) { return plain_answer("x"); }));
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost:");
  client.close();
  ASSERT_TRUE(eventually([&] {
    const ProxyStats stats = proxy->stats();
    return stats.connections_accepted == 1 && stats.connections_open == 0;
  }));
  EXPECT_EQ(log.size(), 0U);
}

TEST_F(ProxyLeaving, ClientThatLeavesInAnInlineBodyIsAborted) {
  serve(Origin::answering([](const Message&) { return plain_answer("x"); }));
  Wire client = this->client();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
  ASSERT_TRUE(eventually([&] { return proxy->stats().exchanges_open == 1; }));
  client.close();
  expect_outcome(OutcomeKind::kAborted, 0, Forwarded::kNothing, "client_closed");
  EXPECT_FALSE(recorded().requests[0].body.is_complete);
  EXPECT_EQ(origin->connections(), 0);
}

TEST_F(ProxyLeaving, ClientThatLeavesInAStreamedBodyCutsTheUpstream) {
  options.limits.inline_body_max = 10;
  serve([this](Wire& wire) {
    Message request;
    if (!wire.read_head(request)) return;
    origin_saw_request = true;
    wire.sees_end();
    origin_saw_end = true;
  });
  Wire client = this->client();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + std::string(500, 'x'));
  ASSERT_TRUE(eventually([&] { return origin_saw_request.load(); }));
  client.close();
  expect_outcome(OutcomeKind::kAborted, 0, Forwarded::kPart, "client_closed");
  EXPECT_TRUE(eventually([&] { return origin_saw_end.load(); }));
  const Recorded recorded = this->recorded();
  ASSERT_FALSE(recorded.chunks.empty());
  EXPECT_TRUE(recorded.chunks.back().is_last);
  EXPECT_FALSE(recorded.chunks.back().is_complete);
}

TEST_F(ProxyLeaving, ReadOfALeavingClientIsCancelled) {
  serve([this](Wire& wire) {
    Message request;
    if (!wire.read_head(request)) return;
    origin_saw_request = true;
    wire.sees_end();
    origin_saw_end = true;
  });
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return origin_saw_request.load(); }));
  client.close();
  expect_outcome(OutcomeKind::kAborted, 0, Forwarded::kWhole, "client_closed");
  EXPECT_TRUE(eventually([&] { return origin_saw_end.load(); }));
}

TEST_F(ProxyLeaving, WriteOfALeavingClientIsReadToItsEnd) {
  serve_behind_gate("done anyway");
  Wire client = this->client();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
  ASSERT_TRUE(eventually([&] { return origin_saw_request.load(); }));
  client.close();
  // The proxy has seen the client leave before the answer comes.
  Wire other = this->client();
  other.send("BAD\r\n\r\n");
  other.sees_end();
  gate.open();
  const Recorded recorded = wait_for_closed(1);
  ASSERT_EQ(recorded.responses.size(), 1U);
  EXPECT_EQ(recorded.responses[0].delivery, Delivery::kClientLeft);
  EXPECT_EQ(recorded.responses[0].answer.body.bytes, "done anyway");
  EXPECT_TRUE(recorded.responses[0].answer.body.is_complete);
}

// Its answer and the end of its side are there in one turn of the loop: the answer was first.
TEST_F(ProxyLeaving, ClientThatEndsItsSideBehindItsAnswerGetsIt) {
  serve_behind_gate("in time");
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return origin_saw_request.load(); }));
  // Another request stops the worker inside of its turn, until both have come.
  log.hold(true);
  Wire other = this->client();
  other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return log.appends_waiting() == 1; }));
  gate.open();
  ASSERT_TRUE(eventually([&] { return origin_has_answered.load(); }));
  ::shutdown(client.fd(), SHUT_WR);
  log.hold(false);
  EXPECT_EQ(client.read_answer().body, "in time");
  EXPECT_EQ(other.read_answer().body, "in time");
  const Recorded recorded = wait_for_closed(2);
  ASSERT_EQ(recorded.responses.size(), 2U);
  EXPECT_EQ(recorded.responses[0].delivery, Delivery::kWhole);
}

TEST_F(ProxyLeaving, WriteOfALeavingClientThatFailsIsAborted) {
  serve([this](Wire& wire) {
    wire.read_request();
    origin_saw_request = true;
    gate.wait();
    wire.reset();
  });
  Wire client = this->client();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
  ASSERT_TRUE(eventually([&] { return origin_saw_request.load(); }));
  client.reset();
  Wire other = this->client();
  other.send("BAD\r\n\r\n");
  other.sees_end();
  gate.open();
  expect_outcome(OutcomeKind::kAborted, 0, Forwarded::kWhole,
                 net::to_string(net::UpstreamFailureKind::kReset));
}

TEST_F(ProxyLeaving, ClientThatLeavesInAStreamedAnswerCancelsARead) {
  serve([this](Wire& wire) {
    Message request;
    if (!wire.read_head(request)) return;
    wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    wire.sees_end();
    origin_saw_end = true;
  });
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  Message head;
  ASSERT_TRUE(client.read_head(head));
  client.close();
  expect_outcome(OutcomeKind::kAborted, 0, Forwarded::kWhole, "client_closed");
  EXPECT_TRUE(eventually([&] { return origin_saw_end.load(); }));
}

TEST_F(ProxyLeaving, OriginThatRefusesConnectionsIsA502) {
  serve([](Wire&) {});
  // A port that nobody listens on: one that was bound and closed again.
  std::string nobody;
  {
    Origin gone([](Wire&) {});
    nobody = gone.address();
  }
  Rig rig;
  rig.set_legacy(nobody);
  rig.set_candidate(nobody);
  rig.start();
  Wire client = rig.client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine-1\r\n\r\n");
  const Message answer = client.read_answer();
  EXPECT_EQ(answer.status(), 502);
  EXPECT_EQ(answer.field("x-request-id"), "mine-1");
  const Recorded recorded = rig.wait_for_closed(1);
  EXPECT_EQ(recorded.outcomes[0].kind, OutcomeKind::kBanyan);
  EXPECT_EQ(recorded.outcomes[0].forwarded, Forwarded::kNothing);
  EXPECT_EQ(recorded.outcomes[0].cause, "connect_failed");
  EXPECT_NE(answer.body.find(recorded.requests[0].exchange.to_string()), std::string::npos);
  // The connection is kept: the request was whole and well-formed.
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read_answer().status(), 502);
  rig.stop();
}

TEST_F(ProxyLeaving, OriginThatResetsBeforeItsHeadIsA502) {
  serve([](Wire& wire) {
    wire.read_request();
    wire.reset();
  });
  Wire client = this->client();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
  EXPECT_EQ(client.read_answer().status(), 502);
  expect_outcome(OutcomeKind::kBanyan, 502, Forwarded::kWhole, "reset");
}

TEST_F(ProxyLeaving, GarbageFromTheOriginIsA502) {
  serve([](Wire& wire) {
    wire.read_request();
    wire.send("SSH-2.0-OpenSSH\r\n\r\n");
  });
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read_answer().status(), 502);
  expect_outcome(OutcomeKind::kBanyan, 502, Forwarded::kWhole, "bad_answer");
}

TEST_F(ProxyLeaving, ResetInAnAnswerNeverBecomesAProperEnd) {
  for (const char* head : {"Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n"}) {
    for (const char* version : {"1.1", "1.0"}) {
      Rig rig;
      Origin end([head](Wire& wire) {
        wire.read_request();
        wire.send("HTTP/1.1 200 OK\r\n" + std::string(head) + "\r\n3\r\nabc\r\n");
        // Only when the client has them does the cut come.
        wire.has_bytes_within(100);
        wire.reset();
      });
      rig.set_legacy(end.address());
      rig.set_candidate(end.address());
      rig.start();
      Wire client = rig.client();
      client.send("GET / HTTP/" + std::string(version) + "\r\nHost: a\r\n\r\n");
      const Message answer = client.read_answer();
      EXPECT_EQ(answer.status(), 200);
      EXPECT_FALSE(answer.is_whole) << head << version;
      const Recorded recorded = rig.wait_for_closed(1);
      ASSERT_EQ(recorded.responses.size(), 1U);
      EXPECT_EQ(recorded.responses[0].delivery, Delivery::kTruncated);
      EXPECT_FALSE(recorded.responses[0].answer.body.is_complete);
      rig.stop();
    }
  }
}

TEST_F(ProxyLeaving, OriginThatNeverAnswersIsA504) {
  options.legacy.upstream.first_byte_timeout_ns = 100'000'000;
  serve([](Wire& wire) { wire.sees_end(); });
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read_answer().status(), 504);
  expect_outcome(OutcomeKind::kBanyan, 504, Forwarded::kWhole, "first_byte_timeout");
}

TEST_F(ProxyLeaving, SilenceInAnAnswerCutsIt) {
  options.legacy.upstream.idle_timeout_ns = 100'000'000;
  serve([](Wire& wire) {
    wire.read_request();
    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
    wire.sees_end();
  });
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const Message answer = client.read_answer();
  EXPECT_FALSE(answer.is_whole);
  EXPECT_EQ(answer.body, "part");
  EXPECT_EQ(wait_for_closed(1).responses[0].delivery, Delivery::kTruncated);
}

TEST_F(ProxyLeaving, FallsBackToLegacyWhereNothingWasSent) {
  std::string nobody;
  {
    Origin gone([](Wire&) {});
    nobody = gone.address();
  }
  Origin end(Origin::answering([](const Message& request) {
    return plain_answer("legacy " + request.body + request.field("host"));
  }));
  route.dials.candidate_share = 10000;
  route.falls_back_to_legacy = true;
  set_legacy(end.address());
  set_candidate(nobody);
  options.legacy.host = "legacy.test";
  start();
  Wire client = this->client();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nwrite");
  EXPECT_EQ(client.read_answer().body, "legacy writelegacy.test");
  const Recorded recorded = wait_for_closed(1);
  EXPECT_EQ(recorded.requests[0].primary, System::kCandidate);
  EXPECT_EQ(recorded.responses[0].answer.system, System::kLegacy);
}

TEST_F(ProxyLeaving, FallsBackOnlyForReadsWhereBytesWereSent) {
  Origin breaking([](Wire& wire) {
    wire.read_request();
    wire.reset();
  });
  Origin end(Origin::answering([](const Message&) { return plain_answer("legacy"); }));
  route.dials.candidate_share = 10000;
  route.falls_back_to_legacy = true;
  set_legacy(end.address());
  set_candidate(breaking.address());
  start();
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read_answer().body, "legacy");
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
  EXPECT_EQ(client.read_answer().status(), 502);
}

TEST_F(ProxyLeaving, CutEndsWhatTheCandidateAnswersAndNothingElse) {
  route.dials.candidate_share = 10000;
  serve([this](Wire& wire) {
    wire.read_request();
    origin_saw_request = true;
    wire.sees_end();
  });
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return origin_saw_request.load(); }));
  proxy->cut("another");
  EXPECT_EQ(proxy->stats().exchanges_open, 1U);
  proxy->cut("");
  EXPECT_EQ(client.read_answer().status(), 503);
  expect_outcome(OutcomeKind::kBanyan, 503, Forwarded::kWhole, "cut");
}

TEST_F(ProxyLeaving, DrainFinishesWhatRunsAndTakesNothingNew) {
  serve([this](Wire& wire) {
    wire.read_request();
    origin_saw_request = true;
    gate.wait();
    wire.send(plain_answer("in time"));
    wire.read_request();
  });
  const std::string address = proxy->addresses().front();
  Wire idle = this->client();
  Wire busy = this->client();
  busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return origin_saw_request.load(); }));
  std::thread stopper([this] { proxy->stop(10'000'000'000); });
  EXPECT_TRUE(idle.sees_end());
  EXPECT_TRUE(eventually([&] { return !Wire::connect(address).is_open(); }));
  gate.open();
  const Message answer = busy.read_answer();
  EXPECT_EQ(answer.body, "in time");
  EXPECT_EQ(answer.field("connection"), "close");
  stopper.join();
  EXPECT_EQ(recorded().responses.size(), 1U);
}

TEST_F(ProxyLeaving, EndOfTheDrainCutsWithARecord) {
  serve([this](Wire& wire) {
    wire.read_request();
    origin_saw_request = true;
    wire.sees_end();
  });
  Wire client = this->client();
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return origin_saw_request.load(); }));
  proxy->stop(0);
  expect_outcome(OutcomeKind::kBanyan, 503, Forwarded::kWhole, "shutting_down");
}

}  // namespace
}  // namespace banyan::proxy
