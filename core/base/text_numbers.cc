// SPDX-License-Identifier: Apache-2.0
//
// Numbers, durations and sizes.
#include "core/base/text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace banyan {
namespace {

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

}  // namespace

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

}  // namespace banyan
