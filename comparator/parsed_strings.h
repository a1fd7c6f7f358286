// SPDX-License-Identifier: Apache-2.0
//
// JSON that stands in strings of JSON, read as what it is where a rule says so (parse_as). For the
// comparator's own sources.
#pragma once

#include "comparator/rules.h"
#include "core/json/tape.h"
#include "core/json/value.h"

namespace banyan::comparator {

// In place of each string that a rule names stands the value that it spells; what cannot be read
// stays a string. `tree` then holds what `tape` borrows.
void parse_strings(json::Tape& tape, const RuleSet& rules, json::Value& tree);

}  // namespace banyan::comparator
