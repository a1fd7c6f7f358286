// SPDX-License-Identifier: Apache-2.0
#include "core/net/tls_identity.h"

#include <arpa/inet.h>
#include <sys/stat.h>

#include <ctime>
#include <utility>

#include "core/base/file_system.h"
#include "core/base/text.h"

namespace banyan::net {
namespace {

constexpr std::uint64_t kPemFileBytesMax = 1024 * 1024;
constexpr std::size_t kChainMax = 16;
constexpr std::int64_t kEndsSoonSeconds = 14 * 86'400;

using Key = TlsProblem::Key;

// Collects problems about one file.
class Report {
 public:
  Report(std::vector<TlsProblem>& problems, Key key, std::size_t identity, const std::string& path)
      : problems_(problems), key_(key), identity_(identity), path_(path) {}

  TlsProblem& add(std::string message, std::string hint) {
    TlsProblem problem;
    problem.key = key_;
    problem.identity = identity_;
    problem.message = escape_for_terminal(path_, 400) + " " + std::move(message);
    problem.hint = std::move(hint);
    problems_.push_back(std::move(problem));
    return problems_.back();
  }
  TlsProblem& warn(std::string message, std::string hint) {
    TlsProblem& problem = add(std::move(message), std::move(hint));
    problem.is_warning = true;
    return problem;
  }
  TlsProblem& dates(std::string message, std::string hint) {
    TlsProblem& problem = add(std::move(message), std::move(hint));
    problem.is_about_dates = true;
    return problem;
  }
  const std::string& path() const { return path_; }

 private:
  std::vector<TlsProblem>& problems_;
  const Key key_;
  const std::size_t identity_;
  const std::string& path_;
};

// Wiped when it goes: it may hold a key.
class FileText {
 public:
  explicit FileText(std::string text) : text_(std::move(text)) {}
  ~FileText() { OPENSSL_cleanse(text_.data(), text_.size()); }
  FileText(const FileText&) = delete;
  FileText& operator=(const FileText&) = delete;
  bool has(std::string_view part) const { return text_.find(part) != std::string::npos; }
  BioPointer bio() const {
    return BioPointer(BIO_new_mem_buf(text_.data(), static_cast<int>(text_.size())));
  }

 private:
  std::string text_;
};

std::optional<std::string> read_pem(Report& report) {
  struct stat facts {};
  if (::stat(report.path().c_str(), &facts) == 0 && !S_ISREG(facts.st_mode)) {
    report.add("is no regular file", "a PEM file belongs here");
    return std::nullopt;
  }
  auto text = FileSystem::posix().read_file(report.path(), kPemFileBytesMax);
  if (text.ok()) return *std::move(text);
  switch (text.error().code) {
    case ErrorCode::kNotFound:
      report.add("does not exist", "relative paths start at the directory banyan runs in");
      break;
    case ErrorCode::kPermissionDenied:
      report.add("cannot be read: permission denied",
                 "let the user or group that runs banyan read it (chown, or chmod 0640)");
      break;
    case ErrorCode::kExhausted:
      report.add("is larger than 1 MiB",
                 "a PEM file with a certificate and its chain belongs here");
      break;
    default: report.add("cannot be read: " + text.error().message, "");
  }
  return std::nullopt;
}

std::string kind_of_other_file(const FileText& text) {
  if (text.has("PRIVATE KEY-----")) return "holds a private key, no certificate";
  if (text.has("-----BEGIN CERTIFICATE REQUEST")) {
    return "holds a certificate request, which nobody has signed yet";
  }
  if (text.has("-----BEGIN CERTIFICATE")) return "holds a damaged certificate";
  if (text.has("-----BEGIN ")) return "holds no certificate";
  return "is no PEM file";
}

std::optional<std::vector<CertificatePointer>> read_certificates(Report& report) {
  auto raw = read_pem(report);
  if (!raw) return std::nullopt;
  const FileText text(*std::move(raw));
  const BioPointer bio = text.bio();
  std::vector<CertificatePointer> found;
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    found.emplace_back(certificate);
  }
  const bool is_at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (found.empty()) {
    report.add(kind_of_other_file(text),
               "a PEM file that begins with -----BEGIN CERTIFICATE----- belongs here; "
               "`openssl x509 -inform der` converts others");
    return std::nullopt;
  }
  if (!is_at_end) {
    report.add("holds a damaged certificate behind the first " + std::to_string(found.size()),
               "write the file again from its source");
    return std::nullopt;
  }
  return found;
}

struct KeyPassword {
  bool was_asked = false;
};

int refuse_password(char*, int, int, void* state) {
  static_cast<KeyPassword*>(state)->was_asked = true;
  return -1;
}

KeyPointer read_key(Report& report) {
  auto raw = read_pem(report);
  if (!raw) return nullptr;
  const FileText text(*std::move(raw));
  const BioPointer bio = text.bio();
  KeyPassword password;
  KeyPointer key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &refuse_password, &password));
  const std::string reason = take_openssl_error();
  if (key != nullptr) return key;
  if (password.was_asked || text.has("ENCRYPTED")) {
    report.add(
        "holds an encrypted private key, and nobody can type its password here",
        "`openssl pkey -in OLD -out NEW` writes it in the clear; keep the file at mode 0600");
  } else if (text.has("PRIVATE KEY-----")) {
    report.add("holds a damaged private key: " + reason, "write the file again from its source");
  } else if (text.has("-----BEGIN CERTIFICATE")) {
    report.add("holds a certificate, no private key",
               "private_key names the file with -----BEGIN PRIVATE KEY-----");
  } else {
    report.add("holds no private key in PEM form",
               "a file with -----BEGIN PRIVATE KEY----- belongs here; "
               "`openssl pkey -inform der` converts others");
  }
  return nullptr;
}

// Kubernetes mounts secrets as 0644, so this is no error.
void warn_if_readable_by_all(Report& report) {
  struct stat facts {};
  if (::stat(report.path().c_str(), &facts) != 0 || (facts.st_mode & S_IROTH) == 0) return;
  report.warn("is a private key that every user of this machine can read", "chmod 0600, or 0640");
}

std::string day_of(const ASN1_TIME* time) {
  return format_time(seconds_of(time) * 1'000'000'000).substr(0, 10);
}

void check_dates(X509* certificate, Report& report) {
  const ASN1_TIME* begin = X509_get0_notBefore(certificate);
  const ASN1_TIME* end = X509_get0_notAfter(certificate);
  const std::int64_t now = static_cast<std::int64_t>(std::time(nullptr));
  if (X509_cmp_current_time(end) < 0) {
    report
        .dates("has expired on " + day_of(end) + "; clients refuse it",
               "renew it, replace the file, then `banyan reload`")
        .is_about_end = true;
  } else if (X509_cmp_current_time(begin) > 0) {
    report.dates("is not valid before " + day_of(begin) + "; clients refuse it until then",
                 "compare this machine's clock, or use the certificate that is valid now");
  } else if (seconds_of(end) - now < kEndsSoonSeconds) {
    report.warn("expires on " + day_of(end), "renew it, replace the file, then `banyan reload`")
        .is_about_end = true;
  }
}

bool is_authority_of_next(X509* certificate, X509* issuer) {
  return X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(issuer)) == 0;
}

void check_chain(const TlsIdentity& identity, Report& report) {
  X509* below = identity.certificate.get();
  for (const CertificatePointer& next : identity.chain) {
    if (!is_authority_of_next(below, next.get())) {
      report.warn("has a chain in the wrong order: \"" + subject_text(next.get()) +
                      "\" did not sign the certificate in front of it",
                  "first the server's certificate, then who signed it, and so on");
      return;
    }
    below = next.get();
  }
}

void check_key_strength(EVP_PKEY* key, Report& report) {
  if (EVP_PKEY_get_security_bits(key) >= 112) return;
  report.add("holds a key that is too weak (" + std::to_string(EVP_PKEY_get_bits(key)) + " bits)",
             "use ECDSA P-256, or RSA of 2048 bits and more");
}

bool has_errors(const std::vector<TlsProblem>& problems) {
  for (const TlsProblem& problem : problems) {
    if (!problem.is_warning && !problem.is_about_dates) return true;
  }
  return false;
}

}  // namespace

std::optional<TlsIdentity> load_identity(const TlsIdentityFiles& files, std::size_t index,
                                         std::vector<TlsProblem>& problems) {
  std::vector<TlsProblem> found;
  Report about_certificate(found, Key::kCertificate, index, files.certificate);
  Report about_key(found, Key::kPrivateKey, index, files.private_key);
  TlsIdentity identity;
  if (auto certificates = read_certificates(about_certificate)) {
    identity.certificate = std::move(certificates->front());
    certificates->erase(certificates->begin());
    identity.chain = std::move(*certificates);
    if (identity.chain.size() > kChainMax) {
      about_certificate.add("holds more than 16 certificates behind the first",
                            "leave out those that did not sign it");
    }
    check_dates(identity.certificate.get(), about_certificate);
    check_chain(identity, about_certificate);
  }
  identity.key = read_key(about_key);
  if (identity.key != nullptr) {
    warn_if_readable_by_all(about_key);
    check_key_strength(identity.key.get(), about_key);
    if (identity.certificate != nullptr &&
        X509_check_private_key(identity.certificate.get(), identity.key.get()) != 1) {
      about_key.add("is not the key of " + escape_for_terminal(files.certificate, 400),
                    "compare `openssl x509 -pubkey -noout` with `openssl pkey -pubout`");
    }
  }
  ERR_clear_error();
  const bool is_bad = has_errors(found);
  for (TlsProblem& problem : found) problems.push_back(std::move(problem));
  if (is_bad) return std::nullopt;
  return identity;
}

std::optional<std::vector<CertificatePointer>> load_authorities(const std::string& path, Key key,
                                                                std::vector<TlsProblem>& problems) {
  Report report(problems, key, 0, path);
  auto certificates = read_certificates(report);
  if (!certificates) return std::nullopt;
  for (const CertificatePointer& certificate : *certificates) {
    if (X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0) {
      report.warn("holds \"" + subject_text(certificate.get()) + "\", which expired on " +
                      day_of(X509_get0_notAfter(certificate.get())),
                  "what it signed does not verify any more");
    } else if (X509_check_ca(certificate.get()) == 0) {
      report.warn("holds \"" + subject_text(certificate.get()) + "\", which may sign nothing",
                  "the certificate of an authority belongs here");
    }
  }
  ERR_clear_error();
  return certificates;
}

std::optional<Error> first_error(const std::vector<TlsProblem>& problems) {
  for (const TlsProblem& problem : problems) {
    if (problem.is_warning || problem.is_about_dates) continue;
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
                      problem.message + (problem.hint.empty() ? "" : "; " + problem.hint));
  }
  return std::nullopt;
}

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names;
  auto* found = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  if (found == nullptr) return names;
  for (int i = 0; i < sk_GENERAL_NAME_num(found); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(found, i);
    if (name->type != GEN_DNS && name->type != GEN_IPADD) continue;
    const ASN1_STRING* value = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
    const std::string_view bytes(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                                 static_cast<std::size_t>(ASN1_STRING_length(value)));
    if (name->type == GEN_DNS) {
      if (bytes.find('\0') == std::string_view::npos) names.push_back(to_lower(bytes));
      continue;
    }
    char text[INET6_ADDRSTRLEN] = "";
    const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
    if (bytes.size() != 4 && bytes.size() != 16) continue;
    if (inet_ntop(family, bytes.data(), text, sizeof text) != nullptr) names.emplace_back(text);
  }
  GENERAL_NAMES_free(found);
  return names;
}

std::int64_t seconds_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return static_cast<std::int64_t>(timegm(&parts));
}

}  // namespace banyan::net
