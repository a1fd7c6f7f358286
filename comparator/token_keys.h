// SPDX-License-Identifier: Apache-2.0
//
// Tokens of redaction stand for values under one key; after a rotation nobody can tell whether two
// tokens of different keys stand for the same value. For the comparator's own sources.
#pragma once

#include <string_view>

namespace banyan::comparator {

// True: at each place where the texts differ stand two tokens, and of different keys.
bool differ_only_by_key(std::string_view a, std::string_view b);

}  // namespace banyan::comparator
