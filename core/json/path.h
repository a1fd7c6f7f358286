// SPDX-License-Identifier: Apache-2.0
//
// Paths of fields inside a JSON value, as people write them in rules and as differences show them.
//
//   $              the value itself          $.a.b           a member of a member
//   $.items[]      every item of an array    $.items[].price
//   $..name        members of that name at any depth
//   $.map.{}       every member, whatever its name (a map's keys), and no item
//   $.*            every child               $.a.**          a and everything below it
//   **             everything                $['a.b']        a name with odd characters, \' and
//   \\ inside
//
// A pattern is matched while walking down a value, one step at a time and without building paths:
//
//   auto state = pattern.start();
//   state = pattern.enter_member(state, "items");
//   state = pattern.enter_item(state);
//   if (pattern.accepts(state)) …
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace banyan::json {

// Compiled, immutable; any thread.
class PathPattern {
 public:
  // A set of places in the pattern; 0 never accepts again, whatever follows.
  using State = std::uint64_t;
  static constexpr std::size_t kStepsMax = 60;
  static constexpr std::size_t kTextBytesMax = 4096;

  // kInvalidArgument says what is wrong and at which byte.
  static Result<PathPattern> parse(std::string_view text);

  State start() const { return close(1); }
  State enter_member(State state, std::string_view name) const;
  State enter_item(State state) const;
  bool accepts(State state) const { return (state >> steps_.size() & 1) != 0; }
  const std::string& text() const { return text_; }
  // Of two patterns that accept a place the one with the larger rank says more of it: first by its
  // names, then by its single steps, then by having no ** in it. At least 1.
  std::uint32_t rank() const { return rank_; }

 private:
  enum class Kind : std::uint8_t { kMember, kItem, kAnyMember, kChild, kDeep };
  struct Step {
    Kind kind;
    std::string name;
  };
  class Parser;
  PathPattern() = default;
  // kDeep may also match nothing.
  State close(State state) const { return state | (state & deep_) << 1; }

  std::vector<Step> steps_;
  State deep_ = 0;  // bits of the kDeep steps
  std::uint32_t rank_ = 1;
  std::string text_;
};

// One step of a concrete path; the view must outlive its use.
struct PathStep {
  std::string_view name;
  std::size_t index = 0;
  bool is_item = false;
};

// ".name" or "['odd name']".
void append_member(std::string& out, std::string_view name);
// "$.items[].price": where all items share one path.
std::string template_path(const std::vector<PathStep>& steps);
// "$.items[3].price".
std::string concrete_path(const std::vector<PathStep>& steps);

}  // namespace banyan::json
