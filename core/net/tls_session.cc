// SPDX-License-Identifier: Apache-2.0
#include "core/net/tls_session.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/base/check.h"
#include "core/net/tls_openssl.h"

namespace banyan::net {
namespace {

// The plain text of one record. Never more is given to SSL_write, so that what it could not send
// is exactly what it was given.
constexpr std::size_t kRecordBytes = SSL3_RT_MAX_PLAIN_LENGTH;
// A record this large is taken as the sign of a stream: another one is likely to be there.
constexpr std::size_t kStreamingRecordBytes = 8 * 1024;

// ---- the wire: send and recv without SIGPIPE, which the library's own socket BIO would raise

}  // namespace

struct TlsSession::Wire {
  int fd = -1;
  int failed_errno = 0;  // of the last call that failed for good
  bool saw_end = false;  // recv returned 0

  static int write(BIO* bio, const char* bytes, int size);
  static int read(BIO* bio, char* bytes, int size);
  static long control(BIO* bio, int command, long number, void* pointer);
  static BIO_METHOD* method();
};

int TlsSession::Wire::write(BIO* bio, const char* bytes, int size) {
  auto& wire = *static_cast<Wire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t sent = ::send(wire.fd, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<int>(sent);
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
    BIO_set_retry_write(bio);
  } else {
    wire.failed_errno = errno;
  }
  return -1;
}

int TlsSession::Wire::read(BIO* bio, char* bytes, int size) {
  auto& wire = *static_cast<Wire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t got = ::recv(wire.fd, bytes, static_cast<std::size_t>(size), 0);
  if (got > 0) return static_cast<int>(got);
  if (got == 0) {
    wire.saw_end = true;
    return 0;
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
    BIO_set_retry_read(bio);
  } else {
    wire.failed_errno = errno;
  }
  return -1;
}

long TlsSession::Wire::control(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return static_cast<Wire*>(BIO_get_data(bio))->saw_end ? 1 : 0;
    default: return 0;
  }
}

BIO_METHOD* TlsSession::Wire::method() {
  static BIO_METHOD* const kMethod = [] {
    BIO_METHOD* made =
        BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR, "banyan");
    CHECK(made != nullptr);
    BIO_meth_set_write(made, &Wire::write);
    BIO_meth_set_read(made, &Wire::read);
    BIO_meth_set_ctrl(made, &Wire::control);
    return made;
  }();
  return kMethod;
}

std::string_view to_string(TlsFailure failure) {
  switch (failure) {
    case TlsFailure::kNone: return "none";
    case TlsFailure::kClosed: return "closed";
    case TlsFailure::kPlainHttp: return "plain_http";
    case TlsFailure::kVersion: return "version";
    case TlsFailure::kCipher: return "cipher";
    case TlsFailure::kAlpn: return "alpn";
    case TlsFailure::kNoClientCertificate: return "no_client_certificate";
    case TlsFailure::kClientCertificate: return "client_certificate";
    case TlsFailure::kServerCertificate: return "server_certificate";
    case TlsFailure::kAlert: return "alert";
    case TlsFailure::kProtocol: return "protocol";
  }
  return "protocol";
}

TlsSession::TlsSession(ssl_st* ssl, std::shared_ptr<const void> context, bool is_server)
    : ssl_(ssl),
      wire_(std::make_unique<Wire>()),
      context_(std::move(context)),
      is_server_(is_server) {}

TlsSession::~TlsSession() {
  // Without this the library forgets a session whose connection had no farewell, however good it
  // is. After a breach of the protocol it shall.
  if (end_.failed_errno != EPROTO)
    SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl_);
}

void TlsSession::attach(int fd) {
  wire_->fd = fd;
  BIO* const bio = BIO_new(Wire::method());
  CHECK(bio != nullptr);
  BIO_set_data(bio, wire_.get());
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
}

// ---- handshake

namespace {

TlsFailure failure_of_reason(int reason, bool is_server) {
  switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST: return TlsFailure::kPlainHttp;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_VERSION_TOO_HIGH:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: return TlsFailure::kVersion;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS: return TlsFailure::kCipher;
    case SSL_R_NO_APPLICATION_PROTOCOL: return TlsFailure::kAlpn;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return TlsFailure::kNoClientCertificate;
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_CA_KEY_TOO_SMALL:
    case SSL_R_CA_MD_TOO_WEAK:
    case SSL_R_EE_KEY_TOO_SMALL:
      return is_server ? TlsFailure::kClientCertificate : TlsFailure::kServerCertificate;
    case SSL_R_UNEXPECTED_EOF_WHILE_READING: return TlsFailure::kClosed;
    default: break;
  }
  // Alerts of the peer have reasons from this number on.
  return reason > SSL_AD_REASON_OFFSET ? TlsFailure::kAlert : TlsFailure::kProtocol;
}

std::string message_of(TlsFailure failure, ssl_st* ssl, const std::string& library_text) {
  switch (failure) {
    case TlsFailure::kClosed: return "the peer closed the connection during the TLS handshake";
    case TlsFailure::kPlainHttp: return "the peer speaks plain HTTP where TLS is expected";
    case TlsFailure::kServerCertificate:
    case TlsFailure::kClientCertificate: {
      const long verdict = SSL_get_verify_result(ssl);
      std::string text = failure == TlsFailure::kServerCertificate
                             ? "the server's certificate does not verify: "
                             : "the client's certificate does not verify: ";
      return text + (verdict == X509_V_OK ? library_text : X509_verify_cert_error_string(verdict));
    }
    case TlsFailure::kAlert: return "the peer refused the TLS handshake: " + library_text;
    default: return "the TLS handshake failed: " + library_text;
  }
}

}  // namespace

HandshakeOutcome TlsSession::handshake() {
  if (is_established_) return HandshakeOutcome::kDone;
  if (is_failed_) return HandshakeOutcome::kFailed;
  ERR_clear_error();
  wire_->failed_errno = 0;
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) {
    is_established_ = true;
    stopped_at_full_buffer_ = true;  // What came behind the handshake, no event announces.
    return HandshakeOutcome::kDone;
  }
  const int error = SSL_get_error(ssl_, result);
  if (error == SSL_ERROR_WANT_READ) return HandshakeOutcome::kWantRead;
  if (error == SSL_ERROR_WANT_WRITE) return HandshakeOutcome::kWantWrite;
  return fail_handshake(error, wire_->failed_errno);
}

HandshakeOutcome TlsSession::fail_handshake(int ssl_error, int saved_errno) {
  is_failed_ = true;
  const unsigned long code = ERR_peek_error();
  if (ssl_error == SSL_ERROR_SSL && code != 0 && saved_errno == 0) {
    failure_ = failure_of_reason(ERR_GET_REASON(code), is_server_);
    const char* reason = ERR_reason_error_string(code);
    failure_message_ = message_of(failure_, ssl_, reason == nullptr ? "protocol error" : reason);
  } else {
    failure_ = TlsFailure::kClosed;
    failure_message_ = message_of(failure_, ssl_, "");
    if (saved_errno != 0) failure_message_ += std::string(": ") + std::strerror(saved_errno);
  }
  ERR_clear_error();
  return HandshakeOutcome::kFailed;
}

// ---- reading

bool TlsSession::has_buffered_input() const {
  if (has_end_to_tell_) return true;
  return stopped_at_full_buffer_ && SSL_has_pending(ssl_) != 0;
}

Received TlsSession::receive(char* buffer, std::size_t size) {
  Received result;
  read_needs_write_ = stopped_at_full_buffer_ = false;
  if (end_.outcome != ReceiveOutcome::kWouldBlock) {
    has_end_to_tell_ = false;
    return end_;
  }
  ERR_clear_error();
  std::size_t filled = 0;
  while (filled < size) {
    std::size_t got = 0;
    if (SSL_read_ex(ssl_, buffer + filled, size - filled, &got) != 1) {
      const int error = SSL_get_error(ssl_, 0);
      if (error == SSL_ERROR_WANT_READ) break;
      if (error == SSL_ERROR_WANT_WRITE) {
        read_needs_write_ = true;
        break;
      }
      note_end(error);
      if (filled == 0) return end_;
      has_end_to_tell_ = true;  // What came before it goes first.
      break;
    }
    filled += got;
    // A small record with nothing behind it: asking the kernel again would mostly be for nothing,
    // and the read event tells if not.
    if (got < kStreamingRecordBytes && SSL_has_pending(ssl_) == 0) break;
  }
  stopped_at_full_buffer_ = filled == size;
  if (filled > 0) {
    result.outcome = ReceiveOutcome::kBytes;
    result.bytes = std::string_view(buffer, filled);
  }
  return result;
}

// The stream has ended, in whichever way; it stays so.
void TlsSession::note_end(int ssl_error) {
  if (ssl_error == SSL_ERROR_ZERO_RETURN) {
    end_.outcome = ReceiveOutcome::kClosed;
    ERR_clear_error();
    return;
  }
  end_.outcome = ReceiveOutcome::kFailed;
  is_failed_ = true;
  if (wire_->failed_errno != 0) {
    end_.failed_errno = wire_->failed_errno;
  } else if (wire_->saw_end) {
    // No close_notify: anybody on the way may have ended it.
    end_.is_truncated = true;
    end_.failed_errno = ECONNRESET;
  } else {
    end_.failed_errno = EPROTO;
  }
  ERR_clear_error();
}

// ---- writing

Sent TlsSession::send(const iovec* pieces, std::size_t count) {
  Sent sent;
  if (is_failed_ || !is_established_ || is_close_notified_) {
    sent.failed_errno = EPIPE;
    return sent;
  }
  std::size_t left = 0;
  for (std::size_t i = 0; i < count; ++i) left += pieces[i].iov_len;
  std::size_t piece = 0;
  std::size_t offset = 0;  // in it
  while (left > 0) {
    const std::size_t size = committed_bytes_ > 0 ? committed_bytes_ : std::min(left, kRecordBytes);
    if (size > left) {  // The owner broke its promise; whatever we sent now would be garbage.
      is_failed_ = true;
      sent.failed_errno = EPROTO;
      return sent;
    }
    while (offset == pieces[piece].iov_len) {
      ++piece;
      offset = 0;
    }
    const char* bytes = static_cast<const char*>(pieces[piece].iov_base) + offset;
    if (pieces[piece].iov_len - offset < size) {
      bytes = gather(pieces + piece, offset, size);
    }
    if (!write_record(bytes, size, sent)) return sent;
    left -= size;
    for (std::size_t rest = size; rest > 0;) {
      const std::size_t step = std::min(rest, pieces[piece].iov_len - offset);
      offset += step;
      rest -= step;
      if (rest > 0) {
        ++piece;
        offset = 0;
      }
    }
  }
  return sent;
}

// `size` bytes from pieces that lie apart, so that they leave in one record.
const char* TlsSession::gather(const iovec* pieces, std::size_t offset, std::size_t size) {
  static thread_local char record[kRecordBytes];
  std::size_t filled = 0;
  for (; filled < size; ++pieces, offset = 0) {
    const std::size_t step = std::min(size - filled, pieces->iov_len - offset);
    if (step == 0) continue;  // It may have no address.
    std::memcpy(record + filled, static_cast<const char*>(pieces->iov_base) + offset, step);
    filled += step;
  }
  return record;
}

// False where the socket is full or broken; `sent` says which.
bool TlsSession::write_record(const char* bytes, std::size_t size, Sent& sent) {
  ERR_clear_error();
  std::size_t written = 0;
  if (SSL_write_ex(ssl_, bytes, size, &written) == 1) {
    CHECK(written == size);
    committed_bytes_ = 0;
    sent.bytes += size;
    return true;
  }
  const int error = SSL_get_error(ssl_, 0);
  if (error == SSL_ERROR_WANT_WRITE) {
    committed_bytes_ = size;
    return false;
  }
  is_failed_ = true;
  sent.failed_errno = wire_->failed_errno != 0 ? wire_->failed_errno : EPROTO;
  ERR_clear_error();
  return false;
}

void TlsSession::close_notify() {
  // With a record half sent, silence is right: the peer shall see that something is missing.
  if (is_failed_ || !is_established_ || is_close_notified_ || committed_bytes_ > 0) return;
  is_close_notified_ = true;
  ERR_clear_error();
  (void)SSL_shutdown(ssl_);
  ERR_clear_error();
}

// ---- facts

TlsVersion TlsSession::version() const {
  if (!is_established_) return TlsVersion::kNone;
  return SSL_version(ssl_) == TLS1_3_VERSION ? TlsVersion::k13 : TlsVersion::k12;
}

bool TlsSession::is_resumed() const { return SSL_session_reused(ssl_) == 1; }

std::string_view TlsSession::cipher() const {
  const char* name = SSL_get_cipher_name(ssl_);
  return name == nullptr ? std::string_view() : std::string_view(name);
}

std::string_view TlsSession::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return std::string_view(reinterpret_cast<const char*>(name), size);
}

std::string_view TlsSession::sni() const {
  const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? std::string_view() : std::string_view(name);
}

bool TlsSession::asks_for_certificates() const {
  return (SSL_get_verify_mode(ssl_) & SSL_VERIFY_PEER) != 0;
}

std::string TlsSession::peer_subject() const {
  X509* const certificate = SSL_get0_peer_certificate(ssl_);
  if (!is_established_ || certificate == nullptr || SSL_get_verify_result(ssl_) != X509_V_OK) {
    return {};
  }
  return subject_text(certificate);
}

}  // namespace banyan::net
