// SPDX-License-Identifier: Apache-2.0
#include "core/net/tls_openssl.h"

namespace banyan::net {
namespace {

// Mozilla's intermediate profile without its finite-field groups: AEAD and forward secrecy only.
constexpr const char* kCiphers12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kCiphers13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* kGroups = "X25519:P-256:P-384";
// RSA of 2048 bits, SHA-2 signatures and better (112 bits).
constexpr int kSecurityLevel = 2;

}  // namespace

std::string take_openssl_error() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  const char* reason = ERR_reason_error_string(code);
  if (reason != nullptr) return reason;
  char text[160];
  ERR_error_string_n(code, text, sizeof text);
  return text;
}

Error library_error(std::string_view what) {
  return make_error(ErrorCode::kInternal, ErrorOrigin::kConfig,
                    std::string(what) + ": " + take_openssl_error());
}

std::string subject_text(X509* certificate) {
  const BioPointer bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr) return {};
  // RFC 2253 with its escapes of control bytes and of everything beyond ASCII.
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
}

Status apply_baseline(SSL_CTX* context, TlsVersion version_min) {
  const int min = version_min == TlsVersion::k13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  SSL_CTX_set_security_level(context, kSecurityLevel);
  const bool is_good = SSL_CTX_set_min_proto_version(context, min) == 1 &&
                       SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
                       SSL_CTX_set_cipher_list(context, kCiphers12) == 1 &&
                       SSL_CTX_set_ciphersuites(context, kCiphers13) == 1 &&
                       SSL_CTX_set1_groups_list(context, kGroups) == 1;
  if (!is_good) {
    return make_error(ErrorCode::kInternal, ErrorOrigin::kInternal,
                      "OpenSSL refuses the TLS baseline: " + take_openssl_error());
  }
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // A write that the socket does not take may be repeated from elsewhere in memory; the buffers of
  // an idle connection go back.
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
  // One recv brings the head of a record and its body.
  SSL_CTX_set_read_ahead(context, 1);
  return {};
}

}  // namespace banyan::net
