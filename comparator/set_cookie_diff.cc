// SPDX-License-Identifier: Apache-2.0
#include "comparator/set_cookie_diff.h"

#include <map>
#include <utility>

#include "core/base/text.h"

namespace banyan::comparator {
namespace {

struct Cookie {
  std::string value;
  std::map<std::string, std::string> attributes;  // lower-case names
  std::string line;
};

// A second cookie of one name and path replaces the first in a browser; of one name alone both
// stay, so the number is part of the key.
std::map<std::string, Cookie> by_name(const std::vector<std::string_view>& lines) {
  std::map<std::string, Cookie> out;
  for (const std::string_view line : lines) {
    const auto parts = split(line, ';');
    const std::string_view pair = trim(parts[0]);
    const std::size_t equals = pair.find('=');
    Cookie cookie;
    cookie.line = line;
    std::string name(equals == std::string_view::npos ? pair : trim(pair.substr(0, equals)));
    if (equals != std::string_view::npos) cookie.value = trim(pair.substr(equals + 1));
    for (std::size_t i = 1; i < parts.size(); ++i) {
      const std::string_view part = trim(parts[i]);
      if (part.empty()) continue;
      const std::size_t mark = part.find('=');
      std::string attribute = to_lower(trim(part.substr(0, mark)));
      std::string_view told =
          mark == std::string_view::npos ? std::string_view() : trim(part.substr(mark + 1));
      const bool ignores_case = attribute == "samesite" || attribute == "domain";
      cookie.attributes[std::move(attribute)] = ignores_case ? to_lower(told) : std::string(told);
    }
    std::string key = name;
    for (int copy = 2; out.count(key) > 0; ++copy) key = name + "#" + std::to_string(copy);
    out.emplace(std::move(key), std::move(cookie));
  }
  return out;
}

void compare_attributes(const std::string& name, const Cookie& a, const Cookie& b,
                        std::vector<CookieDifference>& out) {
  for (const auto& [attribute, value] : a.attributes) {
    const std::string at = "[" + name + "]." + attribute;
    const auto found = b.attributes.find(attribute);
    if (found == b.attributes.end()) {
      out.push_back({DifferenceKind::kMissing, at, a.line, b.line});
    } else if (found->second != value && attribute != "expires") {
      out.push_back({DifferenceKind::kValue, at, value, found->second});
    }
  }
  for (const auto& [attribute, value] : b.attributes) {
    if (a.attributes.count(attribute) > 0) continue;
    out.push_back({DifferenceKind::kExtra, "[" + name + "]." + attribute, a.line, b.line});
  }
}

}  // namespace

std::vector<CookieDifference> compare_set_cookies(const std::vector<std::string_view>& legacy,
                                                  const std::vector<std::string_view>& candidate) {
  const auto a = by_name(legacy);
  const auto b = by_name(candidate);
  std::vector<CookieDifference> out;
  for (const auto& [name, cookie] : a) {
    const auto found = b.find(name);
    if (found == b.end()) {
      out.push_back({DifferenceKind::kMissing, "[" + name + "]", cookie.line, {}});
      continue;
    }
    if (cookie.value != found->second.value) {
      out.push_back({DifferenceKind::kValue, "[" + name + "]", cookie.value, found->second.value});
    }
    compare_attributes(name, cookie, found->second, out);
  }
  for (const auto& [name, cookie] : b) {
    if (a.count(name) == 0) {
      out.push_back({DifferenceKind::kExtra, "[" + name + "]", {}, cookie.line});
    }
  }
  return out;
}

}  // namespace banyan::comparator
