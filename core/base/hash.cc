// SPDX-License-Identifier: Apache-2.0
#include "core/base/hash.h"

#define XXH_STATIC_LINKING_ONLY  // for the state's size
#include <xxhash.h>

// The library picks the widest vectors of the machine at run time; a build for any x86-64 would
// halve the speed. Elsewhere the plain functions do as well.
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
#endif

namespace banyan {

std::uint64_t xxh3_64(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

Digest128 xxh3_128(std::string_view bytes, std::uint64_t seed) {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed);
  return Digest128{hash.high64, hash.low64};
}

struct alignas(64) StreamingDigest::State {
  XXH3_state_t xxh;
};

StreamingDigest::StreamingDigest(std::uint64_t seed) : state_(std::make_unique<State>()) {
  XXH3_INITSTATE(&state_->xxh);
  XXH3_128bits_reset_withSeed(&state_->xxh, seed);
}
StreamingDigest::~StreamingDigest() = default;
StreamingDigest::StreamingDigest(StreamingDigest&&) noexcept = default;
StreamingDigest& StreamingDigest::operator=(StreamingDigest&&) noexcept = default;

void StreamingDigest::update(std::string_view bytes) {
  XXH3_128bits_update(&state_->xxh, bytes.data(), bytes.size());
}

Digest128 StreamingDigest::digest() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(&state_->xxh);
  return Digest128{hash.high64, hash.low64};
}

}  // namespace banyan
