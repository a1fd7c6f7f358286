// SPDX-License-Identifier: Apache-2.0
#include "comparator/value_rules.h"

#include <algorithm>
#include <cstdlib>

#include "comparator/transition_parts.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

bool is_of(std::string_view text, const char* characters) {
  return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
}

constexpr const char* kHexCharacters = "0123456789abcdefABCDEF";

// The version digit of 8-4-4-4-12 hex digits, '\0' where it is none.
char uuid_version(std::string_view text) {
  if (text.size() != 36) return '\0';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (is_dash ? text[i] != '-'
                : std::string_view(kHexCharacters).find(text[i]) == std::string_view::npos) {
      return '\0';
    }
  }
  return text[14];
}

// Where the host of an absolute URL begins and ends; nullopt where it is none.
std::optional<std::pair<std::size_t, std::size_t>> host_of(std::string_view url) {
  const std::size_t colon = url.find("://");
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  const bool is_scheme =
      std::all_of(url.begin(), url.begin() + static_cast<std::ptrdiff_t>(colon), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '+' || c == '-' || c == '.';
      });
  if (!is_scheme) return std::nullopt;
  const std::size_t start = colon + 3;
  return std::pair(start, std::min(url.find_first_of("/?#", start), url.size()));
}

bool are_within_skew(const Leaf& a, const Leaf& b, std::int64_t skew_ns) {
  const auto x = read_time(a.text);
  const auto y = read_time(b.text);
  if (!x || !y) return false;
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::int64_t seconds = x->seconds - y->seconds;
  if (std::abs(seconds) > skew_ns / kSecond + 1) return false;
  const std::int64_t gap = seconds * kSecond + (static_cast<std::int64_t>(x->nanoseconds) -
                                                static_cast<std::int64_t>(y->nanoseconds));
  return std::abs(gap) <= skew_ns;
}

// The same digits, whether they are a number, a text or a boolean's word.
bool are_coerced(const Leaf& a, const Leaf& b) {
  if (a.type == LeafType::kNull || b.type == LeafType::kNull) return false;
  const auto x = read_number(a.text);
  const auto y = read_number(b.text);
  if (x && y) return are_equal(*x, *y);
  return a.text == b.text;
}

// Digits of at most kDigitsMax; nullopt past that.
std::optional<Decimal> product(const Decimal& a, const Decimal& b) {
  constexpr std::size_t kDigitsMax = 64;
  if (a.digits.size() > kDigitsMax || b.digits.size() > kDigitsMax) return std::nullopt;
  Decimal out;
  if (a.digits.empty() || b.digits.empty()) return out;
  std::vector<int> sums(a.digits.size() + b.digits.size(), 0);
  for (std::size_t i = a.digits.size(); i-- > 0;) {
    for (std::size_t k = b.digits.size(); k-- > 0;) {
      sums[i + k + 1] += (a.digits[i] - '0') * (b.digits[k] - '0');
    }
  }
  for (std::size_t i = sums.size(); i-- > 1;) {
    sums[i - 1] += sums[i] / 10;
    sums[i] %= 10;
  }
  for (const int digit : sums) {
    if (digit != 0 || !out.digits.empty()) out.digits.push_back(static_cast<char>('0' + digit));
  }
  out.exponent = a.exponent + b.exponent;
  while (!out.digits.empty() && out.digits.back() == '0') {
    out.digits.pop_back();
    ++out.exponent;
  }
  out.is_negative = a.is_negative != b.is_negative;
  return out;
}

bool are_in_unit(const Leaf& a, const Leaf& b, const Decimal& factor) {
  if (a.type != b.type) return false;
  const auto x = read_number(a.text);
  const auto y = read_number(b.text);
  if (!x || !y) return false;
  const auto wanted = product(x->value, factor);
  return wanted && wanted->is_negative == y->value.is_negative &&
         wanted->digits == y->value.digits &&
         (wanted->digits.empty() || wanted->exponent == y->value.exponent);
}

using Map = std::vector<std::pair<std::string, std::string>>;

bool is_mapped(const Map& map, std::string_view a, std::string_view b) {
  return std::any_of(map.begin(), map.end(),
                     [&](const auto& pair) { return pair.first == a && pair.second == b; });
}

// The same but for a host that the map leads from legacy's to the candidate's.
bool are_mapped_urls(std::string_view a, std::string_view b, const Map& hosts) {
  const auto x = host_of(a);
  const auto y = host_of(b);
  if (!x || !y) return false;
  const auto host = [](std::string_view url, const auto& at) {
    return to_lower(url.substr(at.first, at.second - at.first));
  };
  return equal_ignoring_case(a.substr(0, x->first), b.substr(0, y->first)) &&
         a.substr(x->second) == b.substr(y->second) &&
         (host(a, *x) == host(b, *y) || is_mapped(hosts, host(a, *x), host(b, *y)));
}

}  // namespace

std::string format_of(const Leaf& leaf) {
  if (leaf.type == LeafType::kNull) return "null";
  if (leaf.type == LeafType::kBoolean) return "boolean";
  const auto number = read_number(leaf.text);
  if (leaf.type == LeafType::kNumber) {
    return number && number->is_integer() ? "integer" : "decimal";
  }
  const std::string_view text = leaf.text;
  if (text.empty()) return "empty";
  if (const char version = uuid_version(text); version != '\0') {
    return std::string("uuid ") + version;
  }
  if (number) return number->is_integer() ? "digits" : "decimal digits";
  if (const auto time = read_time(text)) {
    return "time " + std::to_string(static_cast<int>(time->form));
  }
  if (host_of(text)) return "url";
  if (text.size() >= 16 && is_of(text, kHexCharacters)) return "hex " + std::to_string(text.size());
  const std::size_t at = text.find('@');
  const bool has_blank = text.find_first_of(" \t\r\n") != std::string_view::npos;
  if (at != std::string_view::npos && at > 0 && !has_blank &&
      text.find('.', at) != std::string_view::npos) {
    return "email";
  }
  return has_blank ? "text" : "word";
}

bool covers_kind(RuleKind rule, DifferenceKind difference) {
  const bool is_of_presence =
      difference == DifferenceKind::kMissing || difference == DifferenceKind::kExtra;
  if (rule == RuleKind::kIgnore) return !is_of_presence && difference != DifferenceKind::kType;
  return rule == RuleKind::kIgnoreAll || !is_of_presence;
}

bool covers(const ValueRule& rule, const Leaf& a, const Leaf& b) {
  switch (rule.kind) {
    case RuleKind::kTolerance:
      return a.type == LeafType::kNumber && b.type == LeafType::kNumber &&
             is_within(a.text, b.text, rule.absolute, rule.relative);
    case RuleKind::kShape: return a.type == b.type && format_of(a) == format_of(b);
    case RuleKind::kTime: return are_within_skew(a, b, rule.skew_ns);
    case RuleKind::kCoerce: return are_coerced(a, b);
    case RuleKind::kUnit: return are_in_unit(a, b, *rule.factor);
    case RuleKind::kEnumMap: return is_mapped(rule.map, a.text, b.text);
    case RuleKind::kUrl: return are_mapped_urls(a.text, b.text, rule.map);
    case RuleKind::kIgnore:
    case RuleKind::kPresence:
    case RuleKind::kIgnoreAll:
    case RuleKind::kUnordered:
    case RuleKind::kParseAs:
    case RuleKind::kRename:
    case RuleKind::kNullEqAbsent: return false;
  }
  return false;
}

}  // namespace banyan::comparator
