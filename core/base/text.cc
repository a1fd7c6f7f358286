// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <limits>

#include "core/base/vector16.h"

namespace banyan {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

struct Unit {
  std::string_view suffix;
  double factor;
};

// A number with one of `units` behind it; a bare number only if "" is a unit.
std::optional<double> parse_with_unit(std::string_view text, const Unit* units, std::size_t count) {
  std::size_t end = 0;
  while (end < text.size() && ((text[end] >= '0' && text[end] <= '9') || text[end] == '.')) ++end;
  const auto number = parse_double(text.substr(0, end));
  if (!number) return std::nullopt;
  const std::string_view suffix = trim(text.substr(end));
  for (std::size_t i = 0; i < count; ++i) {
    if (suffix == units[i].suffix) return *number * units[i].factor;
  }
  if (suffix.empty() && *number == 0) return 0.0;
  return std::nullopt;
}

// Bytes of the UTF-8 sequence that starts at `at`, 0 where there is none (RFC 3629).
std::size_t utf8_sequence(std::string_view s, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) return 1;
  const auto continues = [&](std::size_t i) { return i < s.size() && (byte(i) & 0xC0) == 0x80; };
  if (first >= 0xC2 && first <= 0xDF) return continues(at + 1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!continues(at + 1) || !continues(at + 2)) return 0;
    if (first == 0xE0 && byte(at + 1) < 0xA0) return 0;
    if (first == 0xED && byte(at + 1) > 0x9F) return 0;
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!continues(at + 1) || !continues(at + 2) || !continues(at + 3)) return 0;
    if (first == 0xF0 && byte(at + 1) < 0x90) return 0;
    if (first == 0xF4 && byte(at + 1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

}  // namespace

std::string hex_of_u64(std::uint64_t value) {
  std::string out(16, '0');
  write_hex(out.data(), value);
  return out;
}

std::optional<std::uint64_t> u64_of_hex(std::string_view text) {
  if (text.empty() || text.size() > 16) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    const int digit = hex_value(c);
    if (digit < 0) return std::nullopt;
    value = (value << 4) | static_cast<std::uint64_t>(digit);
  }
  return value;
}

std::string hex_of_bytes(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out.push_back(kHexDigits[byte >> 4]);
    out.push_back(kHexDigits[byte & 0xF]);
  }
  return out;
}

std::optional<std::string> bytes_of_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
  }
  return out;
}

std::string base64_of_bytes(std::string_view bytes) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = (group << 8) | (k < left ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out.push_back(k <= left ? kAlphabet[(group >> (18 - 6 * k)) & 0x3F] : '=');
    }
  }
  return out;
}

std::optional<std::string> bytes_of_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    std::uint32_t group = 0;
    int padding = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const char c = text[i + k];
      int value = 0;
      if (c >= 'A' && c <= 'Z')
        value = c - 'A';
      else if (c >= 'a' && c <= 'z')
        value = c - 'a' + 26;
      else if (c >= '0' && c <= '9')
        value = c - '0' + 52;
      else if (c == '+')
        value = 62;
      else if (c == '/')
        value = 63;
      else if (c == '=' && i + 4 == text.size() && k >= 2)
        ++padding;
      else
        return std::nullopt;
      if (padding > 0 && c != '=') return std::nullopt;
      group = (group << 6) | static_cast<std::uint32_t>(value);
    }
    out.push_back(static_cast<char>(group >> 16));
    if (padding < 2) out.push_back(static_cast<char>(group >> 8));
    if (padding < 1) out.push_back(static_cast<char>(group));
  }
  return out;
}

std::optional<std::uint64_t> parse_u64(std::string_view text) {
  if (text.empty() || text[0] == '+' || text[0] == '-') return std::nullopt;
  std::uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> parse_double(std::string_view text) {
  if (text.empty()) return std::nullopt;
  bool has_digit = false;
  bool has_point = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c >= '0' && c <= '9')
      has_digit = true;
    else if (c == '.' && !has_point && has_digit)
      has_point = true;
    else if (c != '-' || i != 0)
      return std::nullopt;
  }
  if (!has_digit || text.back() == '.') return std::nullopt;
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> parse_duration_ns(std::string_view text) {
  static constexpr Unit kUnits[] = {{"ns", 1},   {"us", 1e3},   {"ms", 1e6},   {"s", 1e9},
                                    {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
  const auto value = parse_with_unit(trim(text), kUnits, std::size(kUnits));
  if (!value || *value > 9.2e18) return std::nullopt;
  return static_cast<std::int64_t>(std::llround(*value));
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  static constexpr Unit kUnits[] = {{"", 1},
                                    {"B", 1},
                                    {"KiB", 1024.0},
                                    {"MiB", 1048576.0},
                                    {"GiB", 1073741824.0},
                                    {"TiB", 1099511627776.0},
                                    {"KB", 1e3},
                                    {"MB", 1e6},
                                    {"GB", 1e9},
                                    {"TB", 1e12}};
  const auto value = parse_with_unit(trim(text), kUnits, std::size(kUnits));
  if (!value || *value > 1.8e19) return std::nullopt;
  return static_cast<std::uint64_t>(*value);
}

std::string format_duration_ns(std::int64_t nanoseconds) {
  const double value = static_cast<double>(nanoseconds);
  char buffer[48];
  if (nanoseconds >= 60'000'000'000)
    std::snprintf(buffer, sizeof buffer, "%.4gm", value / 60e9);
  else if (nanoseconds >= 1'000'000'000)
    std::snprintf(buffer, sizeof buffer, "%.4gs", value / 1e9);
  else if (nanoseconds >= 1'000'000)
    std::snprintf(buffer, sizeof buffer, "%.4gms", value / 1e6);
  else if (nanoseconds >= 1'000)
    std::snprintf(buffer, sizeof buffer, "%.4gus", value / 1e3);
  else
    std::snprintf(buffer, sizeof buffer, "%.4gns", value);
  return buffer;
}

std::string format_size(std::uint64_t bytes) {
  static constexpr std::array<const char*, 5> kNames = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kNames.size()) {
    value /= 1024;
    ++unit;
  }
  char buffer[48];
  std::snprintf(buffer, sizeof buffer, unit == 0 ? "%.0f %s" : "%.1f %s", value, kNames[unit]);
  return buffer;
}

#if BANYAN_HAS_VECTOR16

namespace {

__m128i folded(__m128i text) {
  const __m128i is_upper = _mm_and_si128(_mm_cmpgt_epi8(text, _mm_set1_epi8('A' - 1)),
                                         _mm_cmpgt_epi8(_mm_set1_epi8('Z' + 1), text));
  return _mm_or_si128(text, _mm_and_si128(is_upper, _mm_set1_epi8(0x20)));
}

bool is_equal_folded(__m128i a, __m128i b) {
  return _mm_movemask_epi8(_mm_cmpeq_epi8(folded(a), folded(b))) == 0xFFFF;
}

}  // namespace

bool equal_folded(const char* a, const char* b, std::size_t size) {
  if (size == 0) return true;
  if (((a[0] ^ b[0]) & ~0x20) != 0) return false;  // Names that differ mostly differ here.
  if (size <= 16) return is_equal_folded(load_up_to_16(a, size), load_up_to_16(b, size));
  for (std::size_t at = 0; at + 16 < size; at += 16) {
    if (!is_equal_folded(load_16(a + at), load_16(b + at))) return false;
  }
  return is_equal_folded(load_16(a + size - 16), load_16(b + size - 16));
}

#else

bool equal_folded(const char* a, const char* b, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

#endif

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

std::string_view trim(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  std::size_t start = 0;
  for (;;) {
    const std::size_t end = text.find(separator, start);
    if (end == std::string_view::npos) {
      parts.push_back(text.substr(start));
      return parts;
    }
    parts.push_back(text.substr(start, end - start));
    start = end + 1;
  }
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && equal_ignoring_case(text.substr(0, prefix.size()), prefix);
}

bool is_utf8(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size();) {
    const std::size_t size = utf8_sequence(bytes, i);
    if (size == 0) return false;
    i += size;
  }
  return true;
}

std::string escape_for_terminal(std::string_view bytes, std::size_t bytes_max) {
  std::string out;
  const bool is_cut = bytes.size() > bytes_max;
  if (is_cut) bytes = bytes.substr(0, bytes_max);
  for (std::size_t i = 0; i < bytes.size();) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    const std::size_t size = utf8_sequence(bytes, i);
    // C1 controls (U+0080 to U+009F) can drive a terminal as well.
    const bool is_c1 = size == 2 && byte == 0xC2 && static_cast<unsigned char>(bytes[i + 1]) < 0xA0;
    if (size == 0 || byte < 0x20 || byte == 0x7F || is_c1) {
      const std::size_t count = is_c1 ? 2 : 1;
      for (std::size_t k = 0; k < count; ++k) {
        out += "\\x";
        out += hex_of_bytes(bytes.substr(i + k, 1));
      }
      i += count;
    } else {
      out += bytes.substr(i, size);
      i += size;
    }
  }
  if (is_cut) out += "…";
  return out;
}

std::string escape_for_html(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (std::size_t i = 0; i < bytes.size();) {
    const std::size_t size = utf8_sequence(bytes, i);
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (size == 0 || (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F) {
      out += "\xEF\xBF\xBD";
      ++i;
      continue;
    }
    if (size > 1) {
      out += bytes.substr(i, size);
    } else {
      switch (bytes[i]) {
        case '&': out += "&amp;"; break;
        case '<': out += "&lt;"; break;
        case '>': out += "&gt;"; break;
        case '"': out += "&quot;"; break;
        case '\'': out += "&#39;"; break;
        default: out += bytes[i];
      }
    }
    i += size;
  }
  return out;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_value(text[i + 1]);
    const int low = hex_value(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

bool glob_match(std::string_view pattern, std::string_view text) {
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*') {
      ++p;
      ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::optional<std::string> nearest_name(std::string_view word,
                                        const std::vector<std::string>& candidates) {
  std::optional<std::string> best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  if (word.size() > 256) return best;
  for (const std::string& candidate : candidates) {
    std::vector<std::size_t> row(candidate.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j < row.size(); ++j) {
        const std::size_t above = row[j];
        const std::size_t cost = lower(word[i - 1]) == lower(candidate[j - 1]) ? 0 : 1;
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + cost});
        diagonal = above;
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<unsigned char>(
        difference | (static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i])));
  }
  return difference == 0;
}

std::string format_time(std::int64_t wall_ns) {
  std::int64_t seconds = wall_ns / 1'000'000'000;
  std::int64_t rest = wall_ns % 1'000'000'000;
  if (rest < 0) {
    rest += 1'000'000'000;
    --seconds;
  }
  const std::time_t time = seconds;
  std::tm tm{};
  gmtime_r(&time, &tm);
  char buffer[96];
  std::snprintf(buffer, sizeof buffer, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year + 1900,
                tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                static_cast<int>(rest / 1000));
  return buffer;
}

std::optional<std::int64_t> parse_time(std::string_view text, std::int64_t now_ns) {
  if (text == "now") return now_ns;
  if (!text.empty() && text[0] == '-') {
    const auto back = parse_duration_ns(text.substr(1));
    if (!back) return std::nullopt;
    return now_ns - *back;
  }
  // YYYY-MM-DD[T ]HH:MM[:SS[.frac]](Z|±HH:MM)
  const auto number = [&](std::size_t at, std::size_t size) -> std::optional<int> {
    if (at + size > text.size()) return std::nullopt;
    const auto value = parse_u64(text.substr(at, size));
    if (!value) return std::nullopt;
    return static_cast<int>(*value);
  };
  const auto is = [&](std::size_t at, char c) { return at < text.size() && text[at] == c; };
  const auto year = number(0, 4), month = number(5, 2), day = number(8, 2);
  if (!year || !month || !day || !is(4, '-') || !is(7, '-')) return std::nullopt;
  std::tm tm{};
  tm.tm_year = *year - 1900;
  tm.tm_mon = *month - 1;
  tm.tm_mday = *day;
  std::size_t at = 10;
  std::int64_t fraction_ns = 0;
  std::int64_t zone_seconds = 0;
  if (at < text.size()) {
    if (!is(10, 'T') && !is(10, 't') && !is(10, ' ')) return std::nullopt;
    const auto hour = number(11, 2), minute = number(14, 2);
    if (!hour || !minute || !is(13, ':')) return std::nullopt;
    tm.tm_hour = *hour;
    tm.tm_min = *minute;
    at = 16;
    if (is(16, ':')) {
      const auto second = number(17, 2);
      if (!second) return std::nullopt;
      tm.tm_sec = *second;
      at = 19;
      if (is(19, '.')) {
        std::int64_t unit = 100'000'000;
        for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
          fraction_ns += unit * (text[at] - '0');
          unit /= 10;
        }
      }
    }
    if (at < text.size()) {
      if (is(at, 'Z') || is(at, 'z')) {
        ++at;
      } else if (is(at, '+') || is(at, '-')) {
        const auto hours = number(at + 1, 2), minutes = number(at + 4, 2);
        if (!hours || !minutes || !is(at + 3, ':')) return std::nullopt;
        zone_seconds = (*hours * 3600 + *minutes * 60) * (text[at] == '-' ? -1 : 1);
        at += 6;
      }
    }
    if (at != text.size()) return std::nullopt;
  }
  if (tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
      tm.tm_min > 59 || tm.tm_sec > 60) {
    return std::nullopt;
  }
  const std::int64_t seconds = timegm(&tm) - zone_seconds;
  if (seconds > 9'000'000'000 || seconds < -9'000'000'000) return std::nullopt;
  return seconds * 1'000'000'000 + fraction_ns;
}

}  // namespace banyan
