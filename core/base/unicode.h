// SPDX-License-Identifier: Apache-2.0
//
// Texts that are the same characters in another Unicode form (UAX 15: "é" as one code point, or as
// e and an accent) brought to one: normalization form C. Never NFKC, which changes what is said.
// Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace banyan {

bool is_ascii(std::string_view bytes);

// Texts longer than this, and runs of more combining marks than these (UAX 15, Stream-Safe Text
// Format), stay as they are: ordering the marks of a run costs the square of its length.
inline constexpr std::size_t kNormalizedBytesMax = 1 << 20;
inline constexpr std::size_t kCombiningMarksMax = 30;

// True only of texts in NFC: those of scripts that have nothing to compose. One pass, no table.
bool is_surely_nfc(std::string_view utf8);

// Appends `text` in NFC; as it is where it is not UTF-8, or past a bound above.
void append_nfc(std::string& out, std::string_view text);

// Whether both are the same once in NFC.
bool is_same_text(std::string_view a, std::string_view b);

}  // namespace banyan
