// SPDX-License-Identifier: Apache-2.0
//
// What a listener or a system asks of TLS: files and choices, no library types.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace banyan::net {

enum class TlsVersion { kNone, k12, k13 };

// PEM files: a certificate with its chain, and the private key of the first one.
struct TlsIdentityFiles {
  std::string certificate;
  std::string private_key;
};

enum class ClientAuth {
  kNone,
  kRequest,  // a client may come without a certificate; one that does not verify is refused
  kRequire,
};

struct TlsServerOptions {
  // The first one answers clients that name no host, or one that no certificate covers.
  std::vector<TlsIdentityFiles> certificates;
  std::string client_ca;  // who signs clients' certificates; PEM
  ClientAuth client_auth = ClientAuth::kNone;
  TlsVersion version_min = TlsVersion::k12;
  std::vector<std::string> alpn;  // in order of preference: "h2", "http/1.1"
};

struct TlsClientOptions {
  std::string ca;           // PEM; "" = the system's store
  std::string certificate;  // our own towards the system, with private_key; "" = none
  std::string private_key;
  std::string server_name;  // SNI, and the name to verify; "" = the host of the URL
  bool verifies = true;
  std::vector<std::string> alpn;
};

// What is wrong with one of the files, and which option named it.
struct TlsProblem {
  enum class Key { kCertificate, kPrivateKey, kClientCa, kCa };
  Key key = Key::kCertificate;
  std::size_t identity = 0;  // index in TlsServerOptions::certificates
  bool is_warning = false;
  // The file is sound, but its dates are not: clients will refuse it. A server may still start.
  bool is_about_dates = false;
  bool is_about_end = false;  // it has expired, or will within two weeks
  std::string message;
  std::string hint;
};

// Read the files and forget them: for `banyan check`. Blocking.
std::vector<TlsProblem> check_tls(const TlsServerOptions& options);
std::vector<TlsProblem> check_tls(const TlsClientOptions& options);

}  // namespace banyan::net
