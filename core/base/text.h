// SPDX-License-Identifier: Apache-2.0
//
// Small conversions between text and values, and escaping of bytes that may be hostile.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace banyan {

std::string hex_of_u64(std::uint64_t value);                     // 16 digits
std::optional<std::uint64_t> u64_of_hex(std::string_view text);  // 1 to 16 digits
std::string hex_of_bytes(std::string_view bytes);
std::optional<std::string> bytes_of_hex(std::string_view text);

std::string base64_of_bytes(std::string_view bytes);  // RFC 4648 section 4, padded
std::optional<std::string> bytes_of_base64(std::string_view text);

// Decimal digits only: no sign, no space, no overflow.
std::optional<std::uint64_t> parse_u64(std::string_view text);
// A plain decimal number: digits with an optional fraction and sign ("12", "0.25", "-3.5").
std::optional<double> parse_double(std::string_view text);

// "250ms", "30s", "5m", "2h", "7d", "0"; result in nanoseconds.
std::optional<std::int64_t> parse_duration_ns(std::string_view text);
// "0", "512", "64KiB", "50GiB", "10MB"; result in bytes.
std::optional<std::uint64_t> parse_size(std::string_view text);
std::string format_duration_ns(std::int64_t nanoseconds);  // "1.25s", "300us"
std::string format_size(std::uint64_t bytes);              // "1.5 MiB"

bool equal_folded(const char* a, const char* b, std::size_t size);  // ASCII, without case
// ASCII. Most comparisons of field names end at the length or the first byte, so these are looked
// at in place.
inline bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  return a.empty() || (((a[0] ^ b[0]) & ~0x20) == 0 && equal_folded(a.data(), b.data(), a.size()));
}
std::string to_lower(std::string_view text);   // ASCII
std::string_view trim(std::string_view text);  // SP and HTAB
std::vector<std::string_view> split(std::string_view text, char separator);
bool starts_with_ignoring_case(std::string_view text, std::string_view prefix);

bool is_utf8(std::string_view bytes);

// For terminals and the operator's log: control bytes, DEL and invalid UTF-8 become \xNN; bounded
// to `bytes_max` bytes of input, with an ellipsis where cut.
std::string escape_for_terminal(std::string_view bytes, std::size_t bytes_max = 4096);
// For HTML text and double-quoted attributes.
std::string escape_for_html(std::string_view bytes);

// Percent-decoding of a path or query value; nullopt where a % is not followed by two hex digits.
std::optional<std::string> percent_decode(std::string_view text);

// Shell-like match of names: * any run, ? one character.
bool glob_match(std::string_view pattern, std::string_view text);

// The candidate nearest to `word` by edit distance, if near enough to be a likely slip.
std::optional<std::string> nearest_name(std::string_view word,
                                        const std::vector<std::string>& candidates);

// Compares without telling by its time where two equally long secrets differ.
bool equal_in_constant_time(std::string_view a, std::string_view b);

// RFC 3339 in UTC with microseconds, from wall nanoseconds since 1970: 2026-11-23T20:44:00.123456Z
std::string format_time(std::int64_t wall_ns);
// RFC 3339, or relative "-15m" (before `now_ns`), or "14:03" or "14:03:20" (UTC, the last one not
// after `now_ns`), or "now"; nanoseconds since 1970.
std::optional<std::int64_t> parse_time(std::string_view text, std::int64_t now_ns);

}  // namespace banyan
