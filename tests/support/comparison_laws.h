// SPDX-License-Identifier: Apache-2.0
//
// Answers to compare, and what holds of any two: for tests and fuzz targets alike.
#pragma once

#include <string_view>

#include "comparator/compare.h"

namespace banyan::comparator {

// A whole answer of this type ("" for none said). Borrows both.
inline LiftedAnswer answer_of(std::string_view type, std::string_view body) {
  LiftedAnswer out;
  out.status = 200;
  if (!type.empty()) out.fields = {{"Content-Type", type}};
  out.body = body;
  out.has_body = true;
  out.body_length = body.size();
  return out;
}

// Which law does not hold of the two, "" where all do: each equals itself; swapped sides give the
// same verdict and as many differences; equal are those without one. `there`: from a's side.
inline std::string_view broken_law(const CompiledRules& rules, const LiftedAnswer& a,
                                   const LiftedAnswer& b, Comparison& there,
                                   std::string_view target = {}) {
  const auto compare = [&](const LiftedAnswer& legacy, const LiftedAnswer& candidate) {
    return compare_answers(rules, "r", "GET", legacy, candidate, 0, target);
  };
  there = compare(a, b);
  const Comparison back = compare(b, a);
  const bool is_equal = there.verdict == Verdict::kEqual;
  if (compare(a, a).verdict != Verdict::kEqual) return "the first differs from itself";
  if (compare(b, b).verdict != Verdict::kEqual) return "the second differs from itself";
  if (back.verdict != there.verdict) return "swapped sides have another verdict";
  if (back.differences.size() != there.differences.size()) return "swapped sides have other counts";
  if (is_equal != there.differences.empty()) return "the verdict does not fit the differences";
  return {};
}

}  // namespace banyan::comparator
