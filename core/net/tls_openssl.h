// SPDX-License-Identifier: Apache-2.0
//
// What the TLS sources of this room share of OpenSSL. Internal: only .cc files include it.
#pragma once

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/net/tls_options.h"

namespace banyan::net {

template <auto kFree>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using BioPointer = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using CertificatePointer = std::unique_ptr<X509, Freer<X509_free>>;
using KeyPointer = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using ContextPointer = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;
using SessionPointer = std::unique_ptr<SSL_SESSION, Freer<SSL_SESSION_free>>;

// The newest entry of this thread's error queue in words, which is empty afterwards.
std::string take_openssl_error();
// kInternal of the config: what failed, and why OpenSSL says it did.
Error library_error(std::string_view what);

// A name in the form of RFC 2253: ASCII, no control bytes, specials escaped.
std::string subject_text(X509* certificate);

// What servers and clients have in common: versions, ciphers, groups, modes.
Status apply_baseline(SSL_CTX* context, TlsVersion version_min);

}  // namespace banyan::net
