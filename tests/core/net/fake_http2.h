// SPDX-License-Identifier: Apache-2.0
//
// A scripted system that speaks HTTP/2 frame by frame, so that it can break every rule. Requests'
// fields are read with nghttp2's decoder; answers are written by hand.
#pragma once

#include <nghttp2/nghttp2.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/core/net/fake_peers.h"

namespace banyan::net {

struct Http2Frame {
  std::uint8_t type = 0, flags = 0;
  std::int32_t stream = 0;
  std::string payload;
};

inline std::string http2_frame(std::uint8_t type, std::uint8_t flags, std::int32_t stream,
                               std::string_view payload) {
  const auto size = static_cast<std::uint32_t>(payload.size());
  const auto id = static_cast<std::uint32_t>(stream);
  std::string bytes;
  for (const int shift : {16, 8, 0}) bytes.push_back(static_cast<char>(size >> shift));
  bytes.push_back(static_cast<char>(type));
  bytes.push_back(static_cast<char>(flags));
  for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>(id >> shift));
  return bytes.append(payload);
}

using Http2Pairs = std::vector<std::pair<std::string, std::string>>;

// Literal fields without the table; strings shorter than 127 bytes or of any length below 16 KiB.
inline std::string http2_block(const Http2Pairs& fields) {
  std::string block;
  const auto text = [&block](const std::string& it) {
    std::size_t size = it.size();
    if (size < 127) {
      block.push_back(static_cast<char>(size));
    } else {
      block.push_back(127);
      for (size -= 127; size >= 128; size /= 128) {
        block.push_back(static_cast<char>(size % 128 + 128));
      }
      block.push_back(static_cast<char>(size));
    }
    block += it;
  };
  for (const auto& [name, value] : fields) {
    block.push_back(0);
    text(name);
    text(value);
  }
  return block;
}

inline std::string http2_word(std::uint32_t number) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>(number >> shift));
  return bytes;
}
inline std::string http2_setting(std::uint16_t id, std::uint32_t value) {
  return std::string{static_cast<char>(id >> 8), static_cast<char>(id)} + http2_word(value);
}

inline std::string http2_headers(std::int32_t stream, const Http2Pairs& fields, bool is_end) {
  return http2_frame(NGHTTP2_HEADERS, is_end ? 5 : 4, stream, http2_block(fields));
}

// The fields of one whole block; `inflater` keeps what a connection remembers between its blocks.
inline Http2Pairs http2_inflate(nghttp2_hd_inflater* inflater, std::string_view block) {
  Http2Pairs fields;
  const auto* at = reinterpret_cast<const std::uint8_t*>(block.data());
  std::size_t left = block.size();
  for (int flags = 0; (flags & NGHTTP2_HD_INFLATE_FINAL) == 0;) {
    nghttp2_nv pair{};
    const ssize_t taken = nghttp2_hd_inflate_hd2(inflater, &pair, &flags, at, left, 1);
    if (taken < 0) break;
    at += taken;
    left -= static_cast<std::size_t>(taken);
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
      fields.emplace_back(std::string(reinterpret_cast<char*>(pair.name), pair.namelen),
                          std::string(reinterpret_cast<char*>(pair.value), pair.valuelen));
    }
  }
  nghttp2_hd_inflate_end_headers(inflater);
  return fields;
}
inline std::string http2_data(std::int32_t stream, std::string_view bytes, bool is_end) {
  return http2_frame(NGHTTP2_DATA, is_end ? 1 : 0, stream, bytes);
}

class FakeHttp2 {
 public:
  using Peer = FakeUpstream::Peer;
  using Script = std::function<void(Peer&, const Http2Frame&)>;

  FakeHttp2(EventLoop& loop, Script script, std::string settings = {})
      : script_(std::move(script)),
        settings_(std::move(settings)),
        upstream_(loop, [this](Peer& peer) { on_bytes(peer); }) {}

  FakeUpstream& upstream() { return upstream_; }
  int count(std::uint8_t type) const {
    int found = 0;
    for (const Http2Frame& it : frames) found += it.type == type ? 1 : 0;
    return found;
  }
  // The fields of the HEADERS frame, decoded in the order they came in on the connection.
  Http2Pairs fields_of(Peer& peer, const Http2Frame& it) {
    nghttp2_hd_inflater*& inflater = inflaters_[peer.number];
    if (inflater == nullptr) nghttp2_hd_inflate_new(&inflater);
    return http2_inflate(inflater, it.payload);
  }
  ~FakeHttp2() {
    for (auto& [number, inflater] : inflaters_) nghttp2_hd_inflate_del(inflater);
  }

  std::vector<Http2Frame> frames;  // of all connections, in order
  bool acknowledges_pings = true;
  // Heads of connections that speak HTTP/1.1; each is answered 200.
  std::vector<std::string> http1_heads;

 private:
  void on_bytes(Peer& peer) {
    constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    if (!greeted_[peer.number] && peer.received.rfind("PRI", 0) != 0) return answer_http1(peer);
    if (!greeted_[peer.number]) {
      if (peer.received.size() < kPreface.size()) return;
      EXPECT_EQ(peer.received.substr(0, kPreface.size()), kPreface);
      peer.received.erase(0, kPreface.size());
      greeted_[peer.number] = true;
      peer.send(http2_frame(NGHTTP2_SETTINGS, 0, 0, settings_));
    }
    while (peer.fd.is_open() && peer.received.size() >= 9) {
      const auto byte = [&peer](std::size_t i) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(peer.received[i]));
      };
      const std::size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
      if (peer.received.size() < 9 + size) return;
      Http2Frame it;
      it.type = static_cast<std::uint8_t>(byte(3));
      it.flags = static_cast<std::uint8_t>(byte(4));
      it.stream = static_cast<std::int32_t>(byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8));
      it.payload = peer.received.substr(9, size);
      peer.received.erase(0, 9 + size);
      if (it.type == NGHTTP2_SETTINGS && (it.flags & 1) == 0) {
        peer.send(http2_frame(NGHTTP2_SETTINGS, 1, 0, ""));
      }
      if (it.type == NGHTTP2_PING && (it.flags & 1) == 0 && acknowledges_pings) {
        peer.send(http2_frame(NGHTTP2_PING, 1, 0, it.payload));
      }
      frames.push_back(it);
      script_(peer, it);
    }
  }

  void answer_http1(Peer& peer) {
    for (std::size_t end = peer.received.find("\r\n\r\n"); end != std::string::npos;
         end = peer.received.find("\r\n\r\n")) {
      http1_heads.push_back(peer.received.substr(0, end + 4));
      peer.received.erase(0, end + 4);
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  }

  Script script_;
  std::string settings_;
  std::map<int, bool> greeted_;
  std::map<int, nghttp2_hd_inflater*> inflaters_;
  FakeUpstream upstream_;
};

}  // namespace banyan::net
