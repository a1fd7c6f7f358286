// SPDX-License-Identifier: Apache-2.0
//
// HMAC-SHA-256 under one key, set up once per thread. Immutable; any thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace banyan::crypto {

class KeyedHash {
 public:
  explicit KeyedHash(std::string key);
  ~KeyedHash();
  KeyedHash(const KeyedHash&) = delete;
  KeyedHash& operator=(const KeyedHash&) = delete;

  // 32 bytes, of the pieces one behind the other.
  std::string digest(std::initializer_list<std::string_view> pieces) const;

 private:
  std::string key_;
  const std::uint64_t id_;  // tells a thread's context whose key it holds
};

}  // namespace banyan::crypto
