// SPDX-License-Identifier: Apache-2.0
//
// The server's side of one HTTP/2 connection: frames in, frames out, no I/O. nghttp2 is inside.
//
//   session->receive(bytes, now);       // calls the handlers
//   session->send_head(stream, …);      // any time, also in a handler; nothing is serialised yet
//   session->collect(out);              // at the end of the turn: all frames that may leave now
//   if (session->is_over()) close once `out` has left
//
// What a client may do to us without being served by it has a budget (control frames, resets, field
// bytes); past it the session says GOAWAY and ends. Loop-confined; never call receive() or
// collect() in a handler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/http/http2_head.h"
#include "core/http/message.h"
#include "core/net/socket.h"

namespace banyan::net {

struct Http2Options {
  std::uint32_t streams_max = 100;            // open at once
  std::size_t section_bytes_max = 64 * 1024;  // of fields; past it the request is refused
  // Bytes of bodies that a client may send ahead of us. What a stream holds back counts against
  // its connection too, so the second bounds the memory that one client can fill.
  std::uint32_t stream_window_bytes = 256 * 1024;
  std::uint32_t connection_window_bytes = 1024 * 1024;
  std::uint32_t continuations_max = 8;  // CONTINUATION frames of one field section
  // PING, SETTINGS, PRIORITY, WINDOW_UPDATE, GOAWAY, empty DATA and unknown frames.
  std::uint32_t control_frames_max = 1000;  // at once
  std::uint32_t control_frames_per_second = 100;
  // RST_STREAM, and streams that we reset because of what the client sent. An answer that went out
  // whole explains one of them.
  std::uint32_t resets_max = 200;  // at once
  std::uint32_t resets_per_second = 20;
};

enum class Http2Error : std::uint32_t {
  kNone = 0,
  kProtocol = 1,
  kInternal = 2,
  kRefusedStream = 7,
  kCancel = 8,
  kEnhanceYourCalm = 11,
};

// Why a session ended itself.
enum class Http2Breach {
  kNone,
  kProtocol,       // what nghttp2 refuses
  kControlFrames,  // budgets
  kResets,
  kContinuations,
  kFieldBomb,
};
std::string_view to_string(Http2Breach breach);

// What of an answer's body may leave now.
struct Http2Piece {
  std::size_t bytes = 0;  // 0 and not the end: nothing now, resume() tells of more
  bool is_end = false;
  const http::HeaderList* trailers = nullptr;  // with the end; valid until it was asked for
};

// One stream of the client. Never destroys itself in a callback that has more to come.
class Http2StreamHandler {
 public:
  virtual ~Http2StreamHandler() = default;
  virtual void on_data(std::string_view piece) = 0;
  // The request is whole. `trailers` is empty where there are none, and may be taken.
  virtual void on_end(http::FieldSection& trailers) = 0;
  // The last call: the stream is gone. Anything but kNone: it was reset, `by_client` or because of
  // what the client sent.
  virtual void on_closed(Http2Error error, bool by_client) = 0;
  // From collect().
  virtual Http2Piece next_piece(std::size_t bytes_max) = 0;
  virtual void take_piece(std::size_t bytes, OutputBuffer& out) = 0;
};

class Http2SessionHandler {
 public:
  virtual ~Http2SessionHandler() = default;
  // A request's head; `section` may be taken. Null: the stream is refused (REFUSED_STREAM).
  virtual Http2StreamHandler* on_request(std::int32_t stream, http::FieldSection& section,
                                         bool has_body) = 0;
  // A head that nghttp2 itself refused; it has reset the stream.
  virtual void on_malformed_request() = 0;
};

class Http2ServerSession {
 public:
  Http2ServerSession(Http2SessionHandler& handler, const Http2Options& options);
  ~Http2ServerSession();
  Http2ServerSession(const Http2ServerSession&) = delete;
  Http2ServerSession& operator=(const Http2ServerSession&) = delete;

  void receive(std::string_view bytes, std::int64_t now_ns);
  // Until nothing may leave, or `out` holds kOutputBytes.
  void collect(OutputBuffer& out);
  bool wants_collect() const;
  // Nothing more to say or to hear.
  bool is_over() const;
  Http2Breach breach() const;
  // A head that has begun and is not whole (HEADERS without its last CONTINUATION).
  bool is_mid_head() const;

  // Fields without pseudo fields; names may have any case. With `is_end` no piece is asked for.
  void send_head(std::int32_t stream, int status, const http::HeaderList& fields, bool is_end);
  void send_informational(std::int32_t stream, int status, const http::HeaderList& fields);
  // There may be a piece now.
  void resume(std::int32_t stream);
  // The client's windows are used up: of one stream, or of the connection.
  bool is_window_closed(std::int32_t stream) const;
  bool is_connection_window_closed() const;
  // The handler is not called again, not even on_closed().
  void reset(std::int32_t stream, Http2Error error);
  void forget(std::int32_t stream);
  // Body bytes that are dealt with: the client may send as many more.
  void consume(std::int32_t stream, std::size_t bytes);

  // Two steps: the client hears that it is over, and one round trip later which was its last
  // stream.
  void announce_end();
  void end(Http2Error error);

  static constexpr std::size_t kOutputBytes = 64 * 1024;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What a client that speaks HTTP/2 sends first.
inline constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

}  // namespace banyan::net
