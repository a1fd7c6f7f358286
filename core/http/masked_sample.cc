// SPDX-License-Identifier: Apache-2.0
#include "core/http/masked_sample.h"

#include <algorithm>
#include <array>

#include "core/base/text.h"
#include "core/http/char_classes.h"

namespace banyan::http {
namespace {

// Words that say what is wrong with a message and never what somebody wants to keep.
constexpr std::array<std::string_view, 28> kPlainWords{
    "HTTP",     "GET",   "HEAD",       "POST",     "PUT",     "DELETE",  "OPTIONS",
    "PATCH",    "TRACE", "CONNECT",    "PRI",      "Content", "Length",  "Transfer",
    "Encoding", "Host",  "Connection", "Expect",   "Upgrade", "Trailer", "chunked",
    "close",    "keep",  "alive",      "identity", "gzip",    "TE",      "http"};

bool is_alphanumeric(char c) {
  return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool is_plain_word(std::string_view word) {
  return std::any_of(kPlainWords.begin(), kPlainWords.end(),
                     [&](std::string_view plain) { return equal_ignoring_case(plain, word); });
}

void append_word(std::string& out, std::string_view word) {
  if (is_plain_word(word)) {
    out.append(word);
    return;
  }
  for (const char c : word) out.push_back(is_digit(c) ? '0' : 'x');
}

void append_other(std::string& out, char c) {
  static constexpr char kDigits[] = "0123456789abcdef";
  switch (c) {
    case '\r': out.append("\\r"); return;
    case '\n': out.append("\\n"); return;
    case '\t': out.append("\\t"); return;
    default: break;
  }
  const auto byte = static_cast<unsigned char>(c);
  if (byte >= 0x80) {
    out.append("\\x80");  // Which one it is belongs to the value.
  } else if (byte < 0x20 || byte == 0x7f) {
    out.append("\\x").push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 0xf]);
  } else {
    // What separates stays; other marks are a part of somebody's value.
    static constexpr std::string_view kSeparators = " :;,=/?#[]()<>@\"\\_-.+*";
    out.push_back(kSeparators.find(c) != std::string_view::npos ? c : '.');
  }
}

}  // namespace

std::string masked_sample(std::string_view bytes, std::size_t position) {
  position = std::min(position, bytes.size());
  const std::size_t half = kSampleBytesMax / 2;
  const std::size_t begin = position > half ? position - half : 0;
  const std::size_t end = std::min(bytes.size(), begin + kSampleBytesMax);
  std::string out;
  std::size_t at = begin;
  while (at < end) {
    std::size_t word_end = at;
    while (word_end < end && is_alphanumeric(bytes[word_end])) ++word_end;
    // A word that the window cuts is no whole word, and could only look like one.
    const bool is_cut = (at == begin && begin > 0 && is_alphanumeric(bytes[begin - 1])) ||
                        (word_end == end && end < bytes.size() && is_alphanumeric(bytes[end]));
    if (word_end > at && is_cut) {
      for (; at < word_end; ++at) out.push_back(is_digit(bytes[at]) ? '0' : 'x');
    } else if (word_end > at) {
      append_word(out, bytes.substr(at, word_end - at));
      at = word_end;
    } else {
      append_other(out, bytes[at++]);
    }
  }
  return out;
}

}  // namespace banyan::http
