// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace banyan {

inline constexpr std::size_t kCacheLineBytes = 64;

// The first `bytes_max` of `bytes` are brought towards the processor while it works on what comes
// before them. Changes nothing but time.
inline void prefetch(std::string_view bytes, std::size_t bytes_max) {
  const std::size_t size = std::min(bytes.size(), bytes_max);
  for (std::size_t at = 0; at < size; at += kCacheLineBytes) __builtin_prefetch(bytes.data() + at);
}

}  // namespace banyan
