// SPDX-License-Identifier: Apache-2.0
//
// Sixteen bytes at once, for checks and comparisons of short texts. With SSE2, which every x86-64
// has; elsewhere BANYAN_HAS_VECTOR16 is 0 and users go byte by byte.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#define BANYAN_HAS_VECTOR16 1
#include <emmintrin.h>
#else
#define BANYAN_HAS_VECTOR16 0
#endif

namespace banyan {

#if BANYAN_HAS_VECTOR16

[[gnu::always_inline]] inline __m128i load_16(const char* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

// All of a text of 1 to 16 bytes, some bytes of it more than once; never a byte beside it.
[[gnu::always_inline]] inline __m128i load_up_to_16(const char* at, std::size_t size) {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  if (size >= 8) {
    std::memcpy(&first, at, 8);
    std::memcpy(&last, at + size - 8, 8);
  } else if (size >= 4) {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    std::memcpy(&low, at, 4);
    std::memcpy(&high, at + size - 4, 4);
    first = last = low | std::uint64_t{high} << 32;
  } else {
    const auto byte = [at](std::size_t i) -> std::uint64_t {
      return static_cast<unsigned char>(at[i]);
    };
    const std::uint64_t word = byte(0) | byte(size / 2) << 8 | byte(size - 1) << 16;
    first = last = (word | byte(0) << 24) * 0x100000001ULL;
  }
  return _mm_set_epi64x(static_cast<long long>(last), static_cast<long long>(first));
}

// True if `is_good` (a lane of ones for each good byte) holds for every byte of the text.
template <typename IsGood>
[[gnu::always_inline]] inline bool all_of_vectors(const char* at, std::size_t size,
                                                  IsGood is_good) {
  constexpr int kAll = 0xFFFF;
  if (size <= 16) {
    return size == 0 || _mm_movemask_epi8(is_good(load_up_to_16(at, size))) == kAll;
  }
  const char* const last = at + size - 16;
  for (; at < last; at += 16) {
    if (_mm_movemask_epi8(is_good(load_16(at))) != kAll) return false;
  }
  return _mm_movemask_epi8(is_good(load_16(last))) == kAll;
}

// How many bytes of the text `is_counted` has a lane of ones for.
template <typename IsCounted>
[[gnu::always_inline]] inline std::size_t count_in_vectors(const char* at, std::size_t size,
                                                           IsCounted is_counted) {
  constexpr std::size_t kRowsMax = 255;  // A lane counts so far.
  const __m128i none = _mm_setzero_si128();
  std::size_t count = 0;
  while (size >= 16) {
    const std::size_t rows = size / 16 < kRowsMax ? size / 16 : kRowsMax;
    const char* const end = at + rows * 16;
    __m128i lanes = none;
    for (; at < end; at += 16) lanes = _mm_sub_epi8(lanes, is_counted(load_16(at)));
    const __m128i sums = _mm_sad_epu8(lanes, none);
    count += static_cast<std::size_t>(_mm_cvtsi128_si64(sums) +
                                      _mm_cvtsi128_si64(_mm_unpackhi_epi64(sums, sums)));
    size -= rows * 16;
  }
  char rest[16] = {};
  std::memcpy(rest, at, size);
  const auto found = static_cast<unsigned>(_mm_movemask_epi8(is_counted(load_16(rest))));
  return count + static_cast<std::size_t>(std::popcount(found & ((1U << size) - 1)));
}

#endif

// Copies a text that is mostly short without a call.
[[gnu::always_inline]] inline void copy_short(char* to, const char* from, std::size_t size) {
  if (size > 16) {
#if BANYAN_HAS_VECTOR16
    const auto store = [](char* at, __m128i bytes) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(at), bytes);
    };
    if (size <= 32) {
      const __m128i first = load_16(from);
      const __m128i last = load_16(from + size - 16);
      store(to, first);
      store(to + size - 16, last);
      return;
    }
    if (size <= 64) {
      const __m128i first = load_16(from);
      const __m128i second = load_16(from + 16);
      const __m128i third = load_16(from + size - 32);
      const __m128i last = load_16(from + size - 16);
      store(to, first);
      store(to + 16, second);
      store(to + size - 32, third);
      store(to + size - 16, last);
      return;
    }
#endif
    std::memcpy(to, from, size);
  } else if (size >= 8) {
    std::uint64_t first;
    std::uint64_t last;
    std::memcpy(&first, from, 8);
    std::memcpy(&last, from + size - 8, 8);
    std::memcpy(to, &first, 8);
    std::memcpy(to + size - 8, &last, 8);
  } else if (size >= 4) {
    std::uint32_t first;
    std::uint32_t last;
    std::memcpy(&first, from, 4);
    std::memcpy(&last, from + size - 4, 4);
    std::memcpy(to, &first, 4);
    std::memcpy(to + size - 4, &last, 4);
  } else if (size > 0) {
    const char middle = from[size / 2];
    const char last = from[size - 1];
    to[0] = from[0];
    to[size / 2] = middle;
    to[size - 1] = last;
  }
}

// The 16 hex digits of a number.
inline void write_hex(char* to, std::uint64_t value) {
#if BANYAN_HAS_VECTOR16
  const __m128i bytes = _mm_cvtsi64_si128(static_cast<long long>(__builtin_bswap64(value)));
  const __m128i low_half = _mm_set1_epi8(0x0F);
  const __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), low_half);
  const __m128i digits = _mm_unpacklo_epi8(high, _mm_and_si128(bytes, low_half));
  const __m128i is_letter = _mm_cmpgt_epi8(digits, _mm_set1_epi8(9));
  const __m128i letters = _mm_and_si128(is_letter, _mm_set1_epi8('a' - '9' - 1));
  const __m128i text = _mm_add_epi8(_mm_add_epi8(digits, _mm_set1_epi8('0')), letters);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), text);
#else
  for (int i = 15; i >= 0; --i, value >>= 4) to[i] = "0123456789abcdef"[value & 0xF];
#endif
}

}  // namespace banyan
