// SPDX-License-Identifier: Apache-2.0
#include "comparator/decimal.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>

namespace banyan::comparator {
namespace {

template <typename Float>
std::string shortest(Float number) {
  std::array<char, 64> buffer;
  return std::string(buffer.data(),
                     std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr);
}

__extension__ typedef __int128 Int128;

constexpr std::size_t kExponentDigitsMax = 15;
constexpr std::int64_t kExactDigitsMax = 36;

std::optional<std::int64_t> exponent_of(std::string_view text) {
  if (text.empty()) return 0;
  const bool is_negative = text[0] == '-';
  if (text[0] == '-' || text[0] == '+') text.remove_prefix(1);
  while (text.size() > 1 && text[0] == '0') text.remove_prefix(1);
  if (text.size() > kExponentDigitsMax) return std::nullopt;
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return is_negative ? -value : value;
}

std::optional<Decimal> decimal_of_double(double value) {
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  return decimal_of(std::string_view(buffer.data(), static_cast<std::size_t>(end - buffer.data())));
}

// The value in units of 10^exponent, where it fits.
std::optional<Int128> scaled(const Decimal& value, std::int64_t exponent) {
  const std::int64_t zeros = value.digits.empty() ? 0 : value.exponent - exponent;
  if (static_cast<std::int64_t>(value.digits.size()) + zeros > kExactDigitsMax) return std::nullopt;
  Int128 out = 0;
  for (const char c : value.digits) out = out * 10 + (c - '0');
  for (std::int64_t i = 0; i < zeros; ++i) out *= 10;
  return value.is_negative ? -out : out;
}

std::int64_t lowest(const Decimal& value, std::int64_t than) {
  return value.digits.empty() ? than : std::min(than, value.exponent);
}

// |a - b| <= limit; nullopt where it does not fit.
std::optional<bool> is_within_exactly(const Decimal& a, const Decimal& b, const Decimal& limit) {
  const std::int64_t unit = lowest(limit, lowest(b, lowest(a, INT64_MAX)));
  const auto left = scaled(a, unit);
  const auto right = scaled(b, unit);
  const auto most = scaled(limit, unit);
  if (!left || !right || !most) return std::nullopt;
  const Int128 gap = *left > *right ? *left - *right : *right - *left;
  return gap <= *most;
}

}  // namespace

std::optional<Decimal> decimal_of(std::string_view number) {
  Decimal out;
  if (number.starts_with('-')) {
    out.is_negative = true;
    number.remove_prefix(1);
  }
  const std::size_t mark = number.find_first_of("eE");
  const std::string_view mantissa = number.substr(0, mark);
  const std::size_t point = std::min(mantissa.find('.'), mantissa.size());
  out.digits = mantissa.substr(0, point);
  if (point < mantissa.size()) {
    out.digits += mantissa.substr(point + 1);
    out.exponent = -static_cast<std::int64_t>(mantissa.size() - point - 1);
  }
  out.digits.erase(0, std::min(out.digits.find_first_not_of('0'), out.digits.size()));
  while (!out.digits.empty() && out.digits.back() == '0') {
    out.digits.pop_back();
    ++out.exponent;
  }
  if (out.digits.empty()) return Decimal{};
  if (mark != std::string_view::npos) {
    const auto exponent = exponent_of(number.substr(mark + 1));
    if (!exponent) return std::nullopt;
    out.exponent += *exponent;
  }
  return out;
}

std::optional<double> gap_in_units(const Decimal& a, const Decimal& b, std::int64_t exponent) {
  const std::int64_t unit = lowest(a, lowest(b, exponent));
  if (exponent - unit > kExactDigitsMax) return std::nullopt;
  const auto left = scaled(a, unit);
  const auto right = scaled(b, unit);
  if (!left || !right) return std::nullopt;
  const Int128 gap = *left > *right ? *left - *right : *right - *left;
  if (exponent == unit) return static_cast<double>(gap);
  return static_cast<double>(gap) / std::pow(10.0, static_cast<double>(exponent - unit));
}

void append_canonical_number(std::string& out, std::string_view number) {
  const auto decimal = decimal_of(number);
  if (!decimal) {
    out += number;
    return;
  }
  if (decimal->is_negative) out.push_back('-');
  out += decimal->digits;
  if (decimal->exponent == 0) return;
  std::array<char, 24> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), decimal->exponent);
  out.push_back('e');
  out.append(buffer.data(), static_cast<std::size_t>(end.ptr - buffer.data()));
}

bool is_within(std::string_view a, std::string_view b, double absolute, double relative) {
  const auto left = decimal_of(a);
  const auto right = decimal_of(b);
  if (!left || !right) return false;
  if (absolute > 0) {
    if (const auto exact = is_within_exactly(*left, *right, *decimal_of_double(absolute))) {
      if (*exact) return true;
      absolute = 0;
    }
  }
  const long double x = std::strtold(std::string(a).c_str(), nullptr);
  const long double y = std::strtold(std::string(b).c_str(), nullptr);
  if (!std::isfinite(x) || !std::isfinite(y)) return false;
  const long double scale = std::max(std::fabs(x), std::fabs(y));
  const long double limit = std::max(static_cast<long double>(absolute), relative * scale);
  return limit > 0 && std::fabs(x - y) <= limit;
}

std::string shortest_text(double number) { return shortest(number); }
std::string shortest_text(float number) { return shortest(number); }

}  // namespace banyan::comparator
