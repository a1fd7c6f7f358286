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

struct CompiledRules::Impl {
  struct Table {
    std::vector<std::string> routes;
    std::vector<FieldRule> fields;
    std::vector<BodyRule> body;
    std::string status;      // text of the rule that ignores it, "" for none
    std::string whole_body;  // likewise
  };
  ComparatorOptions options;
  std::vector<Table> tables;
  std::uint64_t version = 0;
};

// What holds for one route; borrows from the CompiledRules. Among several rules the first one wins.
class RuleSet {
 public:
  RuleSet(const CompiledRules& rules, std::string_view route);

  // Each answers the text of the rule that covers a difference there, "" where none does.
  std::string_view status() const { return status_; }
  std::string_view whole_body() const { return whole_body_; }
  std::string_view field(FieldPlace place, std::string_view lower_name) const;
  const std::vector<const BodyRule*>& body() const { return body_; }
  const ComparatorOptions& options() const { return options_; }

 private:
  const ComparatorOptions& options_;
  std::string_view status_;
  std::string_view whole_body_;
  std::vector<const FieldRule*> fields_;
  std::vector<const BodyRule*> body_;
};

}  // namespace banyan::comparator
