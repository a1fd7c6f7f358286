// SPDX-License-Identifier: Apache-2.0
//
// JSON numbers compared as the decimals they are written as, never as binary floating point.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace banyan::comparator {

// digits * 10^exponent; no zeros at either end of `digits`, "" for zero.
struct Decimal {
  bool is_negative = false;
  std::string digits;
  std::int64_t exponent = 0;
};

// Of a number in JSON's spelling; nullopt where its exponent has more than 15 digits.
std::optional<Decimal> decimal_of(std::string_view number);
// |a - b| in units of 10^exponent; nullopt past 36 digits.
std::optional<double> gap_in_units(const Decimal& a, const Decimal& b, std::int64_t exponent);

// Appends one spelling for all spellings of a number: 1, 1.0 and 10e-1 give the same, -0 and 0 as
// well. Exponents of more than 15 digits are left as they are spelled.
void append_canonical_number(std::string& out, std::string_view number);

// |a - b| <= max(absolute, relative * max(|a|, |b|)), exact where all of it fits 36 digits.
bool is_within(std::string_view a, std::string_view b, double absolute, double relative);

// The shortest spelling that reads back as the same.
std::string shortest_text(double number);
std::string shortest_text(float number);

}  // namespace banyan::comparator
