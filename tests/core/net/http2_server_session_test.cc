// SPDX-License-Identifier: Apache-2.0
//
// The session against a client of raw frames: what it tells of requests, what of answers leaves
// when, and each budget at its edge.
#include "core/net/http2_server_session.h"

#include <gtest/gtest.h>

#include <sys/socket.h>

#include <map>
#include <memory>

#include "tests/core/net/fake_http2.h"
#include "tests/support/times.h"

namespace banyan::net {
namespace {

const Http2Pairs kGet = {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", "a"}};

struct FakeStream final : Http2StreamHandler {
  void on_data(std::string_view piece) override { data.append(piece); }
  void on_end(http::FieldSection& section) override {
    has_end = true;
    trailers.swap(section);
  }
  void on_closed(Http2Error error, bool by_client) override {
    is_closed = true;
    closed_with = error;
    was_by_client = by_client;
  }
  Http2Piece next_piece(std::size_t bytes_max) override {
    const std::size_t bytes = std::min(bytes_max, body.size());
    return {bytes, is_whole && bytes == body.size(), &trailers_out};
  }
  void take_piece(std::size_t bytes, OutputBuffer& out) override {
    out.append(std::string_view(body).substr(0, bytes));
    body.erase(0, bytes);
  }

  std::string data, body;
  bool is_whole = true, has_end = false, is_closed = false, was_by_client = false;
  Http2Error closed_with = Http2Error::kNone;
  http::FieldSection trailers;
  http::HeaderList trailers_out;
};

struct Http2Session : ::testing::Test, Http2SessionHandler {
  void begin(const Http2Options& options = {}) {
    session = std::make_unique<Http2ServerSession>(*this, options);
    send(std::string(kHttp2Preface) + http2_frame(NGHTTP2_SETTINGS, 0, 0, ""));
    answer();
    frames.clear();
    send(http2_frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, ""));
  }
  Http2StreamHandler* on_request(std::int32_t id, http::FieldSection& section, bool) override {
    ++requests;
    was_over_limit = section.is_over_limit();
    if (refuses) return nullptr;
    return &streams[id];
  }
  void on_malformed_request() override { ++malformed; }

  void send(std::string_view bytes) { session->receive(bytes, now_ns); }
  void get(std::int32_t id) { send(http2_headers(id, kGet, true)); }
  void ok(std::int32_t id, std::string body = "", bool is_whole = true) {
    streams[id].body = std::move(body);
    streams[id].is_whole = is_whole;
    session->send_head(id, 200, {{"content-type", "text/plain"}},
                       is_whole && streams[id].body.empty());
  }
  // Lets all leave that may, and reads it.
  void answer() {
    for (int i = 0; i < 100 && session->wants_collect(); ++i) {
      OutputBuffer out;
      session->collect(out);
      const std::size_t bytes = out.waiting_bytes();
      int pair[2];
      ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
      UniqueFd ours(pair[0]), theirs(pair[1]);
      std::string got(bytes, 0);
      for (std::size_t at = 0; at < bytes;) {
        (void)out.flush(ours.get());
        const ssize_t more = ::recv(theirs.get(), got.data() + at, bytes - at, 0);
        ASSERT_GT(more, 0);
        at += static_cast<std::size_t>(more);
      }
      read_frames(got);
      if (bytes == 0) break;
    }
  }
  void read_frames(std::string_view bytes) {
    while (bytes.size() >= 9) {
      const auto byte = [&](std::size_t i) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i]));
      };
      const std::size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
      const auto id =
          static_cast<std::int32_t>(byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8));
      frames.push_back({static_cast<std::uint8_t>(byte(3)), static_cast<std::uint8_t>(byte(4)), id,
                        std::string(bytes.substr(9, size))});
      bytes.remove_prefix(9 + size);
    }
  }
  int count(std::uint8_t type, std::int32_t id) const {
    int found = 0;
    for (const Http2Frame& it : frames) found += it.type == type && it.stream == id ? 1 : 0;
    return found;
  }
  std::size_t data_bytes(std::int32_t id) const {
    std::size_t bytes = 0;
    for (const Http2Frame& it : frames) {
      if (it.type == NGHTTP2_DATA && it.stream == id) bytes += it.payload.size();
    }
    return bytes;
  }
  // The error of the last GOAWAY; -1: there is none.
  int goaway() const {
    int error = -1;
    for (const Http2Frame& it : frames) {
      if (it.type == NGHTTP2_GOAWAY) error = static_cast<unsigned char>(it.payload[7]);
    }
    return error;
  }
  void expect_breach(Http2Breach breach, int error) {
    answer();
    EXPECT_EQ(to_string(session->breach()), to_string(breach));
    EXPECT_EQ(goaway(), error);
    EXPECT_TRUE(session->is_over());
  }

  std::unique_ptr<Http2ServerSession> session;
  std::map<std::int32_t, FakeStream> streams;
  std::vector<Http2Frame> frames;
  int requests = 0, malformed = 0;
  bool refuses = false, was_over_limit = false;
  std::int64_t now_ns = kSecond;
};

TEST_F(Http2Session, ServesRequestsWithBodiesAndTrailers) {
  begin();
  send(http2_headers(1, {{":method", "POST"}, {":scheme", "http"}, {":path", "/p"}, {"host", "a"}},
                     false));
  send(http2_data(1, "one", false) + http2_data(1, "two", false));
  EXPECT_EQ(streams[1].data, "onetwo");
  EXPECT_FALSE(streams[1].has_end);
  send(http2_headers(1, {{"checksum", "7"}}, true));
  EXPECT_TRUE(streams[1].has_end);
  http::HeaderList trailers;
  streams[1].trailers.list(trailers);
  ASSERT_EQ(trailers.size(), 1U);
  EXPECT_EQ(trailers[0].name, "checksum");
  streams[1].trailers_out = {{"grpc-status", "0"}};
  ok(1, "answer");
  answer();
  EXPECT_EQ(count(NGHTTP2_HEADERS, 1), 2);
  EXPECT_EQ(data_bytes(1), 6U);
  EXPECT_TRUE(streams[1].is_closed);
  EXPECT_EQ(streams[1].closed_with, Http2Error::kNone);
  EXPECT_FALSE(session->is_over());
}

TEST_F(Http2Session, FieldsThatBelongToAConnectionAreNeverSent) {
  begin();
  get(1);
  session->send_head(
      1, 200, {{"Connection", "close"}, {"X", "a\r\nb: c"}, {"Bad Name", "x"}, {"Good", "1"}},
      true);
  answer();
  ASSERT_EQ(count(NGHTTP2_HEADERS, 1), 1);
  for (const Http2Frame& it : frames) {
    EXPECT_EQ(it.payload.find("close"), std::string::npos);
    EXPECT_EQ(it.payload.find('\r'), std::string::npos);
  }
}

TEST_F(Http2Session, AStreamWithoutAWindowHoldsUpNoOther) {
  begin();
  send(http2_frame(NGHTTP2_SETTINGS, 0, 0, http2_setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0)));
  get(1);
  get(3);
  ok(1, std::string(1000, 'x'));
  ok(3, std::string(1000, 'y'));
  send(http2_frame(NGHTTP2_WINDOW_UPDATE, 0, 3, http2_word(5000)));
  answer();
  EXPECT_EQ(data_bytes(1), 0U);
  EXPECT_EQ(data_bytes(3), 1000U);
  EXPECT_TRUE(session->is_window_closed(1));
  EXPECT_FALSE(session->is_connection_window_closed());
  EXPECT_FALSE(session->wants_collect());
  send(http2_frame(NGHTTP2_WINDOW_UPDATE, 0, 1, http2_word(5000)));
  answer();
  EXPECT_EQ(data_bytes(1), 1000U);
}

TEST_F(Http2Session, NoMoreThanItsBoundIsSerialisedAhead) {
  begin();
  send(http2_frame(NGHTTP2_SETTINGS, 0, 0,
                   http2_setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30)) +
       http2_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, http2_word(1 << 30)));
  get(1);
  ok(1, std::string(1 << 20, 'x'));
  OutputBuffer out;
  session->collect(out);
  EXPECT_GE(out.waiting_bytes(), Http2ServerSession::kOutputBytes);
  EXPECT_LT(out.waiting_bytes(), Http2ServerSession::kOutputBytes + 20'000);
  EXPECT_TRUE(session->wants_collect());
}

TEST_F(Http2Session, WhatIsNotConsumedClosesTheClientsWindow) {
  Http2Options options;
  options.stream_window_bytes = options.connection_window_bytes = 65'536;
  begin(options);
  send(http2_headers(1, {{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {"host", "a"}},
                     false));
  for (int i = 0; i < 4; ++i) send(http2_data(1, std::string(16'384, 'x'), false));
  EXPECT_EQ(streams[1].data.size(), 65'536U);
  answer();
  EXPECT_EQ(count(NGHTTP2_WINDOW_UPDATE, 0), 0);
  session->consume(1, 65'536);
  answer();
  EXPECT_EQ(count(NGHTTP2_WINDOW_UPDATE, 0), 1);
  EXPECT_EQ(count(NGHTTP2_WINDOW_UPDATE, 1), 1);
}

TEST_F(Http2Session, AClientThatSendsPastItsWindowIsRefused) {
  Http2Options options;
  options.stream_window_bytes = options.connection_window_bytes = 65'536;
  begin(options);
  send(http2_headers(1, {{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {"host", "a"}},
                     false));
  for (int i = 0; i < 5; ++i) send(http2_data(1, std::string(16'384, 'x'), false));
  answer();
  EXPECT_EQ(goaway(), NGHTTP2_FLOW_CONTROL_ERROR);
  EXPECT_LE(streams[1].data.size(), 65'536U);
}

TEST_F(Http2Session, MalformedHeadsAreResetAndTold) {
  begin();
  const std::vector<Http2Pairs> bad = {
      {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", "a"}, {"Upper", "x"}},
      {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", "a"}, {"connection", "x"}},
      {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", "a"}, {"x", "a\r\nb"}},
      {{":method", "GET"}, {":scheme", "http"}, {"host", "a"}, {":path", "/"}},
      {{":method", "GET"}, {":method", "GET"}, {":scheme", "http"}, {":path", "/"}},
      {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"te", "gzip"}},
  };
  std::int32_t id = 1;
  for (const auto& fields : bad) {
    send(http2_headers(id, fields, true));
    answer();
    EXPECT_EQ(count(NGHTTP2_RST_STREAM, id), 1) << id;
    id += 2;
  }
  EXPECT_EQ(requests, 0);
  EXPECT_EQ(malformed, 6);
  EXPECT_EQ(session->breach(), Http2Breach::kNone);
}

TEST_F(Http2Session, ABodyOfAnotherLengthResetsItsStream) {
  begin();
  send(http2_headers(1,
                     {{":method", "POST"},
                      {":scheme", "http"},
                      {":path", "/"},
                      {"host", "a"},
                      {"content-length", "3"}},
                     false));
  send(http2_data(1, "four", true));
  answer();
  EXPECT_TRUE(streams[1].is_closed);
  EXPECT_EQ(streams[1].closed_with, Http2Error::kProtocol);
  EXPECT_FALSE(streams[1].was_by_client);
  EXPECT_FALSE(streams[1].has_end);
}

TEST_F(Http2Session, TheClientsResetIsTheClients) {
  begin();
  get(1);
  send(http2_frame(NGHTTP2_RST_STREAM, 0, 1, http2_word(NGHTTP2_CANCEL)));
  EXPECT_TRUE(streams[1].is_closed);
  EXPECT_TRUE(streams[1].was_by_client);
  EXPECT_EQ(streams[1].closed_with, Http2Error::kCancel);
}

TEST_F(Http2Session, AFieldSectionOverItsLimitIsToldAndABombEndsIt) {
  Http2Options options;
  options.section_bytes_max = 1000;
  begin(options);
  Http2Pairs fields = kGet;
  fields.emplace_back("x", std::string(2000, 'x'));
  send(http2_headers(1, fields, true));
  EXPECT_EQ(requests, 1);
  EXPECT_TRUE(was_over_limit);
  fields.emplace_back("y", std::string(2000, 'y'));
  send(http2_headers(3, fields, true));
  EXPECT_EQ(requests, 1);
  expect_breach(Http2Breach::kFieldBomb, NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST_F(Http2Session, ContinuationsHaveABound) {
  Http2Options options;
  options.continuations_max = 3;
  begin(options);
  const std::string block = http2_block(kGet);
  send(http2_frame(NGHTTP2_HEADERS, 1, 1, block));
  EXPECT_TRUE(session->is_mid_head());
  for (int i = 0; i < 2; ++i) send(http2_frame(NGHTTP2_CONTINUATION, 0, 1, ""));
  EXPECT_TRUE(session->is_mid_head());
  send(http2_frame(NGHTTP2_CONTINUATION, 4, 1, ""));
  EXPECT_FALSE(session->is_mid_head());
  EXPECT_EQ(requests, 1);
  send(http2_frame(NGHTTP2_HEADERS, 1, 3, block));
  for (int i = 0; i < 4; ++i) send(http2_frame(NGHTTP2_CONTINUATION, 0, 3, ""));
  expect_breach(Http2Breach::kContinuations, NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST_F(Http2Session, ControlFramesHaveABudgetThatTimeAndRequestsRefill) {
  Http2Options options;
  options.control_frames_max = 10;
  options.control_frames_per_second = 2;
  begin(options);  // Two are its SETTINGS and its acknowledgement of ours.
  const std::string ping = http2_frame(NGHTTP2_PING, 0, 0, "12345678");
  for (int i = 0; i < 8; ++i) send(ping);
  EXPECT_EQ(session->breach(), Http2Breach::kNone);
  now_ns += kSecond;
  for (int i = 0; i < 2; ++i) send(ping);
  EXPECT_EQ(session->breach(), Http2Breach::kNone);
  get(1);
  for (int i = 0; i < 8; ++i) send(ping);
  EXPECT_EQ(session->breach(), Http2Breach::kNone);
  send(ping);
  expect_breach(Http2Breach::kControlFrames, NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST_F(Http2Session, EveryIdleFrameCounts) {
  const std::vector<std::string> floods = {
      http2_frame(NGHTTP2_SETTINGS, 0, 0, ""),
      http2_frame(NGHTTP2_PRIORITY, 0, 99, std::string(5, '\0')),
      http2_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, http2_word(1)),
      http2_frame(NGHTTP2_DATA, 0, 1, ""),
      http2_frame(0xfa, 0, 0, ""),
  };
  for (const std::string& flood : floods) {
    Http2Options options;
    options.control_frames_max = 100;
    begin(options);
    send(http2_headers(1, kGet, false));
    SCOPED_TRACE(static_cast<int>(flood[3]));
    for (int i = 0; i < 101; ++i) {
      if (i % 20 == 19) answer();
      send(flood);
    }
    expect_breach(Http2Breach::kControlFrames, NGHTTP2_ENHANCE_YOUR_CALM);
    streams.clear();
  }
}

TEST_F(Http2Session, RapidResetsEndItAndAnswersExplainSome) {
  Http2Options options;
  options.resets_max = 5;
  options.resets_per_second = 0;
  begin(options);
  std::int32_t id = 1;
  const auto reset_one = [&] {
    get(id);
    send(http2_frame(NGHTTP2_RST_STREAM, 0, id, http2_word(NGHTTP2_CANCEL)));
    id += 2;
  };
  for (int i = 0; i < 5; ++i) reset_one();
  EXPECT_EQ(session->breach(), Http2Breach::kNone);
  for (int i = 0; i < 2; ++i) {
    get(id);
    ok(id);
    answer();
    id += 2;
  }
  for (int i = 0; i < 2; ++i) reset_one();
  EXPECT_EQ(session->breach(), Http2Breach::kNone);
  reset_one();
  expect_breach(Http2Breach::kResets, NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST_F(Http2Session, ResetsThatTheClientBringsAboutCountToo) {
  Http2Options options;
  options.resets_max = 5;
  options.resets_per_second = 0;
  begin(options);
  for (std::int32_t id = 1; id < 14; id += 2) {
    send(http2_headers(id, {{":method", "GET"}}, true));
    answer();
  }
  expect_breach(Http2Breach::kResets, NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST_F(Http2Session, StreamsPastTheirNumberEndIt) {
  Http2Options options;
  options.streams_max = 2;
  begin(options);
  for (const std::int32_t id : {1, 3}) get(id);
  EXPECT_EQ(requests, 2);
  EXPECT_EQ(session->breach(), Http2Breach::kNone);
  get(5);  // It has acknowledged the number.
  answer();
  EXPECT_EQ(requests, 2);
  EXPECT_EQ(session->breach(), Http2Breach::kProtocol);
  EXPECT_EQ(goaway(), NGHTTP2_PROTOCOL_ERROR);
}

TEST_F(Http2Session, AClientThatWasNotToldYetMayAskAgain) {
  Http2Options options;
  options.streams_max = 2;
  session = std::make_unique<Http2ServerSession>(*this, options);
  send(std::string(kHttp2Preface) + http2_frame(NGHTTP2_SETTINGS, 0, 0, ""));
  for (const std::int32_t id : {1, 3, 5}) get(id);
  answer();
  EXPECT_EQ(requests, 2);
  ASSERT_EQ(count(NGHTTP2_RST_STREAM, 5), 1);
  EXPECT_EQ(goaway(), -1);
}

TEST_F(Http2Session, AStreamTheHandlerDoesNotWantIsRefused) {
  begin();
  refuses = true;
  get(1);
  answer();
  ASSERT_EQ(count(NGHTTP2_RST_STREAM, 1), 1);
  EXPECT_EQ(frames.back().payload, http2_word(NGHTTP2_REFUSED_STREAM));
}

TEST_F(Http2Session, AStreamThatWasLeftOutCannotBeOpenedLater) {
  begin();
  get(5);
  get(3);
  expect_breach(Http2Breach::kProtocol, NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(requests, 1);
}

TEST_F(Http2Session, EndsInTwoSteps) {
  begin();
  get(1);
  session->announce_end();
  answer();
  EXPECT_EQ(count(NGHTTP2_GOAWAY, 0), 1);
  get(3);  // Was on its way.
  EXPECT_EQ(requests, 2);
  session->end(Http2Error::kNone);
  answer();
  EXPECT_EQ(count(NGHTTP2_GOAWAY, 0), 2);
  EXPECT_FALSE(session->is_over());
  get(5);
  EXPECT_EQ(requests, 2);
  ok(1);
  ok(3);
  answer();
  EXPECT_TRUE(session->is_over());
  EXPECT_EQ(session->breach(), Http2Breach::kNone);
}

TEST_F(Http2Session, AnythingElseThanThePrefaceEndsIt) {
  session = std::make_unique<Http2ServerSession>(*this, Http2Options());
  send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  expect_breach(Http2Breach::kProtocol, NGHTTP2_PROTOCOL_ERROR);
}

}  // namespace
}  // namespace banyan::net
