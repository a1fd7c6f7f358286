// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "comparator/chars.h"
#include "comparator/transition_parts.h"

namespace banyan::comparator {
namespace {

constexpr std::size_t kNumberBytesMax = 64;
constexpr int kScaleToldMax = 9;
// Seconds since 1970 between 1973 and 5138: 9 to 11 digits.
constexpr double kEpochMin = 1e8;
constexpr double kEpochMax = 1e11;
constexpr double kNoise = 1e-12;
constexpr std::size_t kNoiseDigits = 15;

std::size_t digits_at(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && is_digit(text[end])) ++end;
  return end - at;
}

// Units whose mix-ups are known: per cent, ms, µs, ns, and bytes are not among them.
struct Factor {
  std::int64_t exponent;
  std::string_view up, down, epoch_up, epoch_down;
};
constexpr std::array<Factor, 4> kFactors = {{{2, "×100", "÷100", "", ""},
                                             {3, "×1000", "÷1000", "s→ms", "ms→s"},
                                             {6, "×1000000", "÷1000000", "s→µs", "µs→s"},
                                             {9, "×1000000000", "÷1000000000", "s→ns", "ns→s"}}};

double approximate(const SpelledNumber& number) {
  return std::strtod(std::string(number.text).c_str(), nullptr);
}

bool is_epoch(const SpelledNumber& number) {
  const auto digits = static_cast<std::int64_t>(number.value.digits.size()) + number.value.exponent;
  if (digits < 9 || digits > 11) return false;
  const double value = approximate(number);
  return value >= kEpochMin && value < kEpochMax;
}

// The same digits, shifted; of an epoch in seconds also with what is less than a second behind.
std::string_view factor_of(const SpelledNumber& small, const SpelledNumber& large, bool is_up) {
  if (small.value.is_negative != large.value.is_negative) return {};
  const bool has_same_digits = small.value.digits == large.value.digits;
  const bool is_time = is_epoch(small);
  if (!has_same_digits && !is_time) return {};
  for (const Factor& factor : kFactors) {
    const bool is_shifted =
        has_same_digits && large.value.exponent - small.value.exponent == factor.exponent;
    if (is_time && !factor.epoch_up.empty()) {
      Decimal scaled = small.value;
      scaled.exponent += factor.exponent;
      const auto gap = gap_in_units(scaled, large.value, factor.exponent);
      if (gap && *gap < 1) return is_up ? factor.epoch_up : factor.epoch_down;
    } else if (is_shifted) {
      return is_up ? factor.up : factor.down;
    }
  }
  return {};
}

// One is the other with fewer digits behind the point, rounded or cut.
bool is_rounded(const SpelledNumber& longer, const SpelledNumber& shorter) {
  const std::int64_t places =
      shorter.value.digits.empty() || shorter.value.exponent > 0 ? 0 : shorter.value.exponent;
  if (longer.value.digits.empty() || longer.value.exponent >= places) return false;
  const auto gap = gap_in_units(longer.value, shorter.value, places);
  if (!gap || *gap >= 1) return false;
  const bool is_cut = std::fabs(approximate(shorter)) < std::fabs(approximate(longer));
  return is_cut || *gap <= 0.5;
}

// Two computations of one number in binary floating point.
bool is_float_noise(const SpelledNumber& a, const SpelledNumber& b) {
  if (a.is_integer() && b.is_integer()) return false;  // ids, and they are exact
  if (std::max(a.value.digits.size(), b.value.digits.size()) < kNoiseDigits) return false;
  const double x = approximate(a);
  const double y = approximate(b);
  return std::fabs(x - y) <= kNoise * std::max(std::fabs(x), std::fabs(y));
}

std::string number_form(const SpelledNumber& a, const SpelledNumber& b) {
  if (a.has_leading_zeros != b.has_leading_zeros) return "leading zeros";
  if (a.has_exponent || b.has_exponent || a.scale == b.scale ||
      std::max(a.scale, b.scale) > kScaleToldMax) {
    return "number form";
  }
  return "scale " + std::to_string(a.scale) + "→" + std::to_string(b.scale);
}

}  // namespace

std::optional<SpelledNumber> read_number(std::string_view text) {
  if (text.empty() || text.size() > kNumberBytesMax) return std::nullopt;
  SpelledNumber out;
  out.text = text;
  std::size_t at = text[0] == '-' || text[0] == '+' ? 1 : 0;
  const std::size_t whole = digits_at(text, at);
  out.has_leading_zeros = whole > 1 && text[at] == '0';
  at += whole;
  if (at < text.size() && text[at] == '.') {
    out.scale = static_cast<int>(digits_at(text, at + 1));
    if (whole == 0 && out.scale == 0) return std::nullopt;
    at += 1 + static_cast<std::size_t>(out.scale);
  } else if (whole == 0) {
    return std::nullopt;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    out.has_exponent = true;
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    const std::size_t digits = digits_at(text, at);
    if (digits == 0) return std::nullopt;
    at += digits;
  }
  if (at != text.size()) return std::nullopt;
  if (text[0] == '+') text.remove_prefix(1);
  auto value = decimal_of(text);
  if (!value) return std::nullopt;
  out.value = *std::move(value);
  return out;
}

bool are_equal(const SpelledNumber& a, const SpelledNumber& b) {
  return a.value.digits == b.value.digits && a.value.exponent == b.value.exponent &&
         a.value.is_negative == b.value.is_negative;
}

std::string transition_of_numbers(const SpelledNumber& legacy, const SpelledNumber& candidate) {
  if (are_equal(legacy, candidate)) return number_form(legacy, candidate);
  const Decimal& a = legacy.value;
  const Decimal& b = candidate.value;
  if (a.digits == b.digits && a.exponent == b.exponent) return "sign";
  if (!a.digits.empty() && !b.digits.empty()) {
    if (const auto up = factor_of(legacy, candidate, true); !up.empty()) return std::string(up);
    if (const auto down = factor_of(candidate, legacy, false); !down.empty()) {
      return std::string(down);
    }
  }
  if (is_float_noise(legacy, candidate)) return "float noise";
  const bool is_whole =
      (a.digits.empty() || a.exponent >= 0) && (b.digits.empty() || b.exponent >= 0);
  if (const auto gap = gap_in_units(a, b, 0); is_whole && gap && *gap == 1) return "off by one";
  if (is_rounded(legacy, candidate)) return "rounded";
  if (is_rounded(candidate, legacy)) return "more digits";
  return {};
}

}  // namespace banyan::comparator
