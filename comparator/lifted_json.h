// SPDX-License-Identifier: Apache-2.0
//
// A JSON value lifted for comparison: its nodes in a row, each with the rules that hold there and,
// once somebody asks, a hash of its meaning. Equal subtrees are recognised by their spelling, or
// by their hashes alone. For the comparator's own sources. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/rules.h"
#include "core/base/hash.h"
#include "core/json/tape.h"

namespace banyan::comparator {

using NodeIndex = std::uint32_t;

struct Node : NodeRules {
  static constexpr NodeIndex kNone = UINT32_MAX;

  bool is_hashed = false;
  NodeIndex same_as = kNone;  // the other side's node that is spelled alike, down to the leaves
  const json::TapeNode* value = nullptr;
  Digest128 exact, loose;  // once hashed
};

class LiftedJson {
 public:
  // Room that one value after the other may use. A thread keeps it up to kKeptNodesMax values.
  class Room {
   public:
    static constexpr std::size_t kKeptNodesMax = 1 << 16;
    void shrink();

   private:
    friend class LiftedJson;
    struct KeyedHash {
      std::uint64_t key;
      Digest128 value;
    };
    static Digest128 object_hash(std::vector<KeyedHash>& members);

    std::vector<Node> nodes;
    std::vector<json::PathPattern::State> states;
    // Of the value that is hashed.
    std::vector<KeyedHash> exact, loose;
    std::string ordered, ordered_loose;
  };

  // Borrows all of them; `value` is not empty.
  LiftedJson(const json::Tape& value, const RuleSet& rules, Room& room);

  const Node& operator[](NodeIndex index) const { return nodes_[index]; }
  // Equal for equal meaning: number form, escapes, Unicode form and member order do not count,
  // shadowed duplicate members do where they disagree.
  const Digest128& exact(NodeIndex index) const { return hashed(index).exact; }
  // The same with the rules applied: ignored parts left out, unordered arrays as multisets.
  const Digest128& loose(NodeIndex index) const { return hashed(index).loose; }
  // Notes in same_as which nodes at the same places are spelled alike.
  void match(const LiftedJson& other) { match(0, other, 0); }
  // One past the last descendant. The children of i are i + 1 and then always the end of the one
  // before.
  NodeIndex end_of(NodeIndex index) const { return nodes_[index].value->end; }
  // The nodes of the items of an array or the members of an object, in order.
  std::vector<NodeIndex> children(NodeIndex index) const;

 private:
  void find_rules(NodeIndex index, std::size_t level, std::int16_t inherited);
  bool match(NodeIndex index, const LiftedJson& other, NodeIndex theirs);
  const Node& hashed(NodeIndex index) const {
    if (!nodes_[index].is_hashed) hash(index);
    return nodes_[index];
  }
  void hash(NodeIndex index) const;
  void hash_leaf(Node& node) const;
  void hash_array(NodeIndex index) const;
  void hash_object(NodeIndex index) const;
  // States of the patterns at `level`.
  json::PathPattern::State* states(std::size_t level) { return &room_.states[level * patterns_]; }

  const RuleSet& rules_;
  const std::size_t patterns_;
  const bool is_ascii_;
  bool has_loose_ = false;
  Room& room_;
  std::vector<Node>& nodes_;  // of the room
};

}  // namespace banyan::comparator
