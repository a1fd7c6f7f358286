// SPDX-License-Identifier: Apache-2.0
#include "comparator/array_pairing.h"

#include <algorithm>
#include <string_view>

#include "comparator/meaning_hash.h"

namespace banyan::comparator {
namespace {

using Type = json::Value::Type;

using Digests = std::vector<std::optional<Digest128>>;

Digests keys_of(const Items& items, const ItemKey& key) {
  Digests out;
  out.reserve(items.nodes.size());
  for (const NodeIndex node : items.nodes) {
    out.push_back(key_digest(*items.json, node, key));
  }
  return out;
}

bool is_less(const Digest128& a, const Digest128& b) {
  return a.low != b.low ? a.low < b.low : a.high < b.high;
}

Pairing pair_by_digest(const Digests& legacy, const Digests& candidate) {
  // Positions of the candidate's items, sorted by digest; the first of a digest knows how many of
  // them are taken.
  struct Open {
    Digest128 digest;
    std::size_t position;
    std::size_t taken = 0;
  };
  std::vector<Open> open;
  open.reserve(candidate.size());
  for (std::size_t i = 0; i < candidate.size(); ++i) {
    if (candidate[i]) open.push_back({*candidate[i], i});
  }
  std::sort(open.begin(), open.end(), [](const Open& a, const Open& b) {
    return a.digest == b.digest ? a.position < b.position : is_less(a.digest, b.digest);
  });
  Pairing out;
  std::vector<bool> is_paired(candidate.size(), false);
  for (std::size_t i = 0; i < legacy.size(); ++i) {
    const auto first = !legacy[i] ? open.end()
                                  : std::lower_bound(open.begin(), open.end(), *legacy[i],
                                                     [](const Open& a, const Digest128& b) {
                                                       return is_less(a.digest, b);
                                                     });
    const std::size_t left = static_cast<std::size_t>(open.end() - first);
    if (left == 0 || first->taken >= left ||
        !((first + static_cast<std::ptrdiff_t>(first->taken))->digest == *legacy[i])) {
      out.only_legacy.push_back(i);
      continue;
    }
    const std::size_t partner = (first + static_cast<std::ptrdiff_t>(first->taken++))->position;
    is_paired[partner] = true;
    out.pairs.emplace_back(i, partner);
  }
  for (std::size_t i = 0; i < candidate.size(); ++i) {
    if (!is_paired[i]) out.only_candidate.push_back(i);
  }
  return out;
}

// The keys of one side, sorted, where `name` is a scalar in every item and none comes twice.
std::optional<std::vector<Digest128>> unique_keys(const Items& items, const std::string& name) {
  std::vector<Digest128> out;
  for (const NodeIndex node : items.nodes) {
    const auto found = key_node(*items.json, node, {&name, 1});
    if (!found || (*items.json)[*found].ignore >= 0) return std::nullopt;
    out.push_back(items.json->exact(*found));
  }
  std::sort(out.begin(), out.end(), is_less);
  if (std::adjacent_find(out.begin(), out.end()) != out.end()) return std::nullopt;
  return out;
}

Items part_of(const Items& items, const std::vector<std::size_t>& positions) {
  Items out{items.json, {}, 0};
  for (const std::size_t at : positions) out.nodes.push_back(items.nodes[at]);
  return out;
}

bool may_have_changed(const Node& node) {
  return node.value->type == Type::kArray || node.value->type == Type::kObject ||
         node.has_value_rule();
}

// Pairs what is left over in order, as far as it may have changed.
void pair_in_order(const Items& legacy, const Items& candidate, Pairing& pairing) {
  const auto split = [](const Items& items, std::vector<std::size_t>& alone) {
    std::vector<std::size_t> open;
    std::vector<std::size_t> closed;
    for (const std::size_t at : alone) {
      (may_have_changed(items.node(at)) ? open : closed).push_back(at);
    }
    alone = std::move(closed);
    return open;
  };
  const auto left = split(legacy, pairing.only_legacy);
  const auto right = split(candidate, pairing.only_candidate);
  const std::size_t shared = std::min(left.size(), right.size());
  for (std::size_t i = 0; i < shared; ++i) pairing.pairs.emplace_back(left[i], right[i]);
  const auto rest = [shared](const std::vector<std::size_t>& from, std::vector<std::size_t>& to) {
    to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(shared), from.end());
    std::sort(to.begin(), to.end());
  };
  rest(left, pairing.only_legacy);
  rest(right, pairing.only_candidate);
}

// Puts the pairing of what `outer` left over into `outer`.
void join(const Pairing& inner, Pairing& outer) {
  for (const auto& [i, k] : inner.pairs) {
    outer.pairs.emplace_back(outer.only_legacy[i], outer.only_candidate[k]);
  }
  std::sort(outer.pairs.begin(), outer.pairs.end());
  const auto pick = [](std::vector<std::size_t>& alone, const std::vector<std::size_t>& rest) {
    std::vector<std::size_t> out;
    for (const std::size_t at : rest) out.push_back(alone[at]);
    alone = std::move(out);
  };
  pick(outer.only_legacy, inner.only_legacy);
  pick(outer.only_candidate, inner.only_candidate);
}

}  // namespace

std::optional<Digest128> key_digest(const LiftedJson& json, NodeIndex item, const ItemKey& key) {
  std::optional<Digest128> out;
  for (const auto& names : key) {
    const auto found = key_node(json, item, names);
    if (!found) return std::nullopt;
    const Digest128& next = json.exact(*found);
    if (out) {
      const std::uint64_t words[4] = {out->high, out->low, next.high, next.low};
      out = meaning_hash(MeaningTag::kKey, words);
    } else {
      out = next;
    }
  }
  return out;
}

std::optional<NodeIndex> key_node(const LiftedJson& json, NodeIndex at,
                                  std::span<const std::string> key) {
  for (const std::string& name : key) {
    const auto found = json.member(at, name);
    if (!found) return std::nullopt;
    at = *found;
  }
  const Type type = json[at].value->type;
  if (type != Type::kString && type != Type::kNumber) return std::nullopt;
  return at;
}

bool Pairing::keeps_order() const {
  return std::is_sorted(pairs.begin(), pairs.end(),
                        [](const auto& a, const auto& b) { return a.second < b.second; });
}

bool is_page_moved(const Items& legacy, const Items& candidate, const Pairing& pairing) {
  const std::size_t moved = pairing.only_legacy.size();
  if (moved == 0 || moved != pairing.only_candidate.size() || moved > pairing.pairs.size()) {
    return false;
  }
  const auto are_first = [](const std::vector<std::size_t>& positions) {
    return positions.back() + 1 == positions.size();
  };
  const auto are_last = [](const std::vector<std::size_t>& positions, const Items& items) {
    return positions.front() + positions.size() == items.nodes.size();
  };
  const bool is_ascending =
      std::is_sorted(pairing.only_legacy.begin(), pairing.only_legacy.end()) &&
      std::is_sorted(pairing.only_candidate.begin(), pairing.only_candidate.end());
  return is_ascending && pairing.keeps_order() &&
         ((are_first(pairing.only_legacy) && are_last(pairing.only_candidate, candidate)) ||
          (are_last(pairing.only_legacy, legacy) && are_first(pairing.only_candidate)));
}

Pairing pair_by_meaning(const Items& legacy, const Items& candidate) {
  // What is spelled alike at the same place belongs together, and need not be hashed for it.
  const auto is_at_place = [&](std::size_t i) {
    return i < legacy.nodes.size() && i < candidate.nodes.size() &&
           legacy.node(i).same_as == candidate.nodes[i];
  };
  const auto digests = [&](const Items& items) {
    Digests out;
    out.reserve(items.nodes.size());
    for (std::size_t i = 0; i < items.nodes.size(); ++i) {
      out.emplace_back(is_at_place(i) ? Digest128{UINT64_MAX, i} : items.loose(i));
    }
    return out;
  };
  return pair_by_digest(digests(legacy), digests(candidate));
}

Pairing pair_by_key(const Items& legacy, const Items& candidate, const ItemKey& key) {
  return pair_by_digest(keys_of(legacy, key), keys_of(candidate, key));
}

Pairing pair_as_set(const Items& legacy, const Items& candidate, const ItemKey& key) {
  Pairing pairing =
      key.empty() ? pair_by_meaning(legacy, candidate) : pair_by_key(legacy, candidate, key);
  if (pairing.only_legacy.empty() || pairing.only_candidate.empty()) return pairing;
  const Items left = part_of(legacy, pairing.only_legacy);
  const Items right = part_of(candidate, pairing.only_candidate);
  const auto inferred = key.empty() ? infer_key(left, right) : std::nullopt;
  Pairing rest = inferred ? pair_by_key(left, right, {{*inferred}}) : pair_by_meaning(left, right);
  if (key.empty() && !inferred) pair_in_order(left, right, rest);
  join(rest, pairing);
  return pairing;
}

std::optional<std::string> infer_key(const Items& legacy, const Items& candidate) {
  const std::size_t shorter = std::min(legacy.nodes.size(), candidate.nodes.size());
  for (const std::string_view name : kKeyNames) {
    const std::string key(name);
    const auto left = unique_keys(legacy, key);
    if (!left) continue;
    const auto right = unique_keys(candidate, key);
    if (!right) continue;
    const auto shared = static_cast<std::size_t>(
        std::count_if(left->begin(), left->end(), [&](const Digest128& digest) {
          return std::binary_search(right->begin(), right->end(), digest, is_less);
        }));
    if (shared * 2 >= shorter) return key;
  }
  return std::nullopt;
}

}  // namespace banyan::comparator
