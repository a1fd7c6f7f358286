// SPDX-License-Identifier: Apache-2.0
//
// What the admin port asks of whoever keeps the rules (app): those in force, and changes of the
// saved ones.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/comparator.h"
#include "comparator/saved_rules.h"

namespace banyan::admin {

struct RulesInForce {
  comparator::ComparatorOptions config;  // without the saved ones
  std::vector<comparator::SavedRule> saved;
  std::uint64_t version = 0;
  std::string problem;  // why the saved ones are not in force; "" where they are

  comparator::ComparatorOptions all() const { return comparator::with_saved(config, saved); }
};

// Any thread; changes block on the disk.
class RulesService {
 public:
  virtual ~RulesService() = default;
  virtual RulesInForce in_force() const = 0;
  // Names it, saves it, and has it in force for all verdicts that follow.
  virtual Result<comparator::SavedRule> add(comparator::SavedRule rule) = 0;
  // kNotFound where no saved rule has the id.
  virtual Result<comparator::SavedRule> remove(std::string_view id, std::string_view by) = 0;
};

using RuleUses = std::map<std::string, comparator::RuleUse, std::less<>>;

// {"schema": "banyan/rules/1", …}; what was covered since then, 0 where nobody counts.
std::string rules_to_json(const RulesInForce& rules, const RuleUses& uses,
                          std::int64_t uses_since_wall_ns, std::int64_t now_wall_ns);
// One object of that list.
std::string rule_to_json(const comparator::SavedRule& rule, std::int64_t now_wall_ns);

}  // namespace banyan::admin
