// SPDX-License-Identifier: Apache-2.0
//
// What a rule says of two values. For the comparator's own sources. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "comparator/decimal.h"
#include "comparator/transition.h"
#include "core/model/record.h"

namespace banyan::comparator {

// What tells items apart: for each member of the key the names that lead down to it.
using ItemKey = std::vector<std::vector<std::string>>;
// What items of lists go by where no rule says it, the first that tells them apart.
inline constexpr std::array<std::string_view, 6> kKeyNames = {"id",   "uuid", "key",
                                                              "code", "sku",  "name"};

struct ValueRule {
  enum class Kind : std::uint8_t {
    // Of a field and what lies below it: kIgnore keeps that it is there and of which type,
    // kPresence that it is there, kIgnoreAll nothing.
    kIgnore,
    kPresence,
    kIgnoreAll,
    kUnordered,
    kParseAs,
    kRename,
    // Of two values: covers() knows.
    kTolerance,
    kShape,
    kTime,
    kCoerce,
    kNullEqAbsent,
    kUnit,
    kEnumMap,
    kUrl,
  };
  Kind kind = Kind::kIgnore;
  std::string text;  // as differences show it: "ignore header:X-Request-Id"
  ItemKey by;        // kUnordered; empty for a multiset
  double absolute = 0, relative = 0;
  std::int64_t skew_ns = 0;
  std::optional<Decimal> factor;
  std::vector<std::pair<std::string, std::string>> map;  // kRename: legacy's names first
  bool is_base64 = false;

  bool covers_below() const { return kind <= Kind::kIgnoreAll; }
};

using RuleKind = ValueRule::Kind;

// What a value looks like; the same words for both sides, and never a part of the value but the
// version of a UUID.
std::string format_of(const Leaf& leaf);
// Whether a rule of what lies below a field (covers_below()) covers a difference of the field
// itself.
bool covers_kind(RuleKind rule, DifferenceKind difference);
// Whether the rule covers that the values differ, in type as well. `a` is legacy's.
bool covers(const ValueRule& rule, const Leaf& a, const Leaf& b);

}  // namespace banyan::comparator
