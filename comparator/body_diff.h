// SPDX-License-Identifier: Apache-2.0
//
// The differences between two bodies: decode, find out what they are, compare as that. For the
// comparator's own sources.
#pragma once

#include <string>

#include "comparator/compare.h"
#include "comparator/difference_sink.h"
#include "comparator/rules.h"

namespace banyan::comparator {

// Values in one JSON body. Larger ones differ as a whole, unless they are equal byte for byte.
inline constexpr std::size_t kJsonNodesMax = 500'000;

// True where both are at hand and the same bytes, or where length and digest say so. Neither looks
// at content codings: compare those first.
bool have_same_bytes(const LiftedAnswer& legacy, const LiftedAnswer& candidate);

// `target` is what was asked for. Answers "" where it could compare, else the reason why not
// ("body_not_recorded").
std::string compare_bodies(const LiftedAnswer& legacy, const LiftedAnswer& candidate,
                           std::string_view target, const RuleSet& rules, DifferenceSink& sink);

// Notes which fields of both bodies the rules cover, in the form in which they are compared.
void cover_bodies(const LiftedAnswer& legacy, const LiftedAnswer& candidate,
                  std::string_view target, const RuleSet& rules, FieldCoverage& coverage);

}  // namespace banyan::comparator
