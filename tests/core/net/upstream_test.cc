// SPDX-License-Identifier: Apache-2.0
#include "core/net/upstream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "tests/core/net/pool_fixture.h"

namespace banyan::net {
namespace {

class UpstreamTest : public PoolTest {
 protected:
  FakeUpstream& answer(FakeUpstream::Script script) {
    upstream_ = std::make_unique<FakeUpstream>(*loop_, std::move(script));
    addresses_ = upstream_->addresses();
    return *upstream_;
  }
  // Sends `bytes` for each head that comes.
  FakeUpstream& answer_with(std::string bytes) {
    return answer([bytes = std::move(bytes)](FakeUpstream::Peer& peer) {
      while (peer.take_head()) peer.send(bytes);
    });
  }
  static UpstreamRequest streamed_post() {
    UpstreamRequest request;
    request.head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n";
    request.method = "POST";
    request.streams_body = true;
    return request;
  }
  static UpstreamRequest chunked_post() {
    UpstreamRequest request;
    request.head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    request.method = "POST";
    request.streams_body = true;
    request.is_chunked = true;
    return request;
  }

  std::unique_ptr<FakeUpstream> upstream_;
};

TEST_F(UpstreamTest, AsksAgainOnTheSameConnection) {
  answer_with(std::string(kOk));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(ask(), "h200 b complete");
    EXPECT_EQ(body_, "ok");
  }
  EXPECT_EQ(pool().stats().connections_opened, 1U);
  EXPECT_EQ(pool().stats().calls_started, 5U);
}

TEST_F(UpstreamTest, LastPieceOfAKnownLengthIsStillThereWhenTheAnswerIsComplete) {
  struct LentHandler final : KeepingHandler {
    void on_last_body(std::string_view piece) override {
      lent = piece;
      seen += "last ";
    }
    void on_complete(const http::HeaderList& fields) override {
      body.append(lent);
      KeepingHandler::on_complete(fields);
    }
    std::string_view lent;
  };
  const std::vector<std::pair<std::string, std::string>> answers{
      {std::string(kOk), "h200 last complete"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "h200 complete"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
       "h200 b complete"},
  };
  for (const auto& [bytes, seen] : answers) {
    pool_.reset();
    answer_with(bytes);
    LentHandler handler;
    const auto call = pool().start(get(), handler);
    ASSERT_TRUE(run_until(*loop_, [&] { return handler.is_done; }));
    EXPECT_EQ(handler.seen, seen);
    EXPECT_EQ(handler.body, seen.size() > 13 ? "ok" : "");
  }
}

// An answer that lies there before its request has left is not its answer.
TEST_F(UpstreamTest, BytesBeforeTheRequestAreNotItsAnswer) {
  FakeUpstream::Peer* first = nullptr;
  answer([&](FakeUpstream::Peer& peer) {
    if (peer.number == 1) first = &peer;
    while (peer.take_head()) peer.send(kOk);
  });
  EXPECT_EQ(ask(), "h200 b complete");
  KeepingHandler handler;
  const auto call = pool().start(get(), handler);
  EXPECT_FALSE(call->any_byte_sent());
  first->send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged");
  EXPECT_TRUE(until([&] { return handler.is_done; }));
  EXPECT_EQ(handler.seen, "h200 b complete");
  EXPECT_EQ(handler.body, "ok");
  EXPECT_EQ(pool().stats().connections_opened, 2U);
  EXPECT_EQ(pool().stats().retries, 1U);
}

TEST_F(UpstreamTest, ACallThatIsGoneInItsTurnSendsNothing) {
  int heads = 0;
  auto& upstream = answer([&](FakeUpstream::Peer& peer) {
    for (; peer.take_head(); ++heads) peer.send(kOk);
  });
  EXPECT_EQ(ask(), "h200 b complete");
  KeepingHandler handler;
  pool().start(get(), handler).reset();
  EXPECT_TRUE(until([&] { return upstream.peer(0).has_ended; }));
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_EQ(heads, 2);
  EXPECT_TRUE(handler.seen.empty());
}

// What is written of a body in the turn of its head leaves with it.
TEST_F(UpstreamTest, BodiesOfTheSameTurnFollowTheirHead) {
  answer([](FakeUpstream::Peer& peer) {
    if (peer.received.ends_with("0\r\n\r\n")) {
      const std::string body = peer.received.substr(peer.received.find("\r\n\r\n") + 4);
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                body);
      peer.received.clear();
    }
  });
  for (int i = 0; i < 2; ++i) {
    KeepingHandler handler;
    const auto call = pool().start(chunked_post(), handler);
    call->write_body("ab");
    call->write_body("cde");
    call->finish_body({});
    EXPECT_FALSE(call->is_request_sent());
    EXPECT_TRUE(until([&] { return handler.is_done; }));
    EXPECT_EQ(handler.body, "5\r\nabcde\r\n0\r\n\r\n");
  }
  EXPECT_EQ(pool().stats().connections_opened, 1U);
}

TEST_F(UpstreamTest, ReadsEveryKindOfBody) {
  const std::vector<std::pair<std::string, std::string>> answers{
      {"HTTP/1.1 204 No Content\r\n\r\n", "h204 complete"},
      {"HTTP/1.1 103 Early Hints\r\n\r\n" + std::string(kOk), "i103 h200 b complete"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n",
       "h200 b complete"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "h200 complete"},
  };
  for (const auto& [bytes, seen] : answers) {
    pool_.reset();
    answer_with(bytes);
    EXPECT_EQ(ask(), seen);
    EXPECT_EQ(ask(), seen);
    EXPECT_EQ(pool().stats().connections_opened, 1U) << bytes;
  }
}

TEST_F(UpstreamTest, EndsABodyAtTheCloseButNotAtAReset) {
  answer([](FakeUpstream::Peer& peer) {
    peer.send("HTTP/1.1 200 OK\r\n\r\nabc");
    peer.close();
  });
  EXPECT_EQ(ask(), "h200 b complete");
  pool_.reset();
  FakeUpstream::Peer* open = nullptr;
  answer([&](FakeUpstream::Peer& peer) {
    peer.send("HTTP/1.1 200 OK\r\n\r\nabc");
    open = &peer;
  });
  KeepingHandler handler;
  handler.at_body = [&] { open->reset(); };
  const auto call = pool().start(get(), handler);
  EXPECT_TRUE(until([&] { return handler.is_done; }));
  EXPECT_EQ(handler.seen, "h200 b reset");
  EXPECT_TRUE(handler.failure.any_byte_received);
}

TEST_F(UpstreamTest, NamesEachWayAnAnswerCanFail) {
  const std::vector<std::pair<std::string, std::string>> cut{
      {"", "reset"},
      {"HTTP/1.1 200", "reset"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "h200 b reset"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "h200 b reset"},
  };
  for (const auto& [bytes, seen] : cut) {
    pool_.reset();
    answer([&bytes = bytes](FakeUpstream::Peer& peer) {
      peer.send(bytes);
      peer.close();
    });
    EXPECT_EQ(ask(), seen) << bytes;
    EXPECT_TRUE(failure_.any_byte_sent);
    EXPECT_EQ(failure_.any_byte_received, !bytes.empty());
  }
  std::string many;
  for (int i = 0; i < 16; ++i) many += "HTTP/1.1 102 Processing\r\n\r\n";
  std::string sixteen;
  for (int i = 0; i < 16; ++i) sixteen += "i102 ";
  const std::vector<std::pair<std::string, std::string>> bad{
      {"nonsense\r\n\r\n", "bad_answer"},
      {"HTTP/1.1 101 Switching Protocols\r\n\r\n", "bad_answer"},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "bad_answer"},
      {many + std::string(kOk), sixteen + "h200 b complete"},
      {many + "HTTP/1.1 102 Processing\r\n\r\n" + std::string(kOk), sixteen + "bad_answer"},
  };
  for (const auto& [bytes, seen] : bad) {
    pool_.reset();
    answer_with(bytes);
    EXPECT_EQ(ask(), seen) << bytes;
  }
}

TEST_F(UpstreamTest, GivesUpOnSilence) {
  options_.first_byte_timeout_ns = 60 * kMs;
  options_.idle_timeout_ns = 60 * kMs;
  answer_with("");
  EXPECT_EQ(ask(), "first_byte_timeout");
  pool_.reset();
  answer_with("HTTP/1.1 200 OK\r\nContent-Le");  // A head counts only when it is whole.
  EXPECT_EQ(ask(), "first_byte_timeout");
  EXPECT_TRUE(failure_.any_byte_received);
  pool_.reset();
  answer_with("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_EQ(ask(), "h200 b idle_timeout");
}

TEST_F(UpstreamTest, TriesEachAddressOnceBeforeItFails) {
  const auto closed_address = [] {
    auto listening = listen_on("127.0.0.1:0", false);
    return resolve_url("http://" + listening->address)->front();
  };
  addresses_ = {closed_address(), closed_address()};
  EXPECT_EQ(ask(), "connect_failed");
  EXPECT_FALSE(failure_.any_byte_sent);
  EXPECT_EQ(pool().stats().connections_opened, 2U);
  EXPECT_EQ(pool().stats().connections_open, 0U);

  pool_.reset();
  const auto refusing = closed_address();
  answer_with("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
  addresses_.insert(addresses_.begin(), refusing);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(ask(), "h200 b complete");
  // The one that refused, if it was chosen at all, is left alone for a second.
  EXPECT_LE(pool().stats().connections_opened, 5U);

  pool_.reset();
  addresses_.clear();
  EXPECT_EQ(ask(), "connect_failed");
}

TEST_F(UpstreamTest, GivesUpOnASystemThatDoesNotAccept) {
  // A listener whose queue is full drops further handshakes.
  auto full = listen_on("127.0.0.1:0", false, 0);
  ASSERT_TRUE(full.ok());
  addresses_ = *resolve_url("http://" + full->address);
  options_.connect_timeout_ns = 100 * kMs;
  std::vector<UniqueFd> fill;
  for (int i = 0; i < 8; ++i) {
    fill.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    const std::string& bytes = addresses_[0].socket_address;
    (void)::connect(fill.back().get(), reinterpret_cast<const sockaddr*>(bytes.data()),
                    static_cast<socklen_t>(bytes.size()));
  }
  EXPECT_EQ(ask(), "connect_timeout");
  EXPECT_FALSE(failure_.any_byte_sent);
}

TEST_F(UpstreamTest, KeepsABoundedLine) {
  std::vector<FakeUpstream::Peer*> waiting;
  answer([&](FakeUpstream::Peer& peer) {
    while (peer.take_head()) waiting.push_back(&peer);
  });
  options_.connections_max = 1;
  options_.waiting_max = 1;
  KeepingHandler first, second, third;
  const auto a = pool().start(get(), first);
  auto b = pool().start(get(), second);
  const auto c = pool().start(get(), third);
  EXPECT_TRUE(until([&] { return third.is_done && waiting.size() == 1; }));
  EXPECT_EQ(third.seen, "overloaded");
  EXPECT_FALSE(third.failure.any_byte_sent);
  waiting[0]->send(kOk);
  EXPECT_TRUE(until([&] { return first.is_done && waiting.size() == 2; }));
  waiting[1]->send(kOk);
  EXPECT_TRUE(until([&] { return second.is_done; }));
  EXPECT_EQ(second.seen, "h200 b complete");
  EXPECT_EQ(pool().stats().connections_opened, 1U);
  EXPECT_EQ(pool().stats().overloaded, 1U);
}

TEST_F(UpstreamTest, WaitsInLineNoLongerThanForAConnection) {
  answer_with("");
  options_.connections_max = 1;
  options_.connect_timeout_ns = 60 * kMs;
  KeepingHandler first, second, third;
  const auto a = pool().start(get(), first);
  const auto b = pool().start(get(), second);
  auto c = pool().start(get(), third);
  c.reset();  // One that leaves the line is never called.
  EXPECT_TRUE(until([&] { return second.is_done; }));
  EXPECT_EQ(second.seen, "overloaded");
  EXPECT_EQ(first.seen + third.seen, "");
}

// The system closes at the second request on its first connection, without an answer.
TEST_F(UpstreamTest, RetriesOnlyWhatMayBeSentTwice) {
  for (const bool may_retry : {true, false}) {
    pool_.reset();
    int heads = 0;
    answer([&](FakeUpstream::Peer& peer) {
      while (peer.take_head()) {
        if (++heads == 2) return peer.close();
        peer.send(kOk);
      }
    });
    EXPECT_EQ(ask(), "h200 b complete");
    UpstreamRequest request = get();
    request.may_retry = may_retry;
    EXPECT_EQ(ask(std::move(request)), may_retry ? "h200 b complete" : "reset");
    EXPECT_EQ(pool().stats().retries, may_retry ? 1U : 0U);
    EXPECT_EQ(heads, may_retry ? 3 : 2);
  }
}

TEST_F(UpstreamTest, NeverRetriesAFreshConnection) {
  int heads = 0;
  answer([&](FakeUpstream::Peer& peer) {
    while (peer.take_head()) {
      ++heads;
      return peer.close();
    }
  });
  UpstreamRequest request = get();
  request.may_retry = true;
  EXPECT_EQ(ask(std::move(request)), "reset");
  EXPECT_EQ(heads, 1);
}

TEST_F(UpstreamTest, DropsBytesNobodyAskedFor) {
  answer_with(std::string(kOk) + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_EQ(body_, "ok");
  EXPECT_EQ(pool().stats().connections_opened, 2U);

  pool_.reset();
  answer_with(std::string(kOk));
  EXPECT_EQ(ask(), "h200 b complete");
  upstream_->peer(0).send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
  EXPECT_TRUE(until([&] { return pool().stats().connections_open == 0; }));
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_EQ(body_, "ok");
}

TEST_F(UpstreamTest, ClosesIdleConnectionsInTime) {
  answer_with(std::string(kOk));
  options_.keep_alive_ns = 50 * kMs;
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_EQ(pool().stats().connections_open, 1U);
  EXPECT_TRUE(until([&] { return pool().stats().connections_open == 0; }));
  pool_.reset();
  options_.keep_alive_ns = 30'000 * kMs;
  EXPECT_EQ(ask(), "h200 b complete");
  pool().close_idle();
  EXPECT_EQ(pool().stats().connections_open, 0U);
}

TEST_F(UpstreamTest, PassesOnAnAnswerThatCameBeforeTheRequestsEnd) {
  answer_with("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno");
  KeepingHandler handler;
  const auto call = pool().start(streamed_post(), handler);
  call->write_body("abc");
  EXPECT_TRUE(until([&] { return handler.is_done; }));
  EXPECT_EQ(handler.seen, "h413 b complete");
  EXPECT_EQ(pool().stats().connections_open, 0U);
}

TEST_F(UpstreamTest, HoldsBackAStreamedBodyUntilTheSystemReads) {
  FakeUpstream& upstream = answer([](FakeUpstream::Peer& peer) {
    if (peer.received.find("END") != std::string::npos) peer.send(kOk);
  });
  upstream.reads = false;
  options_.write_high_water_bytes = 100'000;
  KeepingHandler handler;
  const auto call = pool().start(streamed_post(), handler);
  const std::string piece(64 * 1024, 'x');
  std::size_t written = 0;
  const bool has_filled = until([&] {
    for (int i = 0; i < 100 && !call->is_write_full(); ++i) {
      call->write_body(piece);
      written += piece.size();
    }
    return call->is_write_full() && upstream.connections() == 1 && call->any_byte_sent();
  });
  ASSERT_TRUE(has_filled);
  EXPECT_FALSE(call->is_request_sent());
  const int before = handler.writable;
  upstream.peer(0).watch->want_read(true);
  EXPECT_TRUE(until([&] { return handler.writable > before; }));
  EXPECT_FALSE(call->is_write_full());
  call->write_body("END");
  call->finish_body();
  EXPECT_TRUE(until([&] { return call->is_request_sent() || handler.is_done; }));
  EXPECT_TRUE(until([&] { return handler.is_done; }));
  EXPECT_EQ(handler.seen, "h200 b complete");
  EXPECT_EQ(upstream.peer(0).received.size(), streamed_post().head.size() + written + 3);
}

// What was written before the connection is there goes out as one chunk.
TEST_F(UpstreamTest, FramesAStreamedBodyOfUnknownLengthInChunks) {
  FakeUpstream& upstream = answer([](FakeUpstream::Peer& peer) {
    if (peer.received.find("\r\n0\r\n") != std::string::npos) peer.send(kOk);
  });
  KeepingHandler handler;
  const auto call = pool().start(chunked_post(), handler);
  call->write_body("abc");
  call->write_body("defg");
  EXPECT_TRUE(until([&] { return call->any_byte_sent(); }));
  call->write_body("0123456789abcdef");
  call->finish_body({{"Checksum", "1"}});
  EXPECT_TRUE(until([&] { return handler.is_done; }));
  EXPECT_EQ(upstream.peer(0).received, chunked_post().head +
                                           "7\r\nabcdefg\r\n10\r\n0123456789abcdef\r\n"
                                           "0\r\nChecksum: 1\r\n\r\n");
  EXPECT_EQ(pool().stats().connections_open, 1U);  // kept: the request was whole
}

TEST_F(UpstreamTest, FramesABodyThatWasWholeBeforeTheConnection) {
  FakeUpstream& upstream = answer([](FakeUpstream::Peer& peer) {
    if (peer.received.find("0\r\n") != std::string::npos) peer.send(kOk);
  });
  KeepingHandler handler;
  const auto call = pool().start(chunked_post(), handler);
  call->write_body("abc");
  call->finish_body({{"Checksum", "1"}});
  EXPECT_TRUE(until([&] { return handler.is_done; }));
  EXPECT_EQ(upstream.peer(0).received,
            chunked_post().head + "3\r\nabc\r\n0\r\nChecksum: 1\r\n\r\n");
}

TEST_F(UpstreamTest, GivesUpOnASystemThatDoesNotReadTheBody) {
  FakeUpstream& upstream = answer_with("");
  upstream.reads = false;
  options_.idle_timeout_ns = 100 * kMs;
  KeepingHandler handler;
  const auto call = pool().start(streamed_post(), handler);
  call->write_body(std::string(std::size_t{32} << 20, 'x'));
  EXPECT_TRUE(until([&] { return handler.is_done; }));
  EXPECT_EQ(handler.seen, "request_stall");
}

TEST_F(UpstreamTest, StopsReadingWhilePaused) {
  const std::size_t size = std::size_t{24} << 20;
  answer_with("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
              std::string(size, 'x'));
  options_.idle_timeout_ns = 200 * kMs;  // does not run while paused
  KeepingHandler handler;
  auto call = pool().start(get(), handler);
  handler.at_head = [&] { call->pause_reading(); };
  EXPECT_TRUE(until([&] { return !handler.seen.empty(); }));
  bool is_later = false;
  Timer timer(*loop_, [&] { is_later = true; });
  timer.start(400 * kMs);
  EXPECT_TRUE(until([&] { return is_later; }));
  EXPECT_LE(handler.body.size(), EventLoop::kScratchBytes);
  EXPECT_FALSE(handler.is_done);
  call->resume_reading();
  EXPECT_TRUE(until([&] { return handler.is_done; }));
  EXPECT_EQ(handler.body.size(), size);
  EXPECT_EQ(handler.failure.message, "");
}

TEST_F(UpstreamTest, LetsACallDieInAnyOfItsCallbacks) {
  const std::string bytes =
      "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "2\r\nok\r\n2\r\nok\r\n0\r\n\r\n";
  for (int which = 0; which < 5; ++which) {
    pool_.reset();
    if (which == 4) {
      answer_with("nonsense");
    } else {
      answer_with(bytes);
    }
    KeepingHandler handler;
    auto call = pool().start(get(), handler);
    bool has_died = false;
    const auto die = [&] {
      call.reset();
      has_died = true;
    };
    std::function<void()>* const doors[] = {&handler.at_informational, &handler.at_head,
                                            &handler.at_body, &handler.at_end, &handler.at_end};
    *doors[which] = die;
    EXPECT_TRUE(until([&] { return has_died; })) << which;
    const std::string seen = handler.seen;
    // What is cancelled is closed, and nothing is called any more.
    const bool is_kept = which == 3;
    EXPECT_TRUE(until([&] { return pool().stats().connections_open == (is_kept ? 1U : 0U); }));
    EXPECT_TRUE(until([&] { return is_kept || upstream_->all_ended(); }));
    EXPECT_EQ(handler.seen, seen);
  }
}

TEST_F(UpstreamTest, HandsItsConnectionToACallStartedAtItsEnd) {
  answer_with(std::string(kOk));
  KeepingHandler first, second;
  std::unique_ptr<UpstreamCall> next;
  auto call = pool().start(get(), first);
  first.at_end = [&] {
    call.reset();
    next = pool().start(get(), second);
  };
  EXPECT_TRUE(until([&] { return second.is_done; }));
  EXPECT_EQ(second.seen, "h200 b complete");
  EXPECT_EQ(pool().stats().connections_opened, 1U);
}

TEST_F(UpstreamTest, CancelsBeforeTheConnectionIsThere) {
  answer_with(std::string(kOk));
  KeepingHandler handler;
  auto call = pool().start(get(), handler);
  call.reset();
  EXPECT_EQ(pool().stats().connections_open, 0U);
  EXPECT_EQ(ask(), "h200 b complete");
  EXPECT_EQ(handler.seen, "");
}

TEST(ResolveUrlTest, TakesAddressesAndRefusesTheRest) {
  EXPECT_EQ(resolve_url("http://127.0.0.1:9001")->front().text, "127.0.0.1:9001");
  EXPECT_EQ(resolve_url("http://127.0.0.1/")->front().text, "127.0.0.1:80");
  EXPECT_EQ(resolve_url("http://[::1]:9001")->front().text, "[::1]:9001");
  EXPECT_EQ(resolve_url("https://127.0.0.1")->front().text, "127.0.0.1:443");
  EXPECT_TRUE(resolve_url("https://127.0.0.1")->front().is_secure);
  for (const auto bad : {"127.0.0.1:80", "ftp://a", "http://", "http://a:x", "http://a:70000",
                         "http://127.0.0.1:80/path", "http://u:secret@127.0.0.1"}) {
    ASSERT_FALSE(resolve_url(bad).ok()) << bad;
    EXPECT_EQ(resolve_url(bad).error().message.find("secret"), std::string::npos);
  }
}

}  // namespace
}  // namespace banyan::net
