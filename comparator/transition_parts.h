// SPDX-License-Identifier: Apache-2.0
//
// What transition.cc asks about numbers and times. For the comparator's own sources. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "comparator/decimal.h"

namespace banyan::comparator {

// A number as text, in JSON's spelling or with a plus sign, leading zeros or a bare point.
struct SpelledNumber {
  std::string_view text;
  Decimal value;
  int scale = 0;  // digits behind the point, as spelled
  bool has_exponent = false;
  bool has_leading_zeros = false;
  bool is_integer() const { return scale == 0 && !has_exponent; }
};
std::optional<SpelledNumber> read_number(std::string_view text);

bool are_equal(const SpelledNumber& a, const SpelledNumber& b);
// Equal numbers: "scale 2→4", "leading zeros" or "number form". Others: "sign", "×100", "off by
// one", "rounded" … or "".
std::string transition_of_numbers(const SpelledNumber& legacy, const SpelledNumber& candidate);

struct SpelledTime {
  enum class Form : std::uint8_t { kRfc3339, kImfFixdate, kEpoch, kDate };
  Form form = Form::kRfc3339;
  std::int64_t seconds = 0;  // since 1970, UTC; of a time without an offset as if it were UTC
  std::uint32_t nanoseconds = 0;
  int fraction_digits = 0;
  std::string_view zone;  // "Z", "+02:00", "" for none said
};
// Epochs only as whole seconds, ms, µs or ns between 1973 and 5138.
std::optional<SpelledTime> read_time(std::string_view text);
// "time zone form", "RFC 3339→epoch", "time precision", "time zone shift" … or "".
std::string transition_of_times(const SpelledTime& legacy, const SpelledTime& candidate);

}  // namespace banyan::comparator
