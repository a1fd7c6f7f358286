// SPDX-License-Identifier: Apache-2.0
//
// A pool that speaks HTTP/2 to one scripted system.
#pragma once

#include "tests/core/net/fake_http2.h"
#include "tests/core/net/pool_fixture.h"

namespace banyan::net {

class Http2PoolTest : public PoolTest {
 protected:
  using Peer = FakeHttp2::Peer;

  Http2PoolTest() { options_.http2 = UpstreamHttp2::kPriorKnowledge; }

  FakeHttp2& answer(FakeHttp2::Script script, std::string settings = {}) {
    system_ = std::make_unique<FakeHttp2>(*loop_, std::move(script), std::move(settings));
    addresses_ = system_->upstream().addresses();
    return *system_;
  }
  // `bytes` of the stream for each request that has ended.
  FakeHttp2& answer_with(std::function<std::string(std::int32_t)> bytes) {
    return answer([bytes = std::move(bytes)](Peer& peer, const Http2Frame& it) {
      if (it.type <= NGHTTP2_HEADERS && (it.flags & 1) != 0) peer.send(bytes(it.stream));
    });
  }
  static std::string ok(std::int32_t stream) {
    return http2_headers(stream, {{":status", "200"}, {"content-length", "2"}}, false) +
           http2_data(stream, "ok", true);
  }
  static std::string reset(std::int32_t stream, std::uint32_t code) {
    return http2_frame(NGHTTP2_RST_STREAM, 0, stream, http2_word(code));
  }
  static std::string goaway(std::uint32_t last_stream, std::uint32_t code) {
    return http2_frame(NGHTTP2_GOAWAY, 0, 0, http2_word(last_stream) + http2_word(code));
  }
  static UpstreamRequest idempotent() {
    UpstreamRequest request = get();
    request.may_retry = true;
    return request;
  }
  // Not idempotent, with its whole body.
  static UpstreamRequest inline_post() {
    UpstreamRequest request;
    request.head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
    request.body = "abc";
    request.method = "POST";
    return request;
  }
  static UpstreamRequest post() {
    UpstreamRequest request;
    request.head =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\n"
        "Transfer-Encoding: chunked\r\n\r\n";
    request.method = "POST";
    request.streams_body = request.is_chunked = true;
    return request;
  }

  std::unique_ptr<FakeHttp2> system_;
};

}  // namespace banyan::net
