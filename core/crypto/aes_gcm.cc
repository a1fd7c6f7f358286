// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/aes_gcm.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <limits>
#include <memory>

#include "core/base/check.h"

namespace banyan::crypto {
namespace {

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

// One per thread: making one costs more than encrypting a few headers.
EVP_CIPHER_CTX* cipher_context() {
  thread_local const std::unique_ptr<EVP_CIPHER_CTX, FreeCipher> context(EVP_CIPHER_CTX_new());
  CHECK(context != nullptr);
  return context.get();
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text, std::size_t at) {
  return reinterpret_cast<unsigned char*>(text.data()) + at;
}

int length_of(std::string_view text) {
  CHECK(text.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
  return static_cast<int>(text.size());
}

}  // namespace

void aes_gcm_encrypt(std::string_view key, std::string_view nonce, std::string_view bound_to,
                     std::string_view plain, std::string& out) {
  CHECK(key.size() == kKeyBytes && nonce.size() == kNonceBytes);
  EVP_CIPHER_CTX* context = cipher_context();
  const std::size_t at = out.size();
  out.resize(at + plain.size() + kTagBytes);
  int written = 0;
  bool ok =
      EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), nullptr, bytes_of(key), bytes_of(nonce)) == 1;
  ok = ok &&
       EVP_EncryptUpdate(context, nullptr, &written, bytes_of(bound_to), length_of(bound_to)) == 1;
  ok = ok && EVP_EncryptUpdate(context, bytes_of(out, at), &written, bytes_of(plain),
                               length_of(plain)) == 1;
  ok = ok && EVP_EncryptFinal_ex(context, bytes_of(out, at + plain.size()), &written) == 1;
  ok = ok && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, kTagBytes,
                                 bytes_of(out, at + plain.size())) == 1;
  CHECK(ok);  // Nothing in it depends on what the bytes are.
}

std::optional<std::string> aes_gcm_decrypt(std::string_view key, std::string_view nonce,
                                           std::string_view bound_to, std::string_view encrypted) {
  CHECK(key.size() == kKeyBytes && nonce.size() == kNonceBytes);
  if (encrypted.size() < kTagBytes) return std::nullopt;
  const std::string_view body = encrypted.substr(0, encrypted.size() - kTagBytes);
  std::string tag(encrypted.substr(body.size()));
  EVP_CIPHER_CTX* context = cipher_context();
  std::string plain(body.size(), '\0');
  int written = 0;
  bool ok =
      EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), nullptr, bytes_of(key), bytes_of(nonce)) == 1;
  ok = ok &&
       EVP_DecryptUpdate(context, nullptr, &written, bytes_of(bound_to), length_of(bound_to)) == 1;
  ok = ok && EVP_DecryptUpdate(context, bytes_of(plain, 0), &written, bytes_of(body),
                               length_of(body)) == 1;
  ok = ok && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1;
  unsigned char rest[EVP_MAX_BLOCK_LENGTH];
  ok = ok && EVP_DecryptFinal_ex(context, rest, &written) == 1;
  if (!ok) return std::nullopt;
  return plain;
}

std::string random_bytes(std::size_t size) {
  std::string bytes(size, '\0');
  CHECK(RAND_bytes(bytes_of(bytes, 0), length_of(bytes)) == 1);
  return bytes;
}

void wipe(std::string& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

}  // namespace banyan::crypto
