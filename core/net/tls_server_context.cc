// SPDX-License-Identifier: Apache-2.0
#include "core/net/tls_server_context.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <map>
#include <utility>

#include "core/base/check.h"
#include "core/base/text.h"
#include "core/net/ticket_keys.h"
#include "core/net/tls_identity.h"

namespace banyan::net {
namespace {

// As long as the oldest key that opens tickets.
constexpr long kSessionSeconds = 2 * 3600;
constexpr std::size_t kIdentitiesMax = 256;

// Where the context of a library's SSL_CTX lies.
int server_context_index() {
  static const int kIndex = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return kIndex;
}

std::string wire_form(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const std::string& name : protocols) {
    CHECK(!name.empty() && name.size() < 256);
    wire.push_back(static_cast<char>(name.size()));
    wire.append(name);
  }
  return wire;
}

}  // namespace

struct TlsServerContext::Impl {
  std::vector<TlsIdentity> identities;
  std::vector<CertificateFacts> facts;
  std::string alpn;  // wire form
  std::shared_ptr<TicketKeys> tickets;
  ClientAuth client_auth = ClientAuth::kNone;
  // One library context per set of certificates: a name may have an RSA and an ECDSA one.
  std::vector<ContextPointer> contexts;                      // the first is the default
  std::map<std::string, SSL_CTX*, std::less<>> by_name;      // "api.example.com"
  std::map<std::string, SSL_CTX*, std::less<>> by_wildcard;  // ".example.com" of "*.example.com"

  SSL_CTX* find(std::string_view name) const;
  Status build(const TlsServerOptions& options, const TlsServerContext* owner,
               const std::vector<CertificatePointer>& authorities);
  Result<ContextPointer> make_context(const TlsServerOptions& options,
                                      const TlsServerContext* owner,
                                      const std::vector<std::size_t>& members,
                                      const std::vector<CertificatePointer>& authorities);
};

// An exact name goes before a wildcard, which stands for one label.
SSL_CTX* TlsServerContext::Impl::find(std::string_view name) const {
  std::string lower = to_lower(name);
  if (!lower.empty() && lower.back() == '.') lower.pop_back();
  if (const auto exact = by_name.find(lower); exact != by_name.end()) return exact->second;
  const std::size_t dot = lower.find('.');
  if (dot == std::string::npos || dot == 0) return nullptr;
  const auto wildcard = by_wildcard.find(std::string_view(lower).substr(dot));
  return wildcard == by_wildcard.end() ? nullptr : wildcard->second;
}

struct TlsServerCallbacks {
  static const TlsServerContext& of(SSL* ssl) {
    return *static_cast<const TlsServerContext*>(
        SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), server_context_index()));
  }

  static int on_server_name(SSL* ssl, int*, void*) {
    const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
    SSL_CTX* const context = of(ssl).impl_->find(name);
    if (context != nullptr && context != SSL_get_SSL_CTX(ssl)) SSL_set_SSL_CTX(ssl, context);
    return SSL_TLSEXT_ERR_OK;
  }

  static int on_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_size,
                     const unsigned char* offered, unsigned offered_size, void*) {
    const std::string& ours = of(ssl).impl_->alpn;
    unsigned char* chosen = nullptr;
    const int found = SSL_select_next_proto(
        &chosen, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
        static_cast<unsigned>(ours.size()), offered, offered_size);
    // Going on with a protocol that the client did not offer invites cross-protocol attacks.
    if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
  }

  static int on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                       EVP_MAC_CTX* mac, int is_sealing) {
    TicketKeys& keys = *of(ssl).impl_->tickets;
    TicketKeys::Key key;
    if (is_sealing != 0) {
      if (!keys.current(key)) return -1;
      std::copy(key.name.begin(), key.name.end(), name);
    } else if (!keys.find(name, key)) {
      return 0;  // Unknown or too old: a full handshake.
    }
    const bool is_good = set_keys(key, iv, cipher, mac, is_sealing != 0);
    OPENSSL_cleanse(&key, sizeof key);
    if (!is_good) return -1;
    // 2 asks for a fresh ticket: those of TLS 1.3 are for one use.
    return is_sealing == 0 && SSL_version(ssl) == TLS1_3_VERSION ? 2 : 1;
  }

  static bool set_keys(TicketKeys::Key& key, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                       EVP_MAC_CTX* mac, bool is_sealing) {
    static char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac.data(), key.mac.size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    const EVP_CIPHER* const kind = EVP_aes_256_cbc();
    if (EVP_MAC_CTX_set_params(mac, parameters) != 1) return false;
    if (is_sealing && RAND_bytes(iv, EVP_CIPHER_get_iv_length(kind)) != 1) return false;
    return EVP_CipherInit_ex(cipher, kind, nullptr, key.cipher.data(), iv, is_sealing ? 1 : 0) == 1;
  }
};

namespace {

// Which clients may resume: those that were let in by the same rules. Who was signed by an
// authority that a reload has removed must not come back by an old ticket.
std::string resumption_scope(const TlsServerOptions& options,
                             const std::vector<CertificatePointer>& authorities) {
  std::string rules = std::to_string(static_cast<int>(options.client_auth));
  for (const CertificatePointer& authority : authorities) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (X509_digest(authority.get(), EVP_sha256(), digest, &size) == 1) {
      rules.append(reinterpret_cast<const char*>(digest), size);
    }
  }
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(rules.data()), rules.size(), digest);
  return std::string(reinterpret_cast<const char*>(digest), SSL_MAX_SID_CTX_LENGTH);
}

Status ask_for_client_certificates(SSL_CTX* context, ClientAuth auth,
                                   const std::vector<CertificatePointer>& authorities) {
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  for (const CertificatePointer& authority : authorities) {
    if (X509_STORE_add_cert(store, authority.get()) != 1 ||
        SSL_CTX_add_client_CA(context, authority.get()) != 1) {
      return library_error("cannot use the certificates of client_ca");
    }
  }
  const int mode = auth == ClientAuth::kRequire ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                                                : SSL_VERIFY_PEER;
  SSL_CTX_set_verify(context, mode, nullptr);
  return {};
}

Status use_identity(SSL_CTX* context, const TlsIdentity& identity) {
  bool is_good = SSL_CTX_use_certificate(context, identity.certificate.get()) == 1 &&
                 SSL_CTX_use_PrivateKey(context, identity.key.get()) == 1;
  for (const CertificatePointer& next : identity.chain) {
    is_good = is_good && SSL_CTX_add1_chain_cert(context, next.get()) == 1;
  }
  return is_good ? Status() : library_error("OpenSSL refuses a certificate or its key");
}

}  // namespace

Result<ContextPointer> TlsServerContext::Impl::make_context(
    const TlsServerOptions& options, const TlsServerContext* owner,
    const std::vector<std::size_t>& members, const std::vector<CertificatePointer>& authorities) {
  ContextPointer context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) return library_error("cannot make a TLS context");
  BANYAN_RETURN_IF_ERROR(apply_baseline(context.get(), options.version_min));
  SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  for (const std::size_t member : members) {
    BANYAN_RETURN_IF_ERROR(use_identity(context.get(), identities[member]));
  }
  SSL_CTX_set_ex_data(context.get(), server_context_index(), const_cast<TlsServerContext*>(owner));
  SSL_CTX_set_tlsext_servername_callback(context.get(), &TlsServerCallbacks::on_server_name);
  if (!alpn.empty()) {
    SSL_CTX_set_alpn_select_cb(context.get(), &TlsServerCallbacks::on_alpn, nullptr);
  }
  // Sessions live in tickets only: no memory here, and any worker opens them.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(context.get(), kSessionSeconds);
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context.get(), &TlsServerCallbacks::on_ticket);
  SSL_CTX_set_max_early_data(context.get(), 0);
  const std::string scope = resumption_scope(options, authorities);
  SSL_CTX_set_session_id_context(context.get(),
                                 reinterpret_cast<const unsigned char*>(scope.data()),
                                 static_cast<unsigned>(scope.size()));
  if (options.client_auth != ClientAuth::kNone) {
    BANYAN_RETURN_IF_ERROR(
        ask_for_client_certificates(context.get(), options.client_auth, authorities));
  }
  return context;
}

Status TlsServerContext::Impl::build(const TlsServerOptions& options, const TlsServerContext* owner,
                                     const std::vector<CertificatePointer>& authorities) {
  // Which certificates each name has: of every type of key the first.
  std::map<std::string, std::vector<std::size_t>> members_of;
  const auto add = [&](const std::string& name, std::size_t index) {
    std::vector<std::size_t>& members = members_of[name];
    const int type = EVP_PKEY_get_base_id(identities[index].key.get());
    for (const std::size_t member : members) {
      if (EVP_PKEY_get_base_id(identities[member].key.get()) == type) return;
    }
    members.push_back(index);
  };
  for (std::size_t i = 0; i < identities.size(); ++i) {
    for (const std::string& name : facts[i].names) add(name, i);
  }
  // The default has the first certificate, and those of other key types that share a name with it.
  std::vector<std::size_t> first = {0};
  for (const std::string& name : facts[0].names) {
    for (const std::size_t member : members_of[name]) {
      const bool has_type = std::any_of(first.begin(), first.end(), [&](std::size_t other) {
        return EVP_PKEY_get_base_id(identities[other].key.get()) ==
               EVP_PKEY_get_base_id(identities[member].key.get());
      });
      if (!has_type) first.push_back(member);
    }
  }
  std::map<std::vector<std::size_t>, SSL_CTX*> made;
  const auto context_of = [&](const std::vector<std::size_t>& members) -> Result<SSL_CTX*> {
    SSL_CTX*& context = made[members];
    if (context == nullptr) {
      auto fresh = make_context(options, owner, members, authorities);
      if (!fresh.ok()) return fresh.error();
      context = fresh->get();
      contexts.push_back(*std::move(fresh));
    }
    return context;
  };
  BANYAN_RETURN_IF_ERROR(context_of(first).status());
  for (const auto& [name, members] : members_of) {
    auto context = context_of(members);
    if (!context.ok()) return context.error();
    if (name.rfind("*.", 0) == 0) {
      by_wildcard[name.substr(1)] = *context;
    } else {
      by_name[name] = *context;
    }
  }
  return {};
}

TlsServerContext::TlsServerContext() : impl_(std::make_unique<Impl>()) {}
TlsServerContext::~TlsServerContext() = default;

Result<std::shared_ptr<const TlsServerContext>> TlsServerContext::create(
    const TlsServerOptions& options, const TlsServerContext* earlier) {
  if (options.certificates.empty() || options.certificates.size() > kIdentitiesMax) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
                      "TLS needs 1 to 256 certificates, each with its private key");
  }
  std::shared_ptr<TlsServerContext> made(new TlsServerContext());
  Impl& impl = *made->impl_;
  std::vector<TlsProblem> problems;
  for (std::size_t i = 0; i < options.certificates.size(); ++i) {
    auto identity = load_identity(options.certificates[i], i, problems);
    if (!identity) continue;
    X509* const certificate = identity->certificate.get();
    CertificateFacts facts;
    facts.file = options.certificates[i].certificate;
    facts.subject = subject_text(certificate);
    facts.names = names_of(certificate);
    facts.not_before_s = seconds_of(X509_get0_notBefore(certificate));
    facts.not_after_s = seconds_of(X509_get0_notAfter(certificate));
    impl.facts.push_back(std::move(facts));
    impl.identities.push_back(*std::move(identity));
  }
  std::vector<CertificatePointer> authorities;
  if (options.client_auth != ClientAuth::kNone) {
    auto loaded = load_authorities(options.client_ca, TlsProblem::Key::kClientCa, problems);
    if (loaded) authorities = *std::move(loaded);
  }
  if (auto error = first_error(problems)) return *error;
  impl.alpn = wire_form(options.alpn);
  impl.client_auth = options.client_auth;
  impl.tickets = earlier != nullptr ? earlier->impl_->tickets
                                    : std::make_shared<TicketKeys>(SystemClock::instance());
  BANYAN_RETURN_IF_ERROR(impl.build(options, made.get(), authorities));
  return std::shared_ptr<const TlsServerContext>(std::move(made));
}

std::unique_ptr<TlsSession> TlsServerContext::new_session() const {
  SSL* const ssl = SSL_new(impl_->contexts.front().get());
  CHECK(ssl != nullptr);
  SSL_set_accept_state(ssl);
  return std::unique_ptr<TlsSession>(new TlsSession(ssl, shared_from_this(), true));
}

const std::vector<TlsServerContext::CertificateFacts>& TlsServerContext::certificates() const {
  return impl_->facts;
}

bool TlsServerContext::wants_client_certificates() const {
  return impl_->client_auth != ClientAuth::kNone;
}

std::vector<TlsProblem> check_tls(const TlsServerOptions& options) {
  std::vector<TlsProblem> problems;
  for (std::size_t i = 0; i < options.certificates.size(); ++i) {
    (void)load_identity(options.certificates[i], i, problems);
  }
  if (options.client_auth != ClientAuth::kNone) {
    (void)load_authorities(options.client_ca, TlsProblem::Key::kClientCa, problems);
  }
  return problems;
}

}  // namespace banyan::net
