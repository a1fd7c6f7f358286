// SPDX-License-Identifier: Apache-2.0
#include "comparator/array_similarity.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "comparator/meaning_hash.h"

namespace banyan::comparator {
namespace {

using Type = json::Value::Type;

constexpr std::size_t kPairedItemsMax = 64;

bool is_container(const LiftedJson& json, NodeIndex index) {
  const Type type = json[index].value->type;
  return type == Type::kArray || type == Type::kObject;
}

std::uint64_t mixed(std::uint64_t path, std::uint64_t step) {
  return (path ^ step) * 0x9E3779B97F4A7C15U + (path << 7 | path >> 57);
}

// A leaf of one item, by a hash of what it is and of the path to it.
struct ItemLeaf {
  std::uint64_t hash = 0;
  std::uint32_t item = 0;  // in the list of items
};

// One item that has no partner yet.
struct OpenItem {
  std::size_t position = 0;           // in Items::nodes
  std::vector<std::uint32_t> leaves;  // by number, sorted; one that comes several times as often
  std::uint64_t weight = 0;
};

class Leaves {
 public:
  Leaves(const LiftedJson& json, std::size_t& steps_left) : json_(json), steps_left_(steps_left) {}

  // False where there are too many.
  bool collect(NodeIndex index, std::uint32_t item, std::vector<ItemLeaf>& out) {
    add(index, 0, item, out);
    return steps_left_ > 0;
  }

 private:
  void add(NodeIndex index, std::uint64_t path, std::uint32_t item, std::vector<ItemLeaf>& out) {
    if (steps_left_ == 0) return;
    --steps_left_;
    const Node node = json_[index];
    if (node.ignore >= 0 || node.has_value_rule()) return;  // what they cover says nothing
    const bool is_object = node.value->type == Type::kObject;
    if (node.value->children == 0) {
      out.push_back({mixed(path, json_.loose(index).low), item});
      return;
    }
    for (NodeIndex child = index + 1; child < json_.end_of(index); child = json_.end_of(child)) {
      const std::uint64_t step =
          is_object ? xxh3_64(json_[child].value->name, meaning_seed(MeaningTag::kKey)) : 1;
      add(child, mixed(path, step), item, out);
    }
  }

  const LiftedJson& json_;
  std::size_t& steps_left_;
};

struct Score {
  std::uint64_t share = 0;                // of the weight that both have, of 2^20
  std::size_t legacy = 0, candidate = 0;  // in the lists of open items
};

class Matcher {
 public:
  Matcher(const Items& legacy, const Items& candidate, Pairing& pairing)
      : legacy_items_(legacy), candidate_items_(candidate), pairing_(pairing) {}

  bool run() {
    legacy_ = open_items(legacy_items_, pairing_.only_legacy);
    candidate_ = open_items(candidate_items_, pairing_.only_candidate);
    if (legacy_.empty() || candidate_.empty()) return true;
    if (!read(legacy_items_, legacy_) || !read(candidate_items_, candidate_) || !read_paired()) {
      return false;
    }
    number_leaves();
    if (!score_all()) return false;
    take_best();
    return true;
  }

 private:
  using OpenItems = std::vector<OpenItem>;
  // What items have one leaf, each once: from `first` on in owners_, legacy's before `middle`, the
  // candidate's before `stop`, and then those that have a partner.
  struct Owners {
    std::uint32_t first = 0, middle = 0, stop = 0;
    std::uint64_t weight = 0;
  };

  static OpenItems open_items(const Items& items, const std::vector<std::size_t>& alone) {
    OpenItems out;
    for (const std::size_t at : alone) {
      if (is_container(*items.json, items.nodes[at])) out.emplace_back().position = at;
    }
    return out;
  }

  bool read(const Items& items, const OpenItems& open) {
    Leaves leaves(*items.json, steps_left_);
    for (const OpenItem& one : open) {
      if (!leaves.collect(items.nodes[one.position], items_++, leaves_)) return false;
    }
    return true;
  }

  // Some of the items that have a partner tell which leaves are common. The same ones from either
  // side.
  bool read_paired() {
    auto pairs = pairing_.pairs;
    std::sort(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) {
      const auto rank = [](const auto& pair) {
        return std::pair(pair.first + pair.second, std::min(pair.first, pair.second));
      };
      return rank(a) < rank(b);
    });
    const std::size_t step = pairs.size() / kPairedItemsMax + 1;
    Leaves leaves(*legacy_items_.json, steps_left_);
    for (std::size_t at = 0; at < pairs.size(); at += step) {
      if (!leaves.collect(legacy_items_.nodes[pairs[at].first], items_++, leaves_)) return false;
      ++paired_;
    }
    return true;
  }

  // Equal leaves get one number, in the order of their hashes, and a weight by how rare they are:
  // whole numbers, so that the order in which they are added up does not count.
  void number_leaves() {
    std::sort(leaves_.begin(), leaves_.end(), [](const ItemLeaf& a, const ItemLeaf& b) {
      return a.hash != b.hash ? a.hash < b.hash : a.item < b.item;
    });
    const std::uint32_t open = items_ - paired_;
    for (std::size_t at = 0; at < leaves_.size();) {
      const auto number = static_cast<std::uint32_t>(owners_of_.size());
      const std::uint64_t hash = leaves_[at].hash;
      const auto first = static_cast<std::uint32_t>(owners_.size());
      Owners owners{first, first, first, 0};
      std::size_t having = 0;
      for (; at < leaves_.size() && leaves_[at].hash == hash; ++at) {
        const std::uint32_t item = leaves_[at].item;
        if (item < open) item_of(item).leaves.push_back(number);
        if (owners_.size() > first && owners_.back() == item) continue;
        owners_.push_back(item);
        having += item < open ? 1 : 2;  // it stands on both sides
        if (item < legacy_.size()) ++owners.middle;
        if (item < open) ++owners.stop;
      }
      // 1 of a leaf that all have, one more each time that half as many have it.
      const std::size_t all = open + 2 * paired_;
      owners.weight = static_cast<std::uint64_t>(std::bit_width(4 * all / having)) - 2;
      owners_of_.push_back(owners);
    }
    for (OpenItems* side : {&legacy_, &candidate_}) {
      for (OpenItem& one : *side) {
        for (const std::uint32_t leaf : one.leaves) one.weight += owners_of_[leaf].weight;
      }
    }
  }

  OpenItem& item_of(std::uint32_t item) {
    return item < legacy_.size() ? legacy_[item] : candidate_[item - legacy_.size()];
  }

  // Of pairs that share a leaf which few have.
  bool score_all() {
    std::vector<std::uint32_t> partners;
    for (std::size_t i = 0; i < legacy_.size(); ++i) {
      partners.clear();
      for (const std::uint32_t leaf : legacy_[i].leaves) {
        const Owners& owners = owners_of_[leaf];
        if (owners.middle - owners.first > kSharedItemsMax ||
            owners.stop - owners.middle > kSharedItemsMax) {
          continue;
        }
        partners.insert(partners.end(), owners_.begin() + owners.middle,
                        owners_.begin() + owners.stop);
      }
      std::sort(partners.begin(), partners.end());
      partners.erase(std::unique(partners.begin(), partners.end()), partners.end());
      for (const std::uint32_t partner : partners) {
        const std::size_t k = partner - legacy_.size();
        const std::size_t cost = legacy_[i].leaves.size() + candidate_[k].leaves.size();
        if (cost >= steps_left_) return false;
        steps_left_ -= cost;
        score(i, k);
      }
    }
    return true;
  }

  void score(std::size_t i, std::size_t k) {
    const auto& a = legacy_[i].leaves;
    const auto& b = candidate_[k].leaves;
    std::size_t shared = 0;
    std::uint64_t weight = 0;
    for (std::size_t x = 0, y = 0; x < a.size() && y < b.size();) {
      if (a[x] == b[y]) {
        ++shared;
        weight += owners_of_[a[x]].weight;
      }
      const bool is_left = a[x] <= b[y];
      const bool is_right = b[y] <= a[x];
      x += is_left ? 1 : 0;
      y += is_right ? 1 : 0;
    }
    // Rows of one list are alike in what all of them have; that alone does not make two one.
    if (shared * 2 < std::max(a.size(), b.size()) ||
        weight * 3 < std::max(legacy_[i].weight, candidate_[k].weight)) {
      return;
    }
    const std::uint64_t all = legacy_[i].weight + candidate_[k].weight - weight;
    scores_.push_back({(weight << 20) / std::max<std::uint64_t>(all, 1), i, k});
  }

  void take_best() {
    const auto rank = [this](const Score& score) {
      const std::size_t a = legacy_items_.first + legacy_[score.legacy].position;
      const std::size_t b = candidate_items_.first + candidate_[score.candidate].position;
      return std::tuple(~score.share, a > b ? a - b : b - a, a + b, a);
    };
    std::sort(scores_.begin(), scores_.end(),
              [&](const Score& a, const Score& b) { return rank(a) < rank(b); });
    std::vector<bool> is_legacy_taken(legacy_items_.nodes.size());
    std::vector<bool> is_candidate_taken(candidate_items_.nodes.size());
    for (const Score& score : scores_) {
      const std::size_t i = legacy_[score.legacy].position;
      const std::size_t k = candidate_[score.candidate].position;
      if (is_legacy_taken[i] || is_candidate_taken[k]) continue;
      is_legacy_taken[i] = is_candidate_taken[k] = true;
      pairing_.pairs.emplace_back(i, k);
    }
    std::sort(pairing_.pairs.begin(), pairing_.pairs.end());
    std::erase_if(pairing_.only_legacy, [&](std::size_t i) { return is_legacy_taken[i]; });
    std::erase_if(pairing_.only_candidate, [&](std::size_t k) { return is_candidate_taken[k]; });
  }

  const Items& legacy_items_;
  const Items& candidate_items_;
  Pairing& pairing_;
  std::size_t steps_left_ = kSimilaritySteps;
  OpenItems legacy_, candidate_;
  std::uint32_t items_ = 0;   // legacy's open ones, the candidate's, and some that are paired
  std::uint32_t paired_ = 0;  // of these
  std::vector<ItemLeaf> leaves_;
  std::vector<std::uint32_t> owners_;  // legacy's items, then the candidate's
  std::vector<Owners> owners_of_;      // by the number of a leaf
  std::vector<Score> scores_;
};

}  // namespace

bool pair_by_similarity(const Items& legacy, const Items& candidate, Pairing& pairing) {
  return Matcher(legacy, candidate, pairing).run();
}

void pair_gaps(const Items& legacy, const Items& candidate, Pairing& pairing) {
  std::vector<std::size_t> only_legacy;
  std::vector<std::size_t> only_candidate;
  std::vector<std::pair<std::size_t, std::size_t>> found;
  std::size_t i = 0;
  std::size_t k = 0;
  auto& left = pairing.only_legacy;
  auto& right = pairing.only_candidate;
  // Up to where the gap ends on each side.
  const auto take = [&](std::size_t left_end, std::size_t right_end) {
    while (i < left.size() && left[i] < left_end && k < right.size() && right[k] < right_end) {
      const bool is_one = is_container(*legacy.json, legacy.nodes[left[i]]) ==
                          is_container(*candidate.json, candidate.nodes[right[k]]);
      if (is_one) {
        found.emplace_back(left[i++], right[k++]);
      } else {
        only_legacy.push_back(left[i++]);
        only_candidate.push_back(right[k++]);
      }
    }
    while (i < left.size() && left[i] < left_end) only_legacy.push_back(left[i++]);
    while (k < right.size() && right[k] < right_end) only_candidate.push_back(right[k++]);
  };
  if (pairing.keeps_order()) {
    for (const auto& [a, b] : pairing.pairs) take(a, b);
  }
  take(legacy.nodes.size(), candidate.nodes.size());
  pairing.pairs.insert(pairing.pairs.end(), found.begin(), found.end());
  std::sort(pairing.pairs.begin(), pairing.pairs.end());
  left = std::move(only_legacy);
  right = std::move(only_candidate);
}

}  // namespace banyan::comparator
