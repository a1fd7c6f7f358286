// SPDX-License-Identifier: Apache-2.0
//
// What a character is, in ASCII and whatever the locale. For the comparator's own sources. Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace banyan::comparator {

// White space of XML and JSON; of HTML.
inline constexpr std::string_view kBlanks = " \t\r\n";
inline constexpr std::string_view kHtmlBlanks = " \t\n\f\r";

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
inline bool is_alphanumeric(char c) { return is_letter(c) || is_digit(c); }
inline bool is_blank(char c) { return kBlanks.find(c) != std::string_view::npos; }
inline bool is_html_blank(char c) { return kHtmlBlanks.find(c) != std::string_view::npos; }

inline bool holds_only(std::string_view text, std::string_view chars) {
  return text.find_first_not_of(chars) == std::string_view::npos;
}

// A name that a programmer wrote, of a parameter or a header field, has no more than this.
inline constexpr std::size_t kPlainNameBytesMax = 40;

// What a programmer writes. Tokens, percent-coding and sentences are none of it.
inline bool is_plain(std::string_view text, std::size_t bytes_max) {
  return !text.empty() && text.size() <= bytes_max &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alphanumeric(c) || c == '_' || c == '-' || c == '.'; });
}

}  // namespace banyan::comparator
