// SPDX-License-Identifier: Apache-2.0
//
// What the tables of cases under tests/cases say of rules and of the differences to be found.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "comparator/compare.h"
#include "comparator/rule_options.h"
#include "core/json/value.h"
#include "tests/support/comparison_laws.h"
#include "tests/support/source_dir.h"

namespace banyan::comparator {

using json::Value;

inline ComparatorOptions read_options(const Value* rules) {
  ComparatorOptions options;
  if (rules == nullptr) return options;
  // As the API takes it; older tables say unordered as objects.
  const Value* unordered = rules->find("unordered");
  const bool is_older = unordered != nullptr && !unordered->items.empty() &&
                        unordered->items[0].type == Value::Type::kObject;
  if (!is_older) {
    auto read = read_rule(*rules);
    EXPECT_TRUE(read.ok()) << read.error().message;
    if (read.ok()) options.rules.push_back(*std::move(read));
    return options;
  }
  CompareRuleOptions& rule = options.rules.emplace_back();
  const auto list = [&](const char* name) {
    const Value* found = rules->find(name);
    return found != nullptr ? found->items : std::vector<Value>();
  };
  for (const Value& route : list("routes")) rule.routes.push_back(route.text);
  for (const Value& path : list("ignore")) rule.ignore.push_back(path.text);
  for (const Value& item : list("unordered")) {
    rule.unordered.push_back(
        {std::string(item.string_or("path", "")), std::string(item.string_or("by", ""))});
  }
  for (const Value& item : list("tolerance")) {
    rule.tolerance.push_back({std::string(item.string_or("path", "")),
                              item.number_or("absolute", 0), item.number_or("relative", 0)});
  }
  return options;
}

inline std::string describe(const Comparison& comparison) {
  std::string out = std::string(to_string(comparison.verdict)) + " " + comparison.reason;
  for (const model::Difference& found : comparison.differences) {
    out += "\n  " + std::string(to_string(found.kind)) + " " + found.path + " @ " + found.at +
           " [" + found.legacy + "] [" + found.candidate + "] rule=" + found.rule +
           " transition=" + found.transition;
  }
  return out;
}

// True where each given member agrees.
inline bool agrees(const Value& expected, const model::Difference& found) {
  const auto is = [&](const char* name, std::string_view value) {
    return expected.find(name) == nullptr || expected.string_or(name, "?") == value;
  };
  return is("kind", to_string(found.kind)) && is("path", found.path) && is("at", found.at) &&
         is("legacy", found.legacy) && is("candidate", found.candidate) && is("rule", found.rule) &&
         is("transition", found.transition);
}

// Exactly the differences that `given` lists, in their order.
inline void expect_differences(const Value& given, const Comparison& got) {
  EXPECT_EQ(to_string(got.verdict), given.string_or("verdict", "")) << describe(got);
  EXPECT_EQ(got.reason, given.string_or("reason", "")) << describe(got);
  const Value* expected = given.find("differences");
  const std::size_t count = expected == nullptr ? 0 : expected->items.size();
  ASSERT_EQ(got.differences.size(), count) << describe(got);
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_TRUE(agrees(expected->items[i], got.differences[i]))
        << "number " << i << " of " << describe(got);
  }
}

inline std::vector<Value> read_cases(const std::string& name) {
  std::ifstream file(source_dir() + "/tests/cases/" + name);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const auto cases = json::parse(text);
  EXPECT_TRUE(cases.ok()) << name << ": " << cases.error().message;
  return cases.ok() ? cases->items : std::vector<Value>();
}

// The cases of a table that hold two bodies, rules, and what differs; of one type where they say
// none.
class BodyCases {
 public:
  explicit BodyCases(std::string type) : type_(std::move(type)) {}

  Comparison compare(std::string_view a, std::string_view b,
                     const ComparatorOptions& options = {}) const {
    return compare_as(type_, a, b, options);
  }
  // Both of this type, "" for none said.
  static Comparison compare_as(std::string_view type, std::string_view a, std::string_view b,
                               const ComparatorOptions& options = {}) {
    const auto rules = CompiledRules::compile(options);
    EXPECT_TRUE(rules.ok()) << rules.error().message;
    return compare_answers(**rules, "r", "GET", answer_of(type, a), answer_of(type, b));
  }
  void check(const std::string& table, std::size_t cases_min) const {
    const auto cases = read_cases(table);
    ASSERT_GE(cases.size(), cases_min);
    for (const Value& given : cases) {
      SCOPED_TRACE(given.string_or("name", ""));
      const auto rules = CompiledRules::compile(read_options(given.find("rules")));
      ASSERT_TRUE(rules.ok()) << rules.error().message;
      const std::string_view type = given.string_or("type", type_);
      const LiftedAnswer a = answer_of(type, given.string_or("a", ""));
      const LiftedAnswer b = answer_of(given.string_or("type_b", type), given.string_or("b", ""));
      Comparison got;
      EXPECT_EQ(broken_law(**rules, a, b, got), "");
      expect_differences(given, got);
    }
  }

 private:
  std::string type_;
};

inline void expect_not_localised(const Comparison& got) {
  ASSERT_EQ(got.differences.size(), 1U) << describe(got);
  EXPECT_EQ(got.differences[0].transition, "not localised");
  EXPECT_EQ(got.verdict, Verdict::kDifferent);
}

inline std::string repeated(std::size_t count, std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

}  // namespace banyan::comparator
