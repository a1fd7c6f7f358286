// SPDX-License-Identifier: Apache-2.0
//
// Which items of two arrays are most alike, where nothing names them. For the comparator's own
// sources.
#pragma once

#include <optional>

#include "comparator/array_pairing.h"

namespace banyan::comparator {

// Values looked at to find which items are alike; past it they are not searched for.
inline constexpr std::size_t kSimilaritySteps = 500'000;
// A value that more items of one side have says nothing of which belong together.
inline constexpr std::size_t kSharedItemsMax = 32;

// Adds pairs of what `pairing` left over: objects and arrays that share at least half of their
// leaves, and not only such as most items have; the most alike first, of equally alike ones those
// that stand nearest. A leaf counts the more the fewer items have it. False where that would take
// too many steps; then `pairing` is as it was.
bool pair_by_similarity(const Items& legacy, const Items& candidate, Pairing& pairing);

// Pairs what is still left over where it stands in the same gap between the same neighbours, or, if
// the order is another one, containers in their order.
void pair_gaps(const Items& legacy, const Items& candidate, Pairing& pairing);

}  // namespace banyan::comparator
