// SPDX-License-Identifier: Apache-2.0
//
// Which bytes may stand where in an HTTP/1 head (RFC 9110 section 5.5 and 5.6.2, RFC 9112 section
// 3).
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "core/base/vector16.h"

namespace banyan::http {

namespace internal {

inline constexpr std::uint8_t kToken = 1;   // field names, methods
inline constexpr std::uint8_t kValue = 2;   // field values: HTAB, SP, VCHAR, 0x80 to 0xFF
inline constexpr std::uint8_t kTarget = 4;  // request targets: VCHAR but '#'
inline constexpr std::uint8_t kHex = 8;

constexpr std::array<std::uint8_t, 256> make_char_classes() {
  std::array<std::uint8_t, 256> classes{};
  for (unsigned c = 0; c < 256; ++c) {
    const bool is_digit = c >= '0' && c <= '9';
    const bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const bool is_visible = c > 0x20 && c < 0x7f;
    const bool is_hex = is_digit || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
    if (is_digit || is_letter) classes[c] |= kToken;
    if (c == '\t' || c == ' ' || is_visible || c >= 0x80) classes[c] |= kValue;
    if (is_visible && c != '#') classes[c] |= kTarget;
    if (is_hex) classes[c] |= kHex;
  }
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) {
    classes[static_cast<unsigned char>(c)] |= kToken;
  }
  return classes;
}
inline constexpr auto kCharClasses = make_char_classes();

inline bool is_of(char c, std::uint8_t mask) {
  return (kCharClasses[static_cast<unsigned char>(c)] & mask) != 0;
}
// Looks at every byte: bad ones are rare, and no branch per byte is quicker.
inline bool all_of(std::string_view text, std::uint8_t mask) {
  std::uint8_t common = mask;
  for (const char c : text) common &= kCharClasses[static_cast<unsigned char>(c)];
  return common != 0;
}

#if BANYAN_HAS_VECTOR16

// Ones in each lane of letters, digits and "-": what most names are made of.
[[gnu::always_inline]] inline __m128i plain_name_lanes(__m128i bytes) {
  const auto is_within = [](__m128i lane, char first, char last) {
    return _mm_and_si128(_mm_cmpgt_epi8(lane, _mm_set1_epi8(static_cast<char>(first - 1))),
                         _mm_cmpgt_epi8(_mm_set1_epi8(static_cast<char>(last + 1)), lane));
  };
  const __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
  return _mm_or_si128(_mm_or_si128(is_within(folded, 'a', 'z'), is_within(bytes, '0', '9')),
                      _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-')));
}
// Ones in each lane that no field value may hold.
[[gnu::always_inline]] inline __m128i no_value_lanes(__m128i bytes) {
  const __m128i is_control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
  const __m128i is_tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
  const __m128i is_delete = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
  return _mm_or_si128(_mm_andnot_si128(is_tab, is_control), is_delete);
}
inline bool is_plain_name(std::string_view text) {
  return all_of_vectors(text.data(), text.size(), plain_name_lanes);
}
inline bool is_value(std::string_view text) {
  return all_of_vectors(text.data(), text.size(), [](__m128i bytes) {
    return _mm_cmpeq_epi8(no_value_lanes(bytes), _mm_setzero_si128());
  });
}
inline std::size_t count_no_values(std::string_view text) {
  return count_in_vectors(text.data(), text.size(), no_value_lanes);
}
inline bool is_all_target(std::string_view text) {
  return all_of_vectors(text.data(), text.size(), [](__m128i bytes) {
    const __m128i is_visible = _mm_and_si128(_mm_cmpgt_epi8(bytes, _mm_set1_epi8(0x20)),
                                             _mm_cmpgt_epi8(_mm_set1_epi8(0x7f), bytes));
    return _mm_andnot_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('#')), is_visible);
  });
}

#else

inline bool is_plain_name(std::string_view) { return false; }
inline bool is_value(std::string_view text) { return all_of(text, kValue); }
inline std::size_t count_no_values(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += is_of(c, kValue) ? 0 : 1;
  return count;
}
inline bool is_all_target(std::string_view text) { return all_of(text, kTarget); }

#endif

}  // namespace internal

inline bool is_token(std::string_view text) {
  if (text.empty()) return false;
  return internal::is_plain_name(text) || internal::all_of(text, internal::kToken);
}
inline bool is_field_value(std::string_view text) { return internal::is_value(text); }
// Bytes that no field value may hold.
inline std::size_t count_no_value_bytes(std::string_view text) {
  return internal::count_no_values(text);
}
inline bool is_target(std::string_view text) {
  return !text.empty() && internal::is_all_target(text);
}
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_hex_digit(char c) { return internal::is_of(c, internal::kHex); }

}  // namespace banyan::http
