// SPDX-License-Identifier: Apache-2.0
#include "core/model/secret_matchers.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "core/base/text.h"

namespace banyan::model {
namespace {

constexpr std::size_t kCardDigitsMin = 13;
constexpr std::size_t kCardDigitsMax = 19;
constexpr std::size_t kFirstGroupMin = 4;
constexpr std::size_t kInnerGroupMin = 3;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_card_separator(char c) { return c == ' ' || c == '-'; }
bool is_card_byte(char c) { return is_digit(c) || is_card_separator(c); }
bool is_letter(char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
bool is_word(char c) { return is_digit(c) || is_letter(c); }
bool is_beyond_ascii(char c) { return static_cast<unsigned char>(c) >= 0x80; }

// Prefixes of issuers with the lengths that they give out.
struct Issuer {
  std::uint32_t first, last;  // of the prefix, as a number of `prefix_digits`
  std::size_t prefix_digits;
  std::uint32_t lengths;  // bit n: n digits
};
constexpr std::uint32_t length(std::size_t digits) { return 1U << digits; }
constexpr std::uint32_t lengths(std::size_t from, std::size_t to) {
  return (length(to) << 1) - length(from);
}
constexpr Issuer kIssuers[] = {
    {4, 4, 1, length(13) | length(16) | length(19)},  // Visa
    {51, 55, 2, length(16)},
    {2221, 2720, 4, length(16)},  // Mastercard
    {34, 34, 2, length(15)},
    {37, 37, 2, length(15)},  // Amex
    {300, 305, 3, lengths(14, 19)},
    {36, 36, 2, lengths(14, 19)},  // Diners
    {38, 39, 2, lengths(14, 19)},
    {3528, 3589, 4, lengths(16, 19)},  // JCB
    {50, 50, 2, lengths(13, 19)},
    {56, 58, 2, lengths(13, 19)},      // Maestro
    {6, 6, 1, lengths(13, 19)},        // Discover, UnionPay, Maestro, RuPay, Elo
    {2200, 2204, 4, lengths(16, 19)},  // Mir
    {81, 82, 2, length(16)},
    {9792, 9792, 4, length(16)},  // RuPay, Troy
};

bool is_issued(const char* digits, std::size_t count) {
  for (const Issuer& issuer : kIssuers) {
    if ((issuer.lengths & length(count)) == 0) continue;
    std::uint32_t prefix = 0;
    for (std::size_t i = 0; i < issuer.prefix_digits; ++i) {
      prefix = prefix * 10 + static_cast<std::uint32_t>(digits[i] - '0');
    }
    if (prefix >= issuer.first && prefix <= issuer.last) return true;
  }
  return false;
}

bool passes_luhn(const char* digits, std::size_t count) {
  unsigned sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    unsigned digit = static_cast<unsigned>(digits[count - 1 - i] - '0');
    if (i % 2 == 1) digit = digit > 4 ? digit * 2 - 9 : digit * 2;
    sum += digit;
  }
  return sum % 10 == 0;
}

// Part of a decimal fraction such as 0.4111111111111111, not a number of a card.
bool is_in_fraction(std::string_view text, std::size_t begin, std::size_t end) {
  const bool is_behind_point = begin >= 2 && text[begin - 1] == '.' && is_digit(text[begin - 2]);
  const bool is_before_point = end + 1 < text.size() && text[end] == '.' && is_digit(text[end + 1]);
  return is_behind_point || is_before_point;
}

// The end of the longest card number whose first group begins at `begin`; 0 where there is none.
std::size_t card_end(std::string_view text, std::size_t begin) {
  std::array<char, kCardDigitsMax> digits{};
  std::size_t count = 0;
  std::size_t found = 0;
  std::size_t at = begin;
  while (true) {
    const std::size_t group = at;
    while (at < text.size() && is_digit(text[at])) {
      if (count == kCardDigitsMax) return found;
      digits[count++] = text[at++];
    }
    const std::size_t size = at - group;
    if (size == 0 || (group == begin && size < kFirstGroupMin)) return found;
    if (count >= kCardDigitsMin && is_issued(digits.data(), count) &&
        passes_luhn(digits.data(), count) && !is_in_fraction(text, begin, at)) {
      found = at;
    }
    const bool goes_on = size >= kInnerGroupMin && at + 1 < text.size() &&
                         is_card_separator(text[at]) && is_digit(text[at + 1]);
    if (!goes_on) return found;
    ++at;
  }
}

// From `at` on, the next run of at least `size_min` bytes of a class; only every size_min-th byte
// of the rest is looked at. False at the end of the text.
template <typename IsMember>
bool find_run(std::string_view text, std::size_t size_min, IsMember is_member, std::size_t& at,
              std::size_t& end) {
  std::size_t floor = at;
  for (std::size_t probe = at + size_min - 1; probe < text.size();) {
    if (!is_member(text[probe])) {
      floor = probe + 1;
      probe += size_min;
      continue;
    }
    std::size_t begin = probe;
    while (begin > floor && is_member(text[begin - 1])) --begin;
    end = probe + 1;
    while (end < text.size() && is_member(text[end])) ++end;
    if (end - begin >= size_min) {
      at = begin;
      return true;
    }
    floor = end;
    probe = end + size_min - 1;
  }
  return false;
}

bool is_local_byte(char c) {
  constexpr std::string_view kMarks = "._%+'~!#$^*-";
  return is_word(c) || is_beyond_ascii(c) || kMarks.find(c) != std::string_view::npos;
}
bool is_domain_byte(char c) { return is_word(c) || is_beyond_ascii(c) || c == '-' || c == '.'; }

// The end of "example.com" from `begin`; 0 where that is no name with a dot.
std::size_t domain_end(std::string_view text, std::size_t begin) {
  std::size_t end = begin;
  while (end < text.size() && is_domain_byte(text[end])) ++end;
  while (end > begin && (text[end - 1] == '.' || text[end - 1] == '-')) --end;
  const std::string_view domain = text.substr(begin, end - begin);
  const auto dot = domain.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || domain[0] == '-') return 0;
  const std::string_view last = domain.substr(dot + 1);
  const bool is_name = last.size() >= 2 && !is_digit(last[0]);
  return is_name ? end : 0;
}

bool is_base64url(char c) { return is_word(c) || c == '-' || c == '_'; }
bool is_token68(char c) {
  return is_word(c) || c == '-' || c == '_' || c == '.' || c == '~' || c == '+' || c == '/' ||
         c == '=';
}

constexpr std::size_t kCredentialMin = 8;
constexpr std::size_t kBearerWithoutDigitMin = 20;
constexpr std::size_t kJwtPartMin = 10;

// Something that a server could have made, unlike the next word of a sentence.
bool looks_made(std::string_view credential) {
  return credential.size() >= kBearerWithoutDigitMin ||
         std::any_of(credential.begin(), credential.end(), is_digit);
}

bool is_basic(std::string_view credential) {
  std::string padded(credential);
  while (padded.size() % 4 != 0) padded += '=';
  const auto plain = bytes_of_base64(padded);
  return plain && plain->find(':') != std::string::npos;
}

// True: "Bearer " or "Basic " stands right before `begin`, and what follows fits it.
bool is_credential_of_scheme(std::string_view text, std::size_t begin, std::size_t end) {
  std::size_t word_end = begin;
  while (word_end > 0 && text[word_end - 1] == ' ') --word_end;
  if (word_end == begin) return false;
  const std::string_view before = text.substr(0, word_end);
  const auto ends_with = [&before](std::string_view scheme) {
    if (before.size() < scheme.size()) return false;
    const auto at = before.size() - scheme.size();
    return equal_ignoring_case(before.substr(at), scheme) && (at == 0 || !is_word(before[at - 1]));
  };
  const std::string_view credential = text.substr(begin, end - begin);
  if (ends_with("bearer")) return looks_made(credential);
  return ends_with("basic") && is_basic(credential);
}

// The end of "eyJ….….…" at `begin` inside [begin, end); 0 where there is none.
std::size_t jwt_end(std::string_view text, std::size_t begin, std::size_t end) {
  std::size_t parts = 0;
  std::size_t at = begin;
  std::size_t found = 0;
  while (true) {
    const std::size_t part = at;
    while (at < end && is_base64url(text[at])) ++at;
    ++parts;
    // The third part, a signature, may be empty.
    if (parts <= 2 && at - part < kJwtPartMin) return 0;
    if (parts >= 3) found = at;
    if (parts == 5 || at >= end || text[at] != '.') return found;
    ++at;
  }
}

void find_jwts(std::string_view text, std::size_t begin, std::size_t end, std::size_t spans_max,
               std::vector<SecretSpan>& spans) {
  std::size_t at = begin;
  while (spans.size() < spans_max) {
    at = text.substr(0, end).find("eyJ", at);
    if (at == std::string_view::npos) return;
    std::size_t found = 0;
    if (at == 0 || !is_base64url(text[at - 1])) found = jwt_end(text, at, end);
    if (found != 0) spans.push_back({at, found});
    // Where it is none, no other can begin before the end of this first part.
    std::size_t next = at + 3;
    while (next < end && is_base64url(text[next])) ++next;
    at = std::max(next, found);
  }
}

}  // namespace

void find_cards(std::string_view text, std::size_t spans_max, std::vector<SecretSpan>& spans) {
  std::size_t at = 0;
  std::size_t end = 0;
  while (spans.size() < spans_max && find_run(text, kCardDigitsMin, is_card_byte, at, end)) {
    while (at < end && spans.size() < spans_max) {
      // To the beginning of the next group.
      while (at < end && !is_digit(text[at])) ++at;
      if (at == end) break;
      if (const std::size_t found = card_end(text, at); found != 0) {
        spans.push_back({at, found});
        at = found;
      }
      while (at < end && is_digit(text[at])) ++at;
    }
    at = std::max(at, end);
  }
}

void find_emails(std::string_view text, std::size_t spans_max, std::vector<SecretSpan>& spans) {
  std::size_t floor = 0;
  std::size_t mark = 0;
  while (spans.size() < spans_max && (mark = text.find('@', mark)) != std::string_view::npos) {
    std::size_t begin = mark;
    while (begin > floor && is_local_byte(text[begin - 1])) --begin;
    const std::size_t end = begin == mark ? 0 : domain_end(text, mark + 1);
    if (end != 0) spans.push_back({begin, end});
    floor = std::max(mark + 1, end);
    mark = floor;
  }
}

void find_credentials(std::string_view text, std::size_t spans_max,
                      std::vector<SecretSpan>& spans) {
  std::size_t at = 0;
  std::size_t end = 0;
  while (spans.size() < spans_max && find_run(text, kCredentialMin, is_token68, at, end)) {
    if (is_credential_of_scheme(text, at, end)) {
      spans.push_back({at, end});
    } else if (end - at >= 2 * kJwtPartMin + 2) {
      find_jwts(text, at, end, spans_max, spans);
    }
    at = end;
  }
}

bool may_hold_card(std::string_view text) {
  std::size_t at = 0;
  std::size_t end = 0;
  while (find_run(text, kCardDigitsMin, is_card_byte, at, end)) {
    const auto run = text.substr(at, end - at);
    const auto digits = std::count_if(run.begin(), run.end(), is_digit);
    if (static_cast<std::size_t>(digits) >= kCardDigitsMin) return true;
    at = end;
  }
  return false;
}

bool may_hold_email(std::string_view text) {
  return std::memchr(text.data(), '@', text.size()) != nullptr;
}

bool may_hold_credential(std::string_view text) {
  if (memmem(text.data(), text.size(), "eyJ", 3) != nullptr) return true;
  // A scheme ends with r or c and a space follows.
  for (std::size_t at = text.find(' '); at != std::string_view::npos; at = text.find(' ', at + 1)) {
    if (at < 5) continue;
    const char last = static_cast<char>(text[at - 1] | 0x20);
    if (last == 'r' && at >= 6 && equal_ignoring_case(text.substr(at - 6, 6), "bearer"))
      return true;
    if (last == 'c' && equal_ignoring_case(text.substr(at - 5, 5), "basic")) return true;
  }
  return false;
}

}  // namespace banyan::model
