// SPDX-License-Identifier: Apache-2.0
//
// A JSON value lifted for comparison: its nodes in a row, each with a hash of its meaning and the
// rules that hold there. Equal subtrees are recognised by their hashes alone. For the comparator's
// own sources.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/rules.h"
#include "core/base/hash.h"
#include "core/json/value.h"

namespace banyan::comparator {

using NodeIndex = std::uint32_t;

struct Node : NodeRules {
  const json::Value* value = nullptr;
  // Equal for equal meaning: number form, escapes and member order do not count, shadowed duplicate
  // members do where they disagree.
  Digest128 exact;
  // The same with the rules applied: ignored parts left out, unordered arrays as multisets.
  Digest128 loose;
  NodeIndex end = 0;  // one past its last descendant
};

class LiftedJson {
 public:
  // Borrows both.
  LiftedJson(const json::Value& value, const RuleSet& rules);

  const Node& operator[](NodeIndex index) const { return nodes_[index]; }
  // The nodes of the items of an array or the members of an object, in order.
  std::vector<NodeIndex> children(NodeIndex index) const;

 private:
  NodeIndex add(const json::Value& value, std::size_t level, std::int16_t inherited);
  void find_rules(NodeIndex index, std::size_t level);
  void hash_leaf(NodeIndex index);
  void hash_array(NodeIndex index);
  void hash_object(NodeIndex index);
  // States of the patterns at `level`.
  json::PathPattern::State* states(std::size_t level) { return &states_[level * patterns_]; }

  const RuleSet& rules_;
  std::size_t patterns_;
  bool has_loose_ = false;
  std::vector<Node> nodes_;
  std::vector<json::PathPattern::State> states_;
  std::string scratch_;
};

}  // namespace banyan::comparator
