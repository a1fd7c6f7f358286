// SPDX-License-Identifier: Apache-2.0
#include "core/base/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace banyan {
namespace {

// Ranges all of whose code points are starters with NFC_QC=Yes, in order (Unicode 15,
// DerivedNormalizationProps.txt). What begins a composition may stand in them, what is appended to
// one may not.
struct Range {
  std::uint32_t first, last;
};
constexpr std::array<Range, 11> kPlain{{
    {0x0000, 0x02FF},    // Latin
    {0x0400, 0x0482},    // Cyrillic
    {0x048A, 0x058F},    // Cyrillic, Armenian
    {0x2010, 0x2027},    // dashes and quotation marks
    {0x2030, 0x205E},    // further punctuation
    {0x20A0, 0x20C0},    // currency signs
    {0x3041, 0x3096},    // Hiragana
    {0x30A0, 0x30FF},    // Katakana
    {0x4E00, 0x9FFF},    // unified ideographs
    {0xAC00, 0xD7A3},    // Hangul syllables
    {0x1F300, 0x1FAFF},  // pictographs
}};

bool is_plain(std::uint32_t code) {
  const auto* const found =
      std::find_if(kPlain.begin(), kPlain.end(), [&](const Range& r) { return code <= r.last; });
  return found != kPlain.end() && code >= found->first;
}

// True where the text is UTF-8 and no run of combining marks is longer than allowed.
bool can_be_normalized(std::string_view text) {
  if (text.size() > kNormalizedBytesMax) return false;
  const auto* at = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  auto left = static_cast<utf8proc_ssize_t>(text.size());
  std::size_t run = 0;
  while (left > 0) {
    utf8proc_int32_t code = 0;
    const utf8proc_ssize_t size = utf8proc_iterate(at, left, &code);
    if (size <= 0) return false;
    run = utf8proc_get_property(code)->combining_class == 0 ? 0 : run + 1;
    if (run > kCombiningMarksMax) return false;
    at += size;
    left -= size;
  }
  return true;
}

}  // namespace

bool is_ascii(std::string_view bytes) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  std::uint64_t all = 0;
  for (; bytes.size() >= sizeof all; bytes.remove_prefix(sizeof all)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof word);
    all |= word;
  }
  unsigned char rest = 0;
  for (const char c : bytes) rest |= static_cast<unsigned char>(c);
  return (all & kHighBits) == 0 && rest < 0x80;
}

bool is_surely_nfc(std::string_view utf8) {
  if (is_ascii(utf8)) return true;
  const auto* at = reinterpret_cast<const utf8proc_uint8_t*>(utf8.data());
  auto left = static_cast<utf8proc_ssize_t>(utf8.size());
  while (left > 0) {
    utf8proc_int32_t code = 0;
    const utf8proc_ssize_t size = utf8proc_iterate(at, left, &code);
    if (size <= 0 || !is_plain(static_cast<std::uint32_t>(code))) return false;
    at += size;
    left -= size;
  }
  return true;
}

void append_nfc(std::string& out, std::string_view text) {
  const auto release = [](utf8proc_uint8_t* bytes) { std::free(bytes); };
  if (can_be_normalized(text)) {
    utf8proc_uint8_t* made = nullptr;
    const utf8proc_ssize_t size =
        utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                     static_cast<utf8proc_ssize_t>(text.size()), &made,
                     static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    const std::unique_ptr<utf8proc_uint8_t, decltype(release)> owned(made, release);
    if (size >= 0) {
      out.append(reinterpret_cast<const char*>(made), static_cast<std::size_t>(size));
      return;
    }
  }
  out.append(text);
}

bool is_same_text(std::string_view a, std::string_view b) {
  if (a == b || (is_surely_nfc(a) && is_surely_nfc(b))) return a == b;
  std::string left;
  std::string right;
  append_nfc(left, a);
  append_nfc(right, b);
  return left == right;
}

}  // namespace banyan
