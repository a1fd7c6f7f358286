// SPDX-License-Identifier: Apache-2.0
//
// When a rule is too broad to be saved without being forced. Inside the comparator only.
#pragma once

#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "comparator/field_coverage.h"
#include "comparator/rule_trial.h"

namespace banyan::comparator {

// Kinds of the differences that a rule hides, each with whether it stands at a header or trailer.
using HiddenKinds = std::set<std::pair<DifferenceKind, bool>>;

struct TrialEvidence {
  const TrialReport& report;
  const FieldCoverage& coverage;
  const HiddenKinds& hidden_kinds;
};

std::vector<TrialRefusal> refusals_of(const TrialEvidence& evidence);

}  // namespace banyan::comparator
