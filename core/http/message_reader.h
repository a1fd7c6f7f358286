// SPDX-License-Identifier: Apache-2.0
//
// Incremental, strict readers of HTTP/1.x messages. They do no I/O: give them bytes, they answer
// with the next event. A head is buffered up to its limit, scanned as a whole by our own strict
// check, then parsed by llhttp; bodies are passed through in pieces without copying.
//
//   RequestReader reader(limits);
//   std::string_view input = …;                       // what a recv brought
//   for (;;) switch (reader.next(input)) {            // consumes from the front of `input`
//     case ReadEvent::kHead:     use reader.head(); break;
//     case ReadEvent::kBody:     use reader.body(); break;      // valid until `input` is reused
//     case ReadEvent::kComplete: use reader.trailers(); reader.reset(); break;  // next message
//     follows case ReadEvent::kNeedMore: return;              // input is empty now case
//     ReadEvent::kError:    use reader.error(); close; return;
//   }
//
// After kError a reader answers kError for ever: bytes behind a refused message are never parsed.
// Loop-confined.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/http/message.h"

namespace banyan::http {

struct ReadLimits {
  std::size_t head_bytes_max = 64 * 1024;
  std::size_t fields_max = 100;
  std::size_t line_bytes_max = 32 * 1024;  // one field line, without its CRLF
  std::size_t target_bytes_max = 8 * 1024;
  std::size_t chunk_extension_bytes_max = 4 * 1024;  // per message
  std::size_t trailer_bytes_max = 16 * 1024;
  std::uint64_t body_bytes_max = 0;  // 0: no limit
  Leniencies lenient;
};

enum class ReadEvent { kNeedMore, kHead, kBody, kComplete, kError };

// Why a message was refused. `status` is what a client should get for a request; a response refused
// this way is always a 502 to the client.
struct ReadError {
  int status = 400;
  std::string_view
      code;  // stable, for metrics: "conflicting_length", "bare_cr", "head_too_large" …
  std::string message;       // for people; never holds bytes of the peer
  std::string_view at = {};  // where it is, in the bytes under judgement; the reader clears it
  // Of the offending byte or line, in the head (chunks: in the body); and what stands there,
  // masked.
  std::uint64_t position = 0;
  std::string sample = {};
};

class RequestReader {
 public:
  explicit RequestReader(const ReadLimits& limits);
  ~RequestReader();
  RequestReader(RequestReader&&) noexcept;

  ReadEvent next(std::string_view& input);
  // Valid from kHead until reset(). Views point into the reader.
  const RequestHead& head() const;
  std::string_view body() const;
  const HeaderList& trailers() const;
  const ReadError& error() const;
  // True between the first byte of a message and its kComplete (for timeouts and clean closes).
  bool is_mid_message() const;
  bool has_head() const;
  // Ready for the next message on the connection. Frees the head.
  void reset();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class ResponseReader {
 public:
  explicit ResponseReader(const ReadLimits& limits);
  ~ResponseReader();
  ResponseReader(ResponseReader&&) noexcept;

  // Before the first byte of each answer: HEAD answers and 1xx/204/304 have no body (RFC 9112 6.3).
  // `may_upgrade`: the request asked for another protocol. Only then a 101 comes as any 1xx; what
  // follows its kHead is not HTTP.
  void expect_answer_to(std::string_view method, bool may_upgrade = false);
  // A 1xx answer comes as kHead followed by kComplete; reset() then reads the final one
  // (expect_answer_to is kept over a 1xx).
  ReadEvent next(std::string_view& input);
  // The peer closed: kComplete for a kUntilClose body, kError otherwise.
  ReadEvent finish_at_close();
  const ResponseHead& head() const;
  std::string_view body() const;
  // Behind kBody: the next event is kComplete, whatever follows in the input.
  bool is_last_piece() const;
  const HeaderList& trailers() const;
  const ReadError& error() const;
  bool is_mid_message() const;
  bool has_head() const;
  // Ready for the next answer. Keeps the room of a small head.
  void reset();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace banyan::http
