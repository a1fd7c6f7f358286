// SPDX-License-Identifier: Apache-2.0
//
// In which order the items of a shown array stand, without a word of what they are: what
// noise_sides.h asks of lists that differ in their order alone. Pure.
#pragma once

#include <string>
#include <string_view>

namespace banyan::comparator {

// "ascending", "descending" (of all items that are shown), "ranks 4-3-1-2" (of the first four that
// are), or "" where that cannot be told: fewer than two whole items are shown, or they are neither
// all numbers nor all texts, nor objects that have one of either under a name that keys go by.
std::string order_shape(std::string_view shown);

}  // namespace banyan::comparator
