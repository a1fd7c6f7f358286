// SPDX-License-Identifier: Apache-2.0
#include "comparator/order_shape.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <utility>
#include <vector>

#include "comparator/value_rules.h"
#include "core/json/value.h"

namespace banyan::comparator {
namespace {

constexpr std::size_t kRankedMax = 4;  // 24 orders are fewer than ShapeTally::kShapesMax

using json::Value;

// The whole items of an array whose text may be cut.
std::vector<Value> items_of(std::string_view shown) {
  std::vector<Value> out;
  std::size_t begin = 1;
  int depth = 0;
  bool is_in_text = false;
  for (std::size_t at = 1; at < shown.size(); ++at) {
    const char c = shown[at];
    if (is_in_text) {
      if (c == '\\') ++at;
      is_in_text = c != '"';
      continue;
    }
    is_in_text = c == '"';
    if (c == '[' || c == '{') ++depth;
    const bool is_end = depth == 0 && (c == ',' || c == ']');
    if (is_end) {
      auto item = json::parse(shown.substr(begin, at - begin));
      if (!item.ok()) return out;
      out.push_back(*std::move(item));
      begin = at + 1;
      if (c == ']') return out;
    }
    if (c == ']' || c == '}') --depth;
  }
  return out;
}

bool is_ranked(const Value& value) {
  return value.type == Value::Type::kNumber || value.type == Value::Type::kString;
}

// What each item goes by; empty where they have nothing in common.
std::vector<const Value*> ranked_by(const std::vector<Value>& items) {
  const auto all = [&](auto part_of) {
    std::vector<const Value*> out;
    for (const Value& item : items) {
      const Value* const part = part_of(item);
      if (part == nullptr || !is_ranked(*part)) return std::vector<const Value*>();
      if (!out.empty() && part->type != out.front()->type) return std::vector<const Value*>();
      out.push_back(part);
    }
    return out;
  };
  auto out = all([](const Value& item) { return &item; });
  for (const std::string_view name : kKeyNames) {
    if (!out.empty()) return out;
    out = all([name](const Value& item) { return item.find(name); });
  }
  return out;
}

bool is_below(const Value& a, const Value& b) {
  if (a.type == Value::Type::kString) return a.text < b.text;
  return std::strtod(a.text.c_str(), nullptr) < std::strtod(b.text.c_str(), nullptr);
}

}  // namespace

std::string order_shape(std::string_view shown) {
  if (!shown.starts_with('[')) return {};
  const std::vector<Value> items = items_of(shown);
  const std::vector<const Value*> by = ranked_by(items);
  if (by.size() < 2) return {};
  const auto rises = [](const Value* a, const Value* b) { return is_below(*a, *b); };
  const auto falls = [](const Value* a, const Value* b) { return is_below(*b, *a); };
  if (std::is_sorted(by.begin(), by.end(), rises)) return "ascending";
  if (std::is_sorted(by.begin(), by.end(), falls)) return "descending";
  const std::size_t count = std::min(by.size(), kRankedMax);
  std::string out = "ranks ";
  for (std::size_t i = 0; i < count; ++i) {
    const auto below = std::count_if(by.begin(), by.begin() + static_cast<std::ptrdiff_t>(count),
                                     [&](const Value* one) { return is_below(*one, *by[i]); });
    if (i > 0) out += '-';
    out += std::to_string(below + 1);
  }
  return out;
}

}  // namespace banyan::comparator
