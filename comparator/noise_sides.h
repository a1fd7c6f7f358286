// SPDX-License-Identifier: Apache-2.0
//
// What live traffic alone says of noise: if the candidate behaves like legacy, then whatever is
// random in their answers falls on either side equally often. So a *shape* of value (hex of 16
// digits, a decimal with four places) that the candidate shows again and again where legacy shows
// another one, and never the other way round, is the candidate's own, be the value itself different
// each time; so is a *transition* (truncated, ×100) without its mirror image (extended, ÷100). What
// changes with time alone falls on one side too, as the candidate is asked later: therefore
// legacy's answers to witnesses, which are later still, must not show it either. Costs legacy
// nothing. Pure but for ShapeTally; any thread. docs/noise.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace banyan::comparator {

// How often what is random falls on either of two sides.
inline constexpr double kEvenShare = 0.5;

// Exchanges in which one side showed something and the other did not; and answers of legacy to
// witnesses that showed it.
struct SideCounts {
  std::uint64_t candidate = 0, legacy = 0, again = 0;
};

// ln E that it falls on the candidate more often than on legacy. `watched`: live comparisons;
// `asked_again`: answers of legacy to witnesses. 0 where nobody was asked again.
double log_of_sides(const SideCounts& counts, std::uint64_t watched, std::uint64_t asked_again);

// What a shown value looks like: "uuid 4", "hex 32", "integer of 4-6 digits", "word of 16-31
// (aA0)", "array, ascending" (order_shape.h). From a short list; never a part of the value.
std::string shape_of(std::string_view shown);

// The word for the same change with the sides swapped; "" where it would be the same word.
std::string mirrored_transition(std::string_view transition);
// Kind and transition of a difference as they were with the sides swapped. False where they were
// the same, or such a thing is not seen on legacy's side at all.
bool mirror_change(std::string& kind, std::string& transition);

// The shapes that one side of one exchange shows at a place, and the other does not.
struct ShapeSides {
  std::set<std::string> candidate, legacy;
  void add(std::string_view legacy_shown, std::string_view candidate_shown);
  void drop_common();
};

// Shapes of one place.
class ShapeTally {
 public:
  static constexpr std::size_t kShapesMax = 32;  // more are one: kOthers
  static constexpr std::string_view kOthers = "another shape";

  void add(const ShapeSides& sides);         // of a live exchange
  void add_again(const std::string& shape);  // of legacy's answer to a witness
  void add(const std::string& shape, const SideCounts& counts);
  const std::map<std::string, SideCounts>& shapes() const { return shapes_; }

 private:
  SideCounts& at(const std::string& shape);
  std::map<std::string, SideCounts> shapes_;
};

// The shape that speaks most against the candidate, and what all of them say together.
struct ShapeEvidence {
  std::string shape;  // "" where none does
  SideCounts counts;
  double log_evidence = 0;
};
ShapeEvidence judge_shapes(const std::map<std::string, SideCounts>& shapes, std::uint64_t watched,
                           std::uint64_t asked_again);

}  // namespace banyan::comparator
