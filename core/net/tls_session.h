// SPDX-License-Identifier: Apache-2.0
//
// TLS over one socket: what Channel drives. Made by TlsServerContext and TlsClientContext.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "core/net/socket.h"
#include "core/net/tls_options.h"

struct ssl_st;

namespace banyan::net {

enum class HandshakeOutcome { kDone, kWantRead, kWantWrite, kFailed };

// Why a handshake failed, as a small set for counters.
enum class TlsFailure {
  kNone,
  kClosed,               // the peer left in the middle
  kPlainHttp,            // the peer speaks HTTP without TLS
  kVersion,              // no common version
  kCipher,               // no common cipher or group
  kAlpn,                 // no common protocol
  kNoClientCertificate,  // required, and absent
  kClientCertificate,    // the client's does not verify
  kServerCertificate,    // the server's does not verify (we are the client)
  kAlert,                // the peer refused us: unknown CA, bad certificate …
  kProtocol,             // what the peer sent is no TLS
};
inline constexpr int kTlsFailureKinds = 11;
std::string_view to_string(TlsFailure failure);  // "closed", "plain_http" …

// Loop-confined.
class TlsSession {
 public:
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // For Channel, which holds the rules of these.
  void attach(int fd);
  HandshakeOutcome handshake();
  Received receive(char* buffer, std::size_t size);
  bool has_buffered_input() const;
  Sent send(const iovec* pieces, std::size_t count);
  std::size_t committed_bytes() const { return committed_bytes_; }
  bool read_needs_write() const { return read_needs_write_; }
  // Says that nothing follows; best effort, once.
  void close_notify();

  // Facts, from the end of the handshake on.
  bool is_server() const { return is_server_; }
  TlsVersion version() const;
  bool is_resumed() const;
  std::string_view cipher() const;
  std::string_view alpn() const;  // "" where none was agreed
  std::string_view sni() const;   // as the client sent it; "" where it sent none
  // Whether this side wants the other one to show a certificate.
  bool asks_for_certificates() const;
  // The verified certificate of the other side: its subject in the form of RFC 2253, ASCII without
  // control bytes; "" where there is none.
  std::string peer_subject() const;
  TlsFailure failure() const { return failure_; }
  // One sentence for a person, without a name of a file.
  const std::string& failure_message() const { return failure_message_; }

 private:
  friend class TlsServerContext;
  friend class TlsClientContext;
  struct Wire;
  TlsSession(ssl_st* ssl, std::shared_ptr<const void> context, bool is_server);
  HandshakeOutcome fail_handshake(int ssl_error, int saved_errno);
  void note_end(int ssl_error);
  static const char* gather(const iovec* pieces, std::size_t offset, std::size_t size);
  bool write_record(const char* bytes, std::size_t size, Sent& sent);

  ssl_st* ssl_;
  std::unique_ptr<Wire> wire_;
  const std::shared_ptr<const void> context_;  // its callbacks run as long as we do
  const bool is_server_;
  bool is_established_ = false;
  bool is_failed_ = false;  // no more calls into the library
  bool is_close_notified_ = false;
  bool read_needs_write_ = false;
  bool stopped_at_full_buffer_ = false;
  bool has_end_to_tell_ = false;
  Received end_;  // kWouldBlock until the stream has ended
  std::size_t committed_bytes_ = 0;
  TlsFailure failure_ = TlsFailure::kNone;
  std::string failure_message_;
};

}  // namespace banyan::net
