// SPDX-License-Identifier: Apache-2.0
//
// The client's side of one exchange: a whole connection of HTTP/1, or one stream of HTTP/2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/http/message.h"
#include "proxy/answer_head.h"
#include "proxy/connection.h"

namespace banyan::proxy {

// An answer is either send_head(), send_body()…, send_end(), or one send_error(). Its last piece
// (at most kTailBytes, the end of the message with it) is held until release_tail(), so that the
// closing record can be written first. What is given here leaves at the end of the turn, sooner
// where much waits; how far it came is told by Exchange::on_output_progress(). Loop-confined.
class ClientStream {
 public:
  // How an exchange ended for its client.
  enum class After {
    kNext,    // whole; the client may go on
    kLinger,  // whole, but the client may still be sending: it must get to see the answer
    kCut,     // not whole, and the client must see that it is not
  };
  static constexpr std::size_t kTailBytes = 64 * 1024;

  const Connection& connection() const { return connection_; }
  // Writing failed; the exchange hears of it by on_client_gone() at the end of the turn.
  bool is_broken() const { return is_broken_; }

  // Answers a request that is not admitted: the exchange does not open.
  virtual void refuse(int status, std::string_view code, std::string_view message) = 0;
  // While paused no body is given to the exchange, and the client is held back in time.
  virtual void pause_input() = 0;
  virtual void unpause_input() = 0;

  // 1xx, with what of `fields` is end-to-end.
  virtual void send_informational(int status, std::string_view reason,
                                  const http::HeaderList& fields) = 0;
  // What `head` views must stay until the exchange ended, or took its head back.
  virtual void send_head(const ClientHead& head) = 0;
  virtual void send_body(std::string_view piece) = 0;
  // As send_body(), of the last piece of all; it stays valid until keep_lent(), release_tail() or
  // the end of the exchange, whichever comes first.
  virtual void lend_body(std::string_view piece) { send_body(piece); }
  // What was lent and has not left is copied.
  virtual void keep_lent() {}
  // `trailers` must stay until the exchange ended.
  virtual void send_end(const http::HeaderList& trailers) = 0;
  virtual void send_error(const ErrorAnswer& answer) = 0;
  // Whether this client can change to another protocol at all.
  virtual bool can_upgrade() const { return false; }
  // In place of send_head(): the 101. From here on send_body() sends bytes as they are, what the
  // client sends comes by Exchange::on_tunnel_input(), and the connection ends with the exchange.
  virtual void send_upgrade(std::string_view protocol, const http::HeaderList& fields) {
    (void)protocol, (void)fields;
  }

  // A part of the answer (1xx do not count) is on its way and cannot be taken back.
  virtual bool has_head_left() const = 0;
  // Unsays the answer; nothing of it may have left.
  virtual void take_back_head() = 0;
  // The held piece leaves too.
  virtual void release_tail() = 0;
  // What may leave does so soon, at the latest at the end of the turn.
  virtual void flush() = 0;
  // Bytes of the answer that have not left, held ones too.
  virtual std::size_t waiting_bytes() const = 0;
  bool has_waiting_beyond_tail() const { return waiting_bytes() > kTailBytes; }

  virtual void exchange_ended(After after) = 0;
  // The client is gone, the exchange goes on without it and tells its end by exchange_ended().
  virtual void detach() = 0;

 protected:
  explicit ClientStream(const Connection& connection) : connection_(connection) {}
  ~ClientStream() = default;
  ClientStream(const ClientStream&) = delete;
  ClientStream& operator=(const ClientStream&) = delete;

  bool is_broken_ = false;

 private:
  const Connection& connection_;
};

}  // namespace banyan::proxy
