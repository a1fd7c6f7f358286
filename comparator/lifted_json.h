// SPDX-License-Identifier: Apache-2.0
//
// A JSON value lifted for comparison: its nodes in a row, each with the rules that hold there and,
// once somebody asks, a hash of its meaning. Equal subtrees are recognised by their spelling, or
// by their hashes alone. For the comparator's own sources. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/rules.h"
#include "core/base/hash.h"
#include "core/json/tape.h"

namespace banyan::comparator {

using NodeIndex = std::uint32_t;

// What is known of one value.
struct Node : NodeRules {
  static constexpr NodeIndex kNone = UINT32_MAX;

  NodeIndex same_as = kNone;  // the other side's node that is spelled alike, down to the leaves
  const json::TapeNode* value = nullptr;
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
    struct Mark : NodeRules {
      bool is_hashed = false;
      NodeIndex same_as = Node::kNone;
    };
    struct Hashes {
      Digest128 exact, loose;
    };
    struct KeyedHash {
      std::uint64_t key;
      Digest128 value;
    };
    static Digest128 object_hash(std::vector<KeyedHash>& members);

    std::vector<Mark> marks;     // by node
    std::vector<Hashes> hashes;  // by node, from the first one that is asked for
    std::vector<json::PathPattern::State> states;
    // Of the value that is hashed.
    std::vector<KeyedHash> exact, loose;
    std::string ordered, ordered_loose;
  };

  // Borrows all of them; `value` is not empty.
  LiftedJson(const json::Tape& value, const RuleSet& rules, Room& room);

  Node operator[](NodeIndex index) const {
    const Room::Mark& mark = room_.marks[index];
    Node out;
    static_cast<NodeRules&>(out) = mark;
    out.same_as = mark.same_as;
    out.value = &tape_[index];
    return out;
  }
  // Equal for equal meaning: number form, escapes, Unicode form and member order do not count,
  // shadowed duplicate members do where they disagree.
  const Digest128& exact(NodeIndex index) const { return hashes_of(index).exact; }
  // The same with the rules applied: ignored parts left out, unordered arrays as multisets.
  const Digest128& loose(NodeIndex index) const { return hashes_of(index).loose; }
  // Notes in same_as which nodes at the same places are spelled alike; not of what lies below one.
  void match(const LiftedJson& other);
  // One past the last descendant. The children of i are i + 1 and then always the end of the one
  // before.
  NodeIndex end_of(NodeIndex index) const { return tape_[index].end; }
  // Of an object the last member of that name.
  std::optional<NodeIndex> member(NodeIndex object, std::string_view name) const;
  // The nodes of the items of an array or the members of an object, in order.
  std::vector<NodeIndex> children(NodeIndex index) const;

 private:
  void find_rules(NodeIndex index, std::size_t level, std::int16_t inherited);
  bool match(NodeIndex index, const LiftedJson& other, NodeIndex theirs, std::size_t& bytes_left);
  const Room::Hashes& hashes_of(NodeIndex index) const {
    if (!room_.marks[index].is_hashed) hash(index);
    return room_.hashes[index];
  }
  // Whether `loose` says nothing of it: its differences are covered, or may be.
  bool is_left_out(const NodeRules& node) const {
    return node.is_covered_whole() || (has_loose_ && node.has_value_rule() && !is_exact(node));
  }
  // A number within a tolerance is another number all the same.
  bool is_exact(const NodeRules& node) const {
    return rules_.body()[static_cast<std::size_t>(node.values[0])]->kind == RuleKind::kTolerance;
  }
  void hash(NodeIndex index) const;
  Digest128 hash_of_leaf(const json::TapeNode& value) const;
  void hash_array(NodeIndex index) const;
  void hash_object(NodeIndex index) const;
  // States of the patterns at `level`.
  json::PathPattern::State* states(std::size_t level) { return &room_.states[level * patterns_]; }

  const json::Tape& tape_;
  const RuleSet& rules_;
  const std::size_t patterns_;
  bool has_loose_ = false;
  Room& room_;
};

}  // namespace banyan::comparator
