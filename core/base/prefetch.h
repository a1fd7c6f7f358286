// SPDX-License-Identifier: Apache-2.0
//
// Memory is brought towards the processor while it works on something else. Changes nothing but
// time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace banyan {

inline constexpr std::size_t kCacheLineBytes = 64;

// The first `bytes_max` of `bytes`.
inline void prefetch(std::string_view bytes, std::size_t bytes_max) {
  const std::size_t size = std::min(bytes.size(), bytes_max);
  for (std::size_t at = 0; at < size; at += kCacheLineBytes) __builtin_prefetch(bytes.data() + at);
}

inline void prefetch_to_write(char* place, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += kCacheLineBytes) __builtin_prefetch(place + at, 1);
}

}  // namespace banyan
