// SPDX-License-Identifier: Apache-2.0
//
// Certificates made when a test runs; none is ever committed. Files lie in a folder of their own,
// which goes with the object.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/net/tls_options.h"

namespace banyan::support {

enum class KeyKind { kEcdsa, kRsa, kWeakRsa };

struct CertificateSpec {
  std::string name = "localhost";  // the common name
  std::vector<std::string> dns;
  std::vector<std::string> addresses;
  KeyKind key = KeyKind::kEcdsa;
  bool is_authority = false;
  std::int64_t begins_in_s = -3600;
  std::int64_t ends_in_s = 90 * 86'400;
};

class MadeCertificate {
 public:
  // Signed by `issuer`, or by itself where that is null.
  explicit MadeCertificate(const CertificateSpec& spec, const MadeCertificate* issuer = nullptr);
  ~MadeCertificate();
  std::string certificate_pem() const;
  std::string key_pem(std::string_view password = {}) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class TlsFolder {
 public:
  TlsFolder();
  ~TlsFolder();
  TlsFolder(const TlsFolder&) = delete;
  TlsFolder& operator=(const TlsFolder&) = delete;

  std::string path(std::string_view name) const { return root_ + "/" + std::string(name); }
  std::string write(std::string_view name, std::string_view content, unsigned mode = 0600);
  // NAME.pem and NAME.key. `behind` follows the certificate in its file.
  net::TlsIdentityFiles write(std::string_view name, const MadeCertificate& certificate,
                              std::string_view behind = {});

 private:
  std::string root_;
};

}  // namespace banyan::support
