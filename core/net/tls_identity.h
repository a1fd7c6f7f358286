// SPDX-License-Identifier: Apache-2.0
//
// Certificates and keys from PEM files, with what is wrong with them in words. Internal to
// core/net.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/net/tls_openssl.h"

namespace banyan::net {

// A certificate, those that signed it, and its key.
struct TlsIdentity {
  CertificatePointer certificate;
  std::vector<CertificatePointer> chain;
  KeyPointer key;
};

// Appends to `problems`; nullopt where one of them is an error about the files (not their dates).
std::optional<TlsIdentity> load_identity(const TlsIdentityFiles& files, std::size_t index,
                                         std::vector<TlsProblem>& problems);
// Certificates to trust.
std::optional<std::vector<CertificatePointer>> load_authorities(const std::string& path,
                                                                TlsProblem::Key key,
                                                                std::vector<TlsProblem>& problems);

// The first error among the problems as an Error: "message; hint".
std::optional<Error> first_error(const std::vector<TlsProblem>& problems);

// Names a certificate is valid for: DNS names in lower case and addresses; without a SAN none.
std::vector<std::string> names_of(X509* certificate);
std::int64_t seconds_of(const ASN1_TIME* time);  // since 1970; 0 where it is no time

}  // namespace banyan::net
