// SPDX-License-Identifier: Apache-2.0
//
// A client that speaks HTTP/2 and sends anything: whatever it is, a stream ends once, nothing is
// told behind its end, a head that is accepted can be written as HTTP/1 and is read there as the
// same request, and what leaves is bounded.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "core/http/char_classes.h"
#include "core/http/http2_head.h"
#include "core/net/http2_server_session.h"

namespace {

using namespace banyan;

struct Judge final : net::Http2SessionHandler {
  struct Stream final : net::Http2StreamHandler {
    bool has_end = false, is_closed = false;
    std::string body = std::string(1000, 'x');
    net::Http2ServerSession* session = nullptr;
    std::int32_t id = 0;

    void on_data(std::string_view piece) override {
      CHECK(!has_end && !is_closed);
      if (id % 4 == 1) session->consume(id, piece.size());
    }
    void on_end(http::FieldSection& trailers) override {
      CHECK(!has_end && !is_closed);
      has_end = true;
      http::HeaderList fields;
      if (!http::parse_http2_trailers(trailers, {}, fields)) judge(fields);
    }
    void on_closed(net::Http2Error, bool) override {
      CHECK(!is_closed);
      is_closed = true;
    }
    net::Http2Piece next_piece(std::size_t bytes_max) override {
      CHECK(!is_closed);
      const std::size_t bytes = std::min(bytes_max, body.size());
      return {bytes, bytes == body.size(), nullptr};
    }
    void take_piece(std::size_t bytes, net::OutputBuffer& out) override {
      CHECK(!is_closed && bytes <= body.size());
      out.append(std::string_view(body).substr(0, bytes));
      body.erase(0, bytes);
    }
  };

  std::map<std::int32_t, Stream> streams;
  std::unique_ptr<net::Http2ServerSession> session;
  http::RequestHead head;
  std::string storage;

  static void judge(const http::HeaderList& fields) {
    for (const auto& [name, value] : fields) {
      CHECK(http::is_token(name) && http::is_field_value(value) && !http::is_hop_by_hop(name));
    }
  }
  net::Http2StreamHandler* on_request(std::int32_t id, http::FieldSection& section,
                                      bool has_body) override {
    CHECK(streams.find(id) == streams.end());
    if (const auto error = http::parse_http2_request(section, has_body, {}, storage, head)) {
      CHECK(error->status >= 400 && error->status < 600 && !error->code.empty());
    } else {
      CHECK(http::is_token(head.method) && !head.target.empty() && !head.authority.empty());
      CHECK(head.target.front() == '/' || head.target == "*");
      CHECK(head.target.find_first_of(" \r\n#") == std::string_view::npos);
      for (const auto& [name, value] : head.fields) {
        CHECK(http::is_token(name) && http::is_field_value(value));
        CHECK(!http::is_hop_by_hop(name) || name == "te" || name == "trailer");
      }
    }
    Stream& stream = streams[id];
    stream.session = session.get();
    stream.id = id;
    if (id % 8 != 7) session->send_head(id, 200, {{"x", "y"}}, false);
    return &stream;
  }
  void on_malformed_request() override {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Judge judge;
  net::Http2Options options;
  options.streams_max = 8;
  options.section_bytes_max = 4096;
  options.control_frames_max = 50;
  options.resets_max = 10;
  judge.session = std::make_unique<net::Http2ServerSession>(judge, options);
  // The first byte says how the rest is cut; the preface may be left to us.
  std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.empty()) return 0;
  const auto how = static_cast<unsigned char>(input.front());
  input.remove_prefix(1);
  std::int64_t now_ns = 1;
  if ((how & 0x80) == 0) judge.session->receive(net::kHttp2Preface, now_ns);
  const std::size_t step = (how & 0x7f) == 0 ? input.size() : (how & 0x7f);
  while (!input.empty() && !judge.session->is_over()) {
    judge.session->receive(input.substr(0, step), ++now_ns);
    input.remove_prefix(std::min(step, input.size()));
    for (int i = 0; i < 4 && judge.session->wants_collect(); ++i) {
      net::OutputBuffer out;
      judge.session->collect(out);
      CHECK(out.waiting_bytes() < net::Http2ServerSession::kOutputBytes + 32 * 1024);
      if (out.is_empty()) break;
    }
  }
  return 0;
}
