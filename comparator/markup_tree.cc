// SPDX-License-Identifier: Apache-2.0
#include "comparator/markup_tree.h"

#include <algorithm>
#include <map>
#include <utility>

#include "comparator/body_errors.h"
#include "comparator/meaning_hash.h"

namespace banyan::comparator {

MarkupTree::MarkupTree(const RuleSet& rules) : rules_(rules), patterns_(rules.body().size()) {
  for (std::size_t i = 0; i < patterns_; ++i) {
    states_.push_back(rules_.body()[i]->pattern.start());
  }
}

std::string_view MarkupTree::keep(std::string text) {
  texts_.push_back(std::move(text));
  return texts_.back();
}

Result<MarkupIndex> MarkupTree::add_element(const MarkupNode& node, std::size_t level,
                                            std::int16_t ignore) {
  if (level >= kMarkupDepthMax) {
    return too_large_body("nests deeper than " + std::to_string(kMarkupDepthMax) + " elements");
  }
  return add(node, level, ignore);
}

Status MarkupTree::add_leaf(const MarkupNode& node, std::size_t level, std::int16_t ignore) {
  const auto added = add(node, level, ignore);
  if (!added.ok()) return added.error();
  hash_leaf(*added);
  return {};
}

void MarkupTree::end_element(MarkupIndex index) {
  nodes_[index].end = static_cast<MarkupIndex>(nodes_.size());
  if (nodes_[index].has_elements) number_siblings(index);
  hash_element(index);
}

Result<MarkupIndex> MarkupTree::add(MarkupNode node, std::size_t level, std::int16_t ignore) {
  if (nodes_.size() >= kMarkupNodesMax) {
    return too_large_body("has more than " + std::to_string(kMarkupNodesMax) + " parts");
  }
  const auto index = static_cast<MarkupIndex>(nodes_.size());
  node.end = index + 1;
  nodes_.push_back(node);
  find_rules(index, level, ignore);
  return index;
}

// `level` is that of the parent: its states, and those of the node behind them.
void MarkupTree::find_rules(MarkupIndex index, std::size_t level, std::int16_t inherited) {
  MarkupNode& node = nodes_[index];
  node.ignore = inherited;
  node.is_inherited = inherited >= 0;
  if (patterns_ == 0) return;
  if (states_.size() < (level + 2) * patterns_) states_.resize((level + 2) * patterns_);
  if (node.kind == MarkupKind::kText) return;  // Its path is that of its element.
  std::string scratch;
  std::string_view step = node.name;
  if (node.kind == MarkupKind::kAttribute) {
    scratch.assign(1, '@').append(node.name);
    step = scratch;
  }
  for (std::size_t i = 0; i < patterns_; ++i) {
    states(level + 1)[i] = rules_.body()[i]->pattern.enter_member(states(level)[i], step);
  }
  rules_.settle(node, inherited, [this, level](std::size_t i) {
    return rules_.body()[i]->pattern.accepts(states(level + 1)[i]);
  });
}

void MarkupTree::number_siblings(MarkupIndex element) {
  std::map<std::pair<std::string_view, std::string_view>, std::vector<MarkupIndex>> by_name;
  for (const MarkupIndex child : content(element)) {
    by_name[{nodes_[child].name, nodes_[child].space}].push_back(child);
  }
  for (const auto& [name, siblings] : by_name) {
    if (siblings.size() < 2) continue;
    std::uint32_t position = 0;
    for (const MarkupIndex sibling : siblings) nodes_[sibling].position = ++position;
  }
}

bool MarkupTree::is_left_out(const MarkupNode& node) const {
  if (node.is_covered_whole()) return true;
  if (!node.has_value_rule() || node.has_elements) return false;
  return rules_.body()[static_cast<std::size_t>(node.values[0])]->kind != RuleKind::kTolerance;
}

void MarkupTree::hash_leaf(MarkupIndex index) {
  MarkupNode& node = nodes_[index];
  std::string room;
  node.exact = text_hash(MeaningTag::kString, node.text, room);
  if (node.kind == MarkupKind::kAttribute) {
    const std::uint64_t words[4] = {xxh3_64(node.name, meaning_seed(MeaningTag::kKey)),
                                    xxh3_64(node.space, meaning_seed(MeaningTag::kKey)),
                                    node.exact.high, node.exact.low};
    node.exact = meaning_hash(MeaningTag::kAttribute, words);
  }
  node.loose = node.exact;
}

void MarkupTree::hash_element(MarkupIndex index) {
  const auto append = [](std::string& out, const Digest128& digest) {
    out.append(reinterpret_cast<const char*>(&digest), sizeof digest);
  };
  std::string exact;
  std::string loose;
  MeaningBag bag;
  for (MarkupIndex child = index + 1; child < nodes_[index].end; child = nodes_[child].end) {
    const MarkupNode& below = nodes_[child];
    if (below.kind == MarkupKind::kText) continue;
    MarkupNode& above = nodes_[index];
    above.has_inner = above.has_inner || below.has_inner || below.ignore != above.ignore;
  }
  const bool is_bag = nodes_[index].unordered >= 0;
  for (MarkupIndex child = index + 1; child < nodes_[index].end; child = nodes_[child].end) {
    const MarkupNode& node = nodes_[child];
    append(exact, node.exact);
    if (is_left_out(node)) continue;
    if (is_bag && node.kind != MarkupKind::kAttribute) {
      bag.add(node.loose);
    } else {
      append(loose, node.loose);
    }
  }
  MarkupNode& node = nodes_[index];
  const auto whole = [&](std::string& bytes) {
    const std::uint64_t name[2] = {xxh3_64(node.name, meaning_seed(MeaningTag::kKey)),
                                   xxh3_64(node.space, meaning_seed(MeaningTag::kKey))};
    bytes.append(reinterpret_cast<const char*>(name), sizeof name);
    return meaning_hash(MeaningTag::kElement, bytes);
  };
  node.exact = whole(exact);
  if (is_bag) append(loose, bag.digest(MeaningTag::kBag));
  node.loose = whole(loose);
}

std::vector<MarkupIndex> MarkupTree::attributes(MarkupIndex element) const {
  std::vector<MarkupIndex> out;
  MarkupIndex at = element + 1;
  for (; at < nodes_[element].end && nodes_[at].kind == MarkupKind::kAttribute; ++at)
    out.push_back(at);
  return out;
}

std::vector<MarkupIndex> MarkupTree::content(MarkupIndex element) const {
  std::vector<MarkupIndex> out;
  for (MarkupIndex at = element + 1; at < nodes_[element].end; at = nodes_[at].end) {
    if (nodes_[at].kind != MarkupKind::kAttribute) out.push_back(at);
  }
  return out;
}

std::string_view MarkupTree::text_of(MarkupIndex element) const {
  const MarkupIndex last = nodes_[element].end - 1;
  return nodes_[last].kind == MarkupKind::kText ? nodes_[last].text : std::string_view();
}

}  // namespace banyan::comparator
