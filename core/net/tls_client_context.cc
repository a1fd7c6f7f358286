// SPDX-License-Identifier: Apache-2.0
#include "core/net/tls_client_context.h"

#include <arpa/inet.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/base/mutex.h"
#include "core/net/tls_identity.h"

namespace banyan::net {
namespace {

// Names that sessions are kept for; past it the table starts anew.
constexpr std::size_t kNamesMax = 64;
// Sessions per name: connections that are opened at one time take one each.
constexpr std::size_t kSessionsMax = 8;

bool is_address(const std::string& text) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, text.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, text.c_str(), bytes) == 1;
}

int client_context_index() {
  static const int kIndex = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return kIndex;
}

}  // namespace

struct TlsClientContext::Impl {
  ContextPointer context;
  std::string server_name;
  bool verifies = true;
  mutable Mutex mutex;
  // The newest last.
  std::unordered_map<std::string, std::vector<SessionPointer>> sessions GUARDED_BY(mutex);

  void keep(const std::string& name, SessionPointer session) {
    MutexLock lock(mutex);
    if (sessions.size() >= kNamesMax && sessions.find(name) == sessions.end()) sessions.clear();
    std::vector<SessionPointer>& kept = sessions[name];
    if (kept.size() >= kSessionsMax) kept.erase(kept.begin());
    kept.push_back(std::move(session));
  }
  void resume(SSL* ssl, const std::string& name) {
    MutexLock lock(mutex);
    const auto found = sessions.find(name);
    if (found == sessions.end()) return;
    std::vector<SessionPointer>& kept = found->second;
    while (!kept.empty()) {
      SSL_SESSION* const newest = kept.back().get();
      const bool is_good = SSL_SESSION_is_resumable(newest) == 1;
      if (is_good) SSL_set_session(ssl, newest);
      // A ticket of TLS 1.3 is for one use.
      if (!is_good || SSL_SESSION_get_protocol_version(newest) == TLS1_3_VERSION) kept.pop_back();
      if (is_good) return;
    }
  }
};

struct TlsClientCallbacks {
  // The library gives the session away with answer 1.
  static int on_new_session(SSL* ssl, SSL_SESSION* session) {
    const auto* owner = static_cast<const TlsClientContext*>(
        SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), client_context_index()));
    const auto* name = static_cast<const std::string*>(SSL_get_ex_data(ssl, name_index()));
    if (name == nullptr) return 0;
    owner->impl_->keep(*name, SessionPointer(session));
    return 1;
  }
  // The name a session is kept under, owned by its SSL.
  static int name_index() {
    static const int kIndex = SSL_get_ex_new_index(
        0, nullptr, nullptr, nullptr, [](void*, void* pointer, CRYPTO_EX_DATA*, int, long, void*) {
          delete static_cast<std::string*>(pointer);
        });
    return kIndex;
  }
};

namespace {

Status trust(SSL_CTX* context, const TlsClientOptions& options,
             const std::vector<CertificatePointer>& authorities) {
  if (!options.verifies) {
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
    return {};
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (options.ca.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) == 1) return {};
    return library_error("cannot use the system's store of certificates; name one with ca");
  }
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  for (const CertificatePointer& authority : authorities) {
    if (X509_STORE_add_cert(store, authority.get()) != 1) {
      return library_error("cannot use the certificates of ca");
    }
  }
  // What an operator names is trusted, also where it is no root.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  return {};
}

Status present(SSL_CTX* context, const TlsIdentity& identity) {
  bool is_good = SSL_CTX_use_certificate(context, identity.certificate.get()) == 1 &&
                 SSL_CTX_use_PrivateKey(context, identity.key.get()) == 1;
  for (const CertificatePointer& next : identity.chain) {
    is_good = is_good && SSL_CTX_add1_chain_cert(context, next.get()) == 1;
  }
  return is_good ? Status() : library_error("OpenSSL refuses the certificate or its key");
}

Status offer(SSL_CTX* context, const std::vector<std::string>& protocols) {
  if (protocols.empty()) return {};
  std::string wire;
  for (const std::string& name : protocols) {
    CHECK(!name.empty() && name.size() < 256);
    wire.push_back(static_cast<char>(name.size()));
    wire.append(name);
  }
  // This one function answers 0 when all is well.
  if (SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(wire.data()),
                              static_cast<unsigned>(wire.size())) != 0) {
    return library_error("OpenSSL refuses the list of protocols");
  }
  return {};
}

}  // namespace

TlsClientContext::TlsClientContext() : impl_(std::make_unique<Impl>()) {}
TlsClientContext::~TlsClientContext() = default;

Result<std::shared_ptr<const TlsClientContext>> TlsClientContext::create(
    const TlsClientOptions& options) {
  std::vector<TlsProblem> problems;
  std::optional<TlsIdentity> identity;
  if (!options.certificate.empty()) {
    identity = load_identity({options.certificate, options.private_key}, 0, problems);
  }
  std::vector<CertificatePointer> authorities;
  if (!options.ca.empty()) {
    auto loaded = load_authorities(options.ca, TlsProblem::Key::kCa, problems);
    if (loaded) authorities = *std::move(loaded);
  }
  if (auto error = first_error(problems)) return *error;

  std::shared_ptr<TlsClientContext> made(new TlsClientContext());
  Impl& impl = *made->impl_;
  impl.verifies = options.verifies;
  impl.server_name = options.server_name;
  impl.context.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const context = impl.context.get();
  if (context == nullptr) return library_error("cannot make a TLS context");
  BANYAN_RETURN_IF_ERROR(apply_baseline(context, TlsVersion::k12));
  BANYAN_RETURN_IF_ERROR(trust(context, options, authorities));
  if (identity) BANYAN_RETURN_IF_ERROR(present(context, *identity));
  BANYAN_RETURN_IF_ERROR(offer(context, options.alpn));
  SSL_CTX_set_ex_data(context, client_context_index(), made.get());
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb(context, &TlsClientCallbacks::on_new_session);
  return std::shared_ptr<const TlsClientContext>(std::move(made));
}

std::unique_ptr<TlsSession> TlsClientContext::new_session(std::string_view host,
                                                          bool only_http1) const {
  SSL* const ssl = SSL_new(impl_->context.get());
  CHECK(ssl != nullptr);
  SSL_set_connect_state(ssl);
  const std::string name(impl_->server_name.empty() ? host : std::string_view(impl_->server_name));
  if (only_http1) {
    static constexpr unsigned char kHttp1[] = "\x08http/1.1";
    CHECK(SSL_set_alpn_protos(ssl, kHttp1, sizeof kHttp1 - 1) == 0);
  }
  const bool names_address = is_address(name);
  // Addresses are not sent: RFC 6066 has names only.
  if (!names_address) SSL_set_tlsext_host_name(ssl, name.c_str());
  if (impl_->verifies) {
    X509_VERIFY_PARAM* const rules = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(
        rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    const int is_set = names_address ? X509_VERIFY_PARAM_set1_ip_asc(rules, name.c_str())
                                     : X509_VERIFY_PARAM_set1_host(rules, name.c_str(), 0);
    CHECK(is_set == 1);
  }
  SSL_set_ex_data(ssl, TlsClientCallbacks::name_index(), new std::string(name));
  impl_->resume(ssl, name);
  return std::unique_ptr<TlsSession>(new TlsSession(ssl, shared_from_this(), false));
}

bool TlsClientContext::verifies() const { return impl_->verifies; }

std::vector<TlsProblem> check_tls(const TlsClientOptions& options) {
  std::vector<TlsProblem> problems;
  if (!options.certificate.empty()) {
    (void)load_identity({options.certificate, options.private_key}, 0, problems);
  }
  if (!options.ca.empty()) (void)load_authorities(options.ca, TlsProblem::Key::kCa, problems);
  return problems;
}

}  // namespace banyan::net
