// SPDX-License-Identifier: Apache-2.0
//
// Which bytes may stand where in an HTTP/1 head (RFC 9110 section 5.5 and 5.6.2, RFC 9112 section
// 3).
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

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
// True if none of eight bytes is a control byte (HTAB is taken for one too).
inline bool is_visible_word(std::uint64_t word) {
  constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
  constexpr std::uint64_t kHighs = kOnes << 7;
  const std::uint64_t below_space = (word - kOnes * 0x20) & ~word;
  const std::uint64_t without_delete = word ^ (kOnes * 0x7f);
  const std::uint64_t is_delete = (without_delete - kOnes) & ~without_delete;
  return ((below_space | is_delete) & kHighs) == 0;
}

}  // namespace internal

inline bool is_token(std::string_view text) {
  return !text.empty() && internal::all_of(text, internal::kToken);
}
inline bool is_field_value(std::string_view text) {
  while (text.size() >= sizeof(std::uint64_t)) {
    std::uint64_t word;
    std::memcpy(&word, text.data(), sizeof word);
    if (!internal::is_visible_word(word)) break;
    text.remove_prefix(sizeof word);
  }
  return internal::all_of(text, internal::kValue);
}
inline bool is_target(std::string_view text) {
  return !text.empty() && internal::all_of(text, internal::kTarget);
}
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_hex_digit(char c) { return internal::is_of(c, internal::kHex); }

}  // namespace banyan::http
