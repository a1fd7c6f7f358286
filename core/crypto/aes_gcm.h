// SPDX-License-Identifier: Apache-2.0
//
// AES-256-GCM over whole strings. Never use a nonce twice with one key.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace banyan::crypto {

inline constexpr std::size_t kKeyBytes = 32;
inline constexpr std::size_t kNonceBytes = 12;
inline constexpr std::size_t kTagBytes = 16;

// Appends the encrypted bytes and the tag to `out`.
void aes_gcm_encrypt(std::string_view key, std::string_view nonce, std::string_view bound_to,
                     std::string_view plain, std::string& out);
// nullopt where the tag does not fit: another key, other bytes, or bound to something else.
std::optional<std::string> aes_gcm_decrypt(std::string_view key, std::string_view nonce,
                                           std::string_view bound_to, std::string_view encrypted);

// From the operating system; the process ends rather than go on without.
std::string random_bytes(std::size_t size);
// Overwrites a secret that is not needed any more.
void wipe(std::string& secret);

}  // namespace banyan::crypto
