// SPDX-License-Identifier: Apache-2.0
#include "interchange/shell_quote.h"

#include <algorithm>

namespace banyan::interchange {
namespace {

// Linux takes 128 KiB for one argument; the quoted form is up to four times as long in the script.
constexpr std::size_t kArgumentBytesMax = 64 * 1024;

bool is_printable(char c) { return c >= 0x20 && c < 0x7f; }

}  // namespace

std::string shell_quote(std::string_view bytes) {
  // Inside '…' nothing means anything; only ' itself cannot stand there.
  if (std::all_of(bytes.begin(), bytes.end(),
                  [](char c) { return is_printable(c) && c != '\''; })) {
    return "'" + std::string(bytes) + "'";
  }
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "$'";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\'' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (is_printable(c)) {
      out.push_back(c);
    } else {
      // Always two digits, so that a digit of the text behind is never taken for one.
      out.append("\\x");
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 0xF]);
    }
  }
  return out + "'";
}

bool fits_an_argument(std::string_view bytes) {
  return bytes.size() <= kArgumentBytesMax && bytes.find('\0') == std::string_view::npos;
}

}  // namespace banyan::interchange
