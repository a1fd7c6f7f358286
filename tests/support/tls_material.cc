// SPDX-License-Identifier: Apache-2.0
#include "tests/support/tls_material.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "core/base/check.h"

namespace banyan::support {
namespace {

// RSA keys take long to make, and tests do not care which one they get.
EVP_PKEY* shared_rsa(unsigned bits) {
  static EVP_PKEY* const kStrong = EVP_RSA_gen(2048);
  static EVP_PKEY* const kWeak = EVP_RSA_gen(1024);
  EVP_PKEY* const key = bits == 2048 ? kStrong : kWeak;
  CHECK(EVP_PKEY_up_ref(key) == 1);
  return key;
}

EVP_PKEY* make_key(KeyKind kind) {
  switch (kind) {
    case KeyKind::kEcdsa: return EVP_EC_gen("P-256");
    case KeyKind::kRsa: return shared_rsa(2048);
    case KeyKind::kWeakRsa: return shared_rsa(1024);
  }
  return nullptr;
}

void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  CHECK(extension != nullptr);
  CHECK(X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

std::string alternative_names(const CertificateSpec& spec) {
  std::string names;
  for (const std::string& name : spec.dns) names += (names.empty() ? "DNS:" : ",DNS:") + name;
  for (const std::string& name : spec.addresses) names += (names.empty() ? "IP:" : ",IP:") + name;
  return names;
}

std::string text_of(BIO* bio) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);
  std::string text(bytes, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

}  // namespace

struct MadeCertificate::Impl {
  X509* certificate = nullptr;
  EVP_PKEY* key = nullptr;
};

MadeCertificate::MadeCertificate(const CertificateSpec& spec, const MadeCertificate* issuer)
    : impl_(std::make_unique<Impl>()) {
  static std::atomic<long> serial{1000};
  impl_->key = make_key(spec.key);
  X509* const made = impl_->certificate = X509_new();
  CHECK(impl_->key != nullptr && made != nullptr);
  X509* const issuer_certificate = issuer == nullptr ? made : issuer->impl_->certificate;
  EVP_PKEY* const issuer_key = issuer == nullptr ? impl_->key : issuer->impl_->key;
  X509_set_version(made, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made), serial.fetch_add(1));
  X509_gmtime_adj(X509_getm_notBefore(made), static_cast<long>(spec.begins_in_s));
  X509_gmtime_adj(X509_getm_notAfter(made), static_cast<long>(spec.ends_in_s));
  X509_set_pubkey(made, impl_->key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(spec.name.data()),
                             static_cast<int>(spec.name.size()), -1, 0);
  X509_set_issuer_name(made, X509_get_subject_name(issuer_certificate));
  add_extension(made, issuer_certificate, NID_basic_constraints,
                spec.is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  const std::string names = alternative_names(spec);
  if (!names.empty()) add_extension(made, issuer_certificate, NID_subject_alt_name, names);
  CHECK(X509_sign(made, issuer_key, EVP_sha256()) > 0);
}

MadeCertificate::~MadeCertificate() {
  X509_free(impl_->certificate);
  EVP_PKEY_free(impl_->key);
}

std::string MadeCertificate::certificate_pem() const {
  BIO* const bio = BIO_new(BIO_s_mem());
  CHECK(PEM_write_bio_X509(bio, impl_->certificate) == 1);
  return text_of(bio);
}

std::string MadeCertificate::key_pem(std::string_view password) const {
  BIO* const bio = BIO_new(BIO_s_mem());
  const bool is_secret = !password.empty();
  CHECK(PEM_write_bio_PrivateKey(
            bio, impl_->key, is_secret ? EVP_aes_128_cbc() : nullptr,
            is_secret ? reinterpret_cast<const unsigned char*>(password.data()) : nullptr,
            static_cast<int>(password.size()), nullptr, nullptr) == 1);
  return text_of(bio);
}

TlsFolder::TlsFolder() {
  std::string made = (std::filesystem::temp_directory_path() / "banyan-tls-XXXXXX").string();
  CHECK(mkdtemp(made.data()) != nullptr);
  root_ = made;
}

TlsFolder::~TlsFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

std::string TlsFolder::write(std::string_view name, std::string_view content, unsigned mode) {
  const std::string file = path(name);
  std::filesystem::remove(file);
  std::ofstream(file) << content;
  CHECK(::chmod(file.c_str(), mode) == 0);
  return file;
}

net::TlsIdentityFiles TlsFolder::write(std::string_view name, const MadeCertificate& certificate,
                                       std::string_view behind) {
  net::TlsIdentityFiles files;
  files.certificate =
      write(std::string(name) + ".pem", certificate.certificate_pem() + std::string(behind), 0644);
  files.private_key = write(std::string(name) + ".key", certificate.key_pem());
  return files;
}

}  // namespace banyan::support
