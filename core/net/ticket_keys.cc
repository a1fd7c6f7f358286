// SPDX-License-Identifier: Apache-2.0
#include "core/net/ticket_keys.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <cstring>

namespace banyan::net {

TicketKeys::~TicketKeys() {
  MutexLock lock(mutex_);
  OPENSSL_cleanse(keys_.data(), keys_.size() * sizeof(Key));
}

bool TicketKeys::current(Key& out) {
  const std::int64_t now = clock_.mono_ns();
  MutexLock lock(mutex_);
  if (keys_.empty() || now - keys_.front().since_ns >= kSealsForNs) {
    Key key;
    key.since_ns = now;
    if (RAND_bytes(key.name.data(), static_cast<int>(key.name.size())) != 1 ||
        RAND_priv_bytes(key.cipher.data(), static_cast<int>(key.cipher.size())) != 1 ||
        RAND_priv_bytes(key.mac.data(), static_cast<int>(key.mac.size())) != 1) {
      return false;
    }
    if (keys_.capacity() == 0) keys_.reserve(kKeysMax);
    if (keys_.size() == kKeysMax) {
      OPENSSL_cleanse(&keys_.back(), sizeof(Key));
      keys_.pop_back();
    }
    keys_.insert(keys_.begin(), key);
    OPENSSL_cleanse(&key, sizeof key);
  }
  out = keys_.front();
  return true;
}

bool TicketKeys::find(const unsigned char* name, Key& out) {
  const std::int64_t now = clock_.mono_ns();
  MutexLock lock(mutex_);
  for (const Key& key : keys_) {
    const bool is_named = std::memcmp(key.name.data(), name, key.name.size()) == 0;
    if (!is_named || now - key.since_ns >= kSealsForNs * static_cast<std::int64_t>(kKeysMax)) {
      continue;
    }
    out = key;
    return true;
  }
  return false;
}

}  // namespace banyan::net
