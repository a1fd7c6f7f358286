// SPDX-License-Identifier: Apache-2.0
//
// [[compare]] rules in the form in which the engine asks for them. For the comparator's own
// sources.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/compare.h"
#include "comparator/options.h"
#include "core/json/path.h"

namespace banyan::comparator {

// Rules of one kind and place, over all tables.
inline constexpr std::size_t kRulesMax = 2000;

// Where a field of an answer stands.
enum class FieldPlace : std::uint8_t { kHeader, kTrailer };
std::string_view prefix_of(FieldPlace place);  // of paths: "header:"

struct FieldRule {
  FieldPlace place;
  std::string name;  // lower case, "*" for all
  std::string text;  // as shown in a difference: "ignore header:X-Request-Id"
};

struct BodyRule {
  enum class Kind : std::uint8_t { kIgnore, kUnordered, kTolerance };
  Kind kind;
  json::PathPattern pattern;
  std::string text;
  std::vector<std::string> by;  // kUnordered: names down to the key, empty for a multiset
  double absolute = 0;          // kTolerance
  double relative = 0;
};

// The rules that hold at one node of a body: indexes into RuleSet::body(), -1 for none.
struct NodeRules {
  std::int16_t ignore = -1;  // inherited
  std::int16_t unordered = -1;
  std::int16_t tolerance = -1;

  // Of several of one kind the first wins.
  void add(BodyRule::Kind kind, std::size_t index) {
    std::int16_t& slot = kind == BodyRule::Kind::kIgnore      ? ignore
                         : kind == BodyRule::Kind::kUnordered ? unordered
                                                              : tolerance;
    if (slot < 0) slot = static_cast<std::int16_t>(index);
  }
};

struct CompiledRules::Impl {
  struct Table {
    std::vector<std::string> routes;
    std::vector<FieldRule> fields;
    std::vector<BodyRule> body;
    std::string status;                // text of the rule that ignores it, "" for none
    std::string whole_body;            // likewise
    std::int64_t expires_wall_ns = 0;  // 0: never
  };
  ComparatorOptions options;
  std::vector<Table> tables;
  std::uint64_t version = 0;
};

// What holds for one route at a time; borrows from the CompiledRules. Among several rules the first
// one wins.
class RuleSet {
 public:
  RuleSet(const CompiledRules& rules, std::string_view route, std::int64_t now_wall_ns = 0);

  // Each answers the text of the rule that covers a difference there, "" where none does.
  std::string_view status() const { return status_; }
  std::string_view whole_body() const { return whole_body_; }
  std::string_view field(FieldPlace place, std::string_view lower_name) const;
  const std::vector<const BodyRule*>& body() const { return body_; }
  // Of an index of NodeRules; "" of -1.
  std::string_view text_of(std::int16_t rule) const {
    return rule < 0 ? std::string_view() : body_[static_cast<std::size_t>(rule)]->text;
  }
  const ComparatorOptions& options() const { return options_; }

 private:
  const ComparatorOptions& options_;
  std::string_view status_;
  std::string_view whole_body_;
  std::vector<const FieldRule*> fields_;
  std::vector<const BodyRule*> body_;
};

}  // namespace banyan::comparator
