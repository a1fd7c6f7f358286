// SPDX-License-Identifier: Apache-2.0
//
// XXH3 checksums (never a defence against tampering).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace banyan {

std::uint64_t xxh3_64(std::string_view bytes, std::uint64_t seed = 0);

struct Digest128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  bool operator==(const Digest128&) const = default;
};

Digest128 xxh3_128(std::string_view bytes, std::uint64_t seed = 0);

// Digest of bytes that arrive in pieces; equals xxh3_128 of the whole.
class StreamingDigest {
 public:
  explicit StreamingDigest(std::uint64_t seed = 0);
  ~StreamingDigest();
  StreamingDigest(StreamingDigest&&) noexcept;
  StreamingDigest& operator=(StreamingDigest&&) noexcept;
  void update(std::string_view bytes);
  Digest128 digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace banyan
