// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/keyed_hash.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <atomic>
#include <memory>
#include <utility>

#include "core/base/check.h"
#include "core/crypto/aes_gcm.h"

namespace banyan::crypto {
namespace {

struct FreeMac {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};
using MacContext = std::unique_ptr<EVP_MAC_CTX, FreeMac>;

MacContext make_context(const std::string& key) {
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  CHECK(mac != nullptr);
  MacContext context(EVP_MAC_CTX_new(mac));
  EVP_MAC_free(mac);  // The context holds a reference of its own.
  CHECK(context != nullptr);
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
  CHECK(EVP_MAC_init(context.get(), reinterpret_cast<const unsigned char*>(key.data()), key.size(),
                     params) == 1);
  return context;
}

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> ids{0};
  return ids.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

KeyedHash::KeyedHash(std::string key) : key_(std::move(key)), id_(next_id()) {}
KeyedHash::~KeyedHash() { wipe(key_); }

std::string KeyedHash::digest(std::initializer_list<std::string_view> pieces) const {
  // Setting up a key costs several times what hashing a short value does, so each thread keeps the
  // context of the key it used last.
  struct Kept {
    std::uint64_t id = 0;
    MacContext context;
  };
  thread_local Kept kept;
  if (kept.id != id_) {
    kept.context = make_context(key_);
    kept.id = id_;
  }
  EVP_MAC_CTX* context = kept.context.get();
  bool ok = EVP_MAC_init(context, nullptr, 0, nullptr) == 1;  // The same key, from the start.
  for (const std::string_view piece : pieces) {
    ok = ok && EVP_MAC_update(context, reinterpret_cast<const unsigned char*>(piece.data()),
                              piece.size()) == 1;
  }
  std::string out(32, '\0');
  std::size_t written = 0;
  ok = ok && EVP_MAC_final(context, reinterpret_cast<unsigned char*>(out.data()), &written,
                           out.size()) == 1;
  CHECK(ok && written == out.size());
  return out;
}

}  // namespace banyan::crypto
