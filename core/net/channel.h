// SPDX-License-Identifier: Apache-2.0
//
// One stream of bytes over a non-blocking socket, plain or TLS. Owns the descriptor; no events in
// here: its owner watches fd() and calls.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string_view>

#include "core/net/socket.h"
#include "core/net/tls_session.h"

namespace banyan::net {

// Loop-confined. On a plain socket each call is one system call and a null check.
class Channel {
 public:
  Channel() = default;  // closed
  explicit Channel(UniqueFd fd) : fd_(std::move(fd)) {}
  Channel(UniqueFd fd, std::unique_ptr<TlsSession> tls);
  ~Channel() { close(); }
  Channel(Channel&& other) noexcept = default;
  Channel& operator=(Channel&& other) noexcept;

  int fd() const { return fd_.get(); }
  bool is_open() const { return fd_.is_open(); }
  bool is_secure() const { return tls_ != nullptr; }
  // Null where plain. Facts and the reason of a failure.
  const TlsSession* tls() const { return tls_.get(); }

  // What follows on this socket is TLS (after a PROXY header, say). Nothing may have been received
  // beyond what came before it.
  void start_tls(std::unique_ptr<TlsSession> tls);
  // Call until kDone or kFailed, whenever the socket is ready for what it wants. Plain: kDone.
  HandshakeOutcome handshake();

  // Fills the buffer as far as what has come reaches (a plain one: one recv). An end without
  // close_notify is kFailed with is_truncated and ECONNRESET, never kClosed.
  Received receive(char* buffer, std::size_t size) {
    if (tls_ == nullptr) return net::receive(fd_.get(), buffer, size);
    return tls_->receive(buffer, size);
  }
  // More has come than the last receive() had room for, and no read event will tell of it: the
  // owner receives again at the end of its turn (if it still wants to read), so that others get
  // theirs in between.
  bool has_buffered_input() const { return tls_ != nullptr && tls_->has_buffered_input(); }
  // receive() found that TLS has to send first: want write readiness too, and receive again then.
  bool read_needs_write() const { return tls_ != nullptr && tls_->read_needs_write(); }

  // Sends from the front, and says how much was taken. What was not taken is to be offered again,
  // the same bytes first and no fewer: the first committed_bytes() of it may be encrypted already,
  // so it is too late to replace them. Small pieces leave in one record (and one system call).
  Sent send(const iovec* pieces, std::size_t count);
  Sent send(std::string_view bytes) {
    const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    return send(&piece, 1);
  }
  // Always 0 where plain.
  std::size_t committed_bytes() const { return tls_ == nullptr ? 0 : tls_->committed_bytes(); }

  // Nothing more will be sent: close_notify, then the end of our side of the socket.
  void shut_down_sending();
  // close() will send RST and no close_notify: how a cut message is told from an ended one.
  void set_reset_on_close();
  void close();

  // "" where plain, or where none was agreed on.
  std::string_view alpn() const { return tls_ == nullptr ? std::string_view() : tls_->alpn(); }
  std::string_view sni() const { return tls_ == nullptr ? std::string_view() : tls_->sni(); }

 private:
  UniqueFd fd_;
  std::unique_ptr<TlsSession> tls_;
  bool resets_on_close_ = false;
};

}  // namespace banyan::net
