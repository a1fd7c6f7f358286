// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/base/text.h"
#include "core/base/unicode.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace banyan;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  parse_u64(text);
  parse_double(text);
  parse_duration_ns(text);
  parse_size(text);
  if (const auto time = parse_time(text, 0)) format_time(*time);
  percent_decode(text);
  if (const auto bytes = bytes_of_base64(text)) {
    if (bytes_of_base64(base64_of_bytes(*bytes)) != bytes) std::abort();
  }
  // Whatever goes in, what comes out is text that a terminal or a page can show.
  const std::string shown = escape_for_terminal(text);
  if (!is_utf8(shown)) std::abort();
  for (const char c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) std::abort();
  }
  const std::string page = escape_for_html(text);
  if (!is_utf8(page) || page.find_first_of("<>\"'") != std::string::npos) std::abort();
  // What is in the form stays in it, and what is said to be in it is.
  std::string once;
  append_nfc(once, text);
  std::string twice;
  append_nfc(twice, once);
  if (once != twice || (is_surely_nfc(text) && once != text)) std::abort();
  if (size < 64) glob_match(text, text);
  return 0;
}
