// SPDX-License-Identifier: Apache-2.0
//
// Rules that say how members of the candidate's are called in legacy. For the comparator's own
// sources.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "comparator/rules.h"
#include "core/json/tape.h"

namespace banyan::comparator {

struct RenamedMember {
  std::string path, at;  // "$.items[].cost" and the first place where it was found
  std::string from, to;  // legacy's name and the candidate's
  std::string_view rule;
};

// Members of the candidate's value get legacy's names where a rule says so, as long as that name is
// free there and legacy has it at some such place. Answers each rule's names once. `tree` then
// holds the value, which the tape borrows.
std::vector<RenamedMember> rename_members(const json::Tape& legacy, json::Tape& candidate,
                                          const RuleSet& rules, json::Value& tree);

}  // namespace banyan::comparator
