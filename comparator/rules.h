// SPDX-License-Identifier: Apache-2.0
//
// [[compare]] rules in the form in which the engine asks for them. For the comparator's own
// sources.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "comparator/compare.h"
#include "comparator/options.h"
#include "comparator/value_rules.h"
#include "core/json/path.h"

namespace banyan::comparator {

// Rules of one kind and place, over all tables.
inline constexpr std::size_t kRulesMax = 2000;
// Members of a key behind `by`.
inline constexpr std::size_t kKeyMembersMax = 8;

// Where a field of an answer stands.
enum class FieldPlace : std::uint8_t { kHeader, kTrailer };
std::string_view prefix_of(FieldPlace place);  // of paths: "header:"

struct FieldRule : ValueRule {
  FieldPlace place = FieldPlace::kHeader;
  std::string name;  // lower case, "*" for all
};

struct BodyRule : ValueRule {
  explicit BodyRule(json::PathPattern of) : pattern(std::move(of)) {}
  json::PathPattern pattern;
};

// The rules that hold at one node of a body: indexes into RuleSet::body(), -1 for none. Of the
// rules that cover differences the most specific ones hold: one that the node's own path gives, or
// one that it inherits.
struct NodeRules {
  std::int16_t ignore = -1;  // of a field and what lies below it
  std::int16_t unordered = -1;
  std::array<std::int16_t, 2> values{-1, -1};  // of the value alone
  bool is_inherited = false;                   // `ignore` was said of something above
  bool has_inner = false;                      // something below goes by other rules than `ignore`

  bool is_covered_whole() const { return ignore >= 0 && !has_inner; }
  bool has_value_rule() const { return values[0] >= 0; }
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

// What holds for one route at a time; borrows from the CompiledRules. Of several rules the most
// specific one wins, of equally specific ones the first.
class RuleSet {
 public:
  RuleSet(const CompiledRules& rules, std::string_view route, std::int64_t now_wall_ns = 0);

  // Each answers the text of the rule that covers a difference there, "" where none does.
  std::string_view status() const { return status_; }
  std::string_view whole_body() const { return whole_body_; }
  std::string_view field(FieldPlace place, std::string_view lower_name, DifferenceKind kind,
                         std::string_view legacy, std::string_view candidate) const;
  // Of something that has no one value on both sides.
  std::string_view covering(const NodeRules& node, DifferenceKind kind) const;
  // Of two values.
  std::string_view covering(const NodeRules& node, DifferenceKind kind, const Leaf& legacy,
                            const Leaf& candidate) const;
  // Of a null that is on one side alone.
  std::string_view covering_null(const NodeRules& node, DifferenceKind kind) const;

  bool names_field(FieldPlace place, std::string_view lower_name) const;
  const std::vector<const BodyRule*>& body() const { return body_; }
  // What is to be read as JSON before bodies are compared.
  const std::vector<const BodyRule*>& parsed() const { return parsed_; }
  // Which members of the candidate's have other names.
  const std::vector<const BodyRule*>& renames() const { return renames_; }
  // Of an index of NodeRules; "" of -1.
  std::string_view text_of(std::int16_t rule) const {
    return rule < 0 ? std::string_view() : body_[static_cast<std::size_t>(rule)]->text;
  }
  const ComparatorOptions& options() const { return options_; }

  // Fills `node`, whose parent's `ignore` is `inherited`; `accepts(i)` says whether the pattern of
  // body()[i] names it.
  template <typename Accepts>
  void settle(NodeRules& node, std::int16_t inherited, const Accepts& accepts) const;

 private:
  std::string_view field_rule(const FieldRule& rule, DifferenceKind kind, std::string_view legacy,
                              std::string_view candidate) const;

  const ComparatorOptions& options_;
  std::string_view status_;
  std::string_view whole_body_;
  std::vector<const FieldRule*> fields_;
  std::vector<const BodyRule*> body_;  // most specific first
  std::vector<const BodyRule*> parsed_;
  std::vector<const BodyRule*> renames_;
};

template <typename Accepts>
void RuleSet::settle(NodeRules& node, std::int16_t inherited, const Accepts& accepts) const {
  node.ignore = inherited;
  node.is_inherited = inherited >= 0;
  std::uint32_t rank =
      inherited < 0 ? 0 : body_[static_cast<std::size_t>(inherited)]->pattern.rank();
  std::size_t used = 0;
  for (std::size_t i = 0; i < body_.size(); ++i) {
    if (!accepts(i)) continue;
    const BodyRule& rule = *body_[i];
    const auto index = static_cast<std::int16_t>(i);
    if (rule.kind == RuleKind::kUnordered) {
      if (node.unordered < 0) node.unordered = index;
      continue;
    }
    if (rule.pattern.rank() < rank || index == inherited) continue;
    if (rule.pattern.rank() > rank) {
      rank = rule.pattern.rank();
      node.ignore = -1;
      node.is_inherited = false;
    }
    if (rule.covers_below()) {
      if (node.ignore < 0) node.ignore = index;
    } else if (used < node.values.size()) {
      node.values[used++] = index;
    }
  }
}

}  // namespace banyan::comparator
