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
namespace {

// The wide functions of Debian's libxxhash 0.8.1 return with the upper halves of the vector
// registers in use. From then on each change between our SSE code and the C library's AVX code
// costs the processor some 70 cycles (a sixth of a request's user time), until they are cleared.
// A caller makes one of these on its stack.
struct ClearsUpperHalves {
#if defined(__x86_64__)
  ~ClearsUpperHalves() {
    static const bool has_avx = __builtin_cpu_supports("avx") != 0;
    if (has_avx) asm volatile("vzeroupper");
  }
#endif
};

}  // namespace

std::uint64_t xxh3_64(std::string_view bytes, std::uint64_t seed) {
  [[maybe_unused]] const ClearsUpperHalves clears;
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

Digest128 xxh3_128(std::string_view bytes, std::uint64_t seed) {
  [[maybe_unused]] const ClearsUpperHalves clears;
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
  [[maybe_unused]] const ClearsUpperHalves clears;
  XXH3_128bits_update(&state_->xxh, bytes.data(), bytes.size());
}

Digest128 StreamingDigest::digest() const {
  [[maybe_unused]] const ClearsUpperHalves clears;
  const XXH128_hash_t hash = XXH3_128bits_digest(&state_->xxh);
  return Digest128{hash.high64, hash.low64};
}

}  // namespace banyan
