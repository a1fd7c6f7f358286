// SPDX-License-Identifier: Apache-2.0
//
// One word for how a leaf came to differ: "int→string", "×100", "trimmed", "time zone shift". It is
// part of a finding's identity, so it comes from a short list and never holds a value. Pure; any
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace banyan::comparator {

enum class LeafType : std::uint8_t { kNull, kBoolean, kNumber, kString };

struct Leaf {
  LeafType type = LeafType::kNull;
  std::string_view text;  // "true" or "false", the number as it is spelled, or the string
};

// Texts longer than this are only looked at for what costs one pass: case, white space, truncation.
inline constexpr std::size_t kTransitionBytesMax = 64 * 1024;

// From legacy to candidate; "" where nothing is recognised. With the sides swapped there is a word
// exactly when there is one this way.
std::string transition_of(const Leaf& legacy, const Leaf& candidate);
// Of values without a type: of XML, headers, cookies and text.
std::string transition_of_text(std::string_view legacy, std::string_view candidate);

}  // namespace banyan::comparator
