// SPDX-License-Identifier: Apache-2.0
//
// Which items of two arrays belong together. For the comparator's own sources.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "comparator/lifted_json.h"

namespace banyan::comparator {

// One array, or the part of it that is still to be paired: `nodes[i]` is the item at `first + i`.
struct Items {
  const LiftedJson* json = nullptr;
  std::vector<NodeIndex> nodes;
  std::size_t first = 0;

  Node node(std::size_t i) const { return (*json)[nodes[i]]; }
  const Digest128& loose(std::size_t i) const { return json->loose(nodes[i]); }
};

// Positions in Items::nodes; every position is in exactly one of the lists of its side.
struct Pairing {
  std::vector<std::pair<std::size_t, std::size_t>> pairs;  // in the order of legacy
  std::vector<std::size_t> only_legacy;
  std::vector<std::size_t> only_candidate;

  // False where the candidate has the paired items in another order.
  bool keeps_order() const;
};

// What stands for the key of an item; nullopt where it lacks some of it.
std::optional<Digest128> key_digest(const LiftedJson& json, NodeIndex item, const ItemKey& key);

// The node that `key` names down from a node (the last one among duplicates), where it is a string
// or a number.
std::optional<NodeIndex> key_node(const LiftedJson& json, NodeIndex at,
                                  std::span<const std::string> key);

// As when a page begins some items earlier or later: what only one side has stands at opposite
// ends, as many on each side, and no more than what both have.
bool is_page_moved(const Items& legacy, const Items& candidate, const Pairing& pairing);

// By loose hash; of several equal items the first goes with the first.
Pairing pair_by_meaning(const Items& legacy, const Items& candidate);
// By the scalars that `key` names down from each item; items without one of them, and those whose
// key has no partner, are left over.
Pairing pair_by_key(const Items& legacy, const Items& candidate, const ItemKey& key);

// For arrays whose order does not count. First by `key` (by meaning where it is empty); what is
// left then by meaning (by an inferred key); of what is still left, containers and numbers with a
// tolerance go together in their order, because one that changed is likelier than one that was
// replaced. Scalars stay alone.
Pairing pair_as_set(const Items& legacy, const Items& candidate, const ItemKey& key);

// A member by which the items can be told apart: id, uuid, key, code, sku or name, a scalar in
// every item, unique on each side, and shared by at least half of the shorter side.
std::optional<std::string> infer_key(const Items& legacy, const Items& candidate);

}  // namespace banyan::comparator
