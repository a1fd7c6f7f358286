// SPDX-License-Identifier: Apache-2.0
#include "comparator/token_keys.h"

#include <cstddef>
#include <optional>

#include "comparator/chars.h"

namespace banyan::comparator {
namespace {

constexpr std::string_view kPrefix = "banyan:t:";
constexpr std::size_t kHexDigits = 32;
constexpr std::size_t kNumberDigitsMax = 10;

bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

struct Token {
  std::string_view key = "1";
  std::string_view digits;
  std::size_t size = 0;
};

// "banyan:t:HEX" or "banyan:t:NUMBER:HEX" at the beginning of the text.
std::optional<Token> read_token(std::string_view text) {
  if (!text.starts_with(kPrefix)) return std::nullopt;
  Token token;
  std::size_t at = kPrefix.size();
  std::size_t number = 0;
  while (number < kNumberDigitsMax && at + number < text.size() && is_digit(text[at + number])) {
    ++number;
  }
  if (number > 0 && at + number < text.size() && text[at + number] == ':') {
    token.key = text.substr(at, number);
    at += number + 1;
  }
  token.digits = text.substr(at, kHexDigits);
  if (token.digits.size() < kHexDigits) return std::nullopt;
  for (const char c : token.digits) {
    if (!is_hex(c)) return std::nullopt;
  }
  token.size = at + kHexDigits;
  return token;
}

}  // namespace

bool differ_only_by_key(std::string_view a, std::string_view b) {
  bool has_other_key = false;
  while (true) {
    const std::size_t at_a = a.find(kPrefix);
    const std::size_t at_b = b.find(kPrefix);
    if (a.substr(0, at_a) != b.substr(0, at_b)) return false;
    if (at_a == std::string_view::npos || at_b == std::string_view::npos) {
      return at_a == at_b && has_other_key;
    }
    a.remove_prefix(at_a);
    b.remove_prefix(at_b);
    const auto token_a = read_token(a);
    const auto token_b = read_token(b);
    if (!token_a || !token_b) return false;
    if (token_a->key != token_b->key) {
      has_other_key = true;
    } else if (token_a->digits != token_b->digits) {
      return false;
    }
    a.remove_prefix(token_a->size);
    b.remove_prefix(token_b->size);
  }
}

}  // namespace banyan::comparator
