// SPDX-License-Identifier: Apache-2.0
//
// JSON numbers compared as the decimals they are written as, never as binary floating point.
#pragma once

#include <string>
#include <string_view>

namespace banyan::comparator {

// Appends one spelling for all spellings of a number: 1, 1.0 and 10e-1 give the same, -0 and 0 as
// well. Exponents of more than 15 digits are left as they are spelled.
void append_canonical_number(std::string& out, std::string_view number);

// |a - b| <= max(absolute, relative * max(|a|, |b|)), exact where all of it fits 36 digits.
bool is_within(std::string_view a, std::string_view b, double absolute, double relative);

}  // namespace banyan::comparator
