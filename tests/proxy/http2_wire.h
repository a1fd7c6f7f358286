// SPDX-License-Identifier: Apache-2.0
//
// A client of raw HTTP/2 frames on a real socket; blocking, each call with a deadline.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/net/http2_server_session.h"
#include "tests/core/net/fake_http2.h"
#include "tests/proxy/loopback.h"

namespace banyan::proxy {

class Http2Wire {
 public:
  explicit Http2Wire(Wire wire, std::string_view settings = {}) : wire_(std::move(wire)) {
    nghttp2_hd_inflate_new(&inflater_);
    wire_.send(std::string(net::kHttp2Preface) +
               net::http2_frame(NGHTTP2_SETTINGS, 0, 0, settings));
  }
  ~Http2Wire() { nghttp2_hd_inflate_del(inflater_); }
  Http2Wire(const Http2Wire&) = delete;
  Http2Wire& operator=(const Http2Wire&) = delete;

  struct Stream {
    net::Http2Pairs fields, trailers;
    std::string body;
    bool is_whole = false;
    int reset = -1;
    int status() const {
      return fields.empty() ? 0 : static_cast<int>(parse_u64(fields[0].second).value_or(0));
    }
  };
  static net::Http2Pairs request(const std::string& method, const std::string& path) {
    return {{":method", method}, {":scheme", "http"}, {":authority", "a"}, {":path", path}};
  }

  void send(std::string_view bytes) { wire_.send(bytes); }
  void get(std::int32_t id, const std::string& path = "/") {
    send(net::http2_headers(id, request("GET", path), true));
  }
  void post(std::int32_t id, std::string_view body, bool is_end = true) {
    send(net::http2_headers(id, request("POST", "/p"), false) + net::http2_data(id, body, is_end));
  }
  void reset(std::int32_t id) {
    send(net::http2_frame(NGHTTP2_RST_STREAM, 0, id, net::http2_word(NGHTTP2_CANCEL)));
  }
  void open_window(std::int32_t id, std::uint32_t bytes) {
    send(net::http2_frame(NGHTTP2_WINDOW_UPDATE, 0, id, net::http2_word(bytes)));
  }

  template <typename Condition>
  bool read_until(const Condition& condition) {
    while (!condition()) {
      while (!take_frame()) {
        if (!wire_.fill()) return condition();
      }
    }
    return true;
  }
  Stream& answer(std::int32_t id) {
    read_until([&] { return streams[id].is_whole || streams[id].reset >= 0; });
    return streams[id];
  }
  bool sees_end() {
    return !read_until([] { return false; }) && wire_.sees_end();
  }
  Wire& wire() { return wire_; }

  std::map<std::int32_t, Stream> streams;
  std::vector<int> goaways;  // errors
  std::vector<std::int32_t> last_streams;

 private:
  bool take_frame() {
    bytes_ += wire_.take_buffer();
    if (bytes_.size() < 9) return false;
    const auto byte = [this](std::size_t i) {
      return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes_[i]));
    };
    const auto word = [&](std::size_t i) {
      return byte(i) << 24 | byte(i + 1) << 16 | byte(i + 2) << 8 | byte(i + 3);
    };
    const std::size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
    if (bytes_.size() < 9 + size) return false;
    const auto id = static_cast<std::int32_t>(word(5) & 0x7fffffff);
    const std::string payload = bytes_.substr(9, size);
    switch (byte(3)) {
      case NGHTTP2_DATA: streams[id].body += payload; break;
      case NGHTTP2_HEADERS: {
        net::Http2Pairs fields = net::http2_inflate(inflater_, payload);
        const bool is_head = !fields.empty() && fields[0].first == ":status";
        (is_head ? streams[id].fields : streams[id].trailers) = std::move(fields);
        break;
      }
      case NGHTTP2_RST_STREAM: streams[id].reset = static_cast<int>(word(9)); break;
      case NGHTTP2_GOAWAY:
        last_streams.push_back(static_cast<std::int32_t>(word(9)));
        goaways.push_back(static_cast<int>(word(13)));
        break;
      default: break;
    }
    if (byte(3) <= NGHTTP2_HEADERS && (byte(4) & NGHTTP2_FLAG_END_STREAM) != 0) {
      streams[id].is_whole = true;
    }
    bytes_.erase(0, 9 + size);
    return true;
  }

  Wire wire_;
  std::string bytes_;
  nghttp2_hd_inflater* inflater_ = nullptr;
};

}  // namespace banyan::proxy
