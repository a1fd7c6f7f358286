// SPDX-License-Identifier: Apache-2.0
#include "comparator/lifted_json.h"

#include <algorithm>
#include <map>
#include <utility>

#include "comparator/decimal.h"
#include "comparator/meaning_hash.h"

namespace banyan::comparator {
namespace {

using Type = json::Value::Type;
using Tag = MeaningTag;
using Bag = MeaningBag;

Digest128 member_hash(std::uint64_t key, const Digest128& value) {
  const std::uint64_t words[3] = {key, value.high, value.low};
  return meaning_hash(Tag::kMember, words);
}

bool has_duplicates(std::vector<std::uint64_t> keys) {
  std::sort(keys.begin(), keys.end());
  return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
}

// Of the values of one name: that of the last where all agree, else of their sequence.
Digest128 sequence_hash(const std::vector<Digest128>& values) {
  if (std::all_of(values.begin(), values.end(), [&](const auto& v) { return v == values[0]; })) {
    return values[0];
  }
  std::string bytes;
  for (const Digest128& value : values) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return meaning_hash(Tag::kArray, bytes);
}

struct KeyedHash {
  std::uint64_t key;
  Digest128 value;
};

Digest128 object_hash(const std::vector<KeyedHash>& members, bool with_duplicates) {
  Bag bag;
  if (!with_duplicates) {
    for (const KeyedHash& member : members) bag.add(member_hash(member.key, member.value));
    return bag.digest(Tag::kObject);
  }
  std::map<std::uint64_t, std::vector<Digest128>> by_key;
  for (const KeyedHash& member : members) by_key[member.key].push_back(member.value);
  for (const auto& [key, values] : by_key) bag.add(member_hash(key, sequence_hash(values)));
  return bag.digest(Tag::kObject);
}

}  // namespace

LiftedJson::LiftedJson(const json::Value& value, const RuleSet& rules)
    : rules_(rules), patterns_(rules.body().size()) {
  states_.resize(patterns_);
  for (std::size_t i = 0; i < patterns_; ++i) {
    const BodyRule& rule = *rules.body()[i];
    states_[i] = rule.pattern.start();
    has_loose_ = has_loose_ || rule.kind != BodyRule::Kind::kTolerance;
  }
  add(value, 0, -1);
}

std::vector<NodeIndex> LiftedJson::children(NodeIndex index) const {
  std::vector<NodeIndex> out;
  const json::Value& value = *nodes_[index].value;
  out.reserve(std::max(value.items.size(), value.members.size()));
  for (NodeIndex child = index + 1; child < nodes_[index].end; child = nodes_[child].end) {
    out.push_back(child);
  }
  return out;
}

NodeIndex LiftedJson::add(const json::Value& value, std::size_t level, std::int16_t inherited) {
  const auto index = static_cast<NodeIndex>(nodes_.size());
  nodes_.emplace_back();
  nodes_[index].value = &value;
  nodes_[index].ignore = inherited;
  if (patterns_ > 0) {
    find_rules(index, level);
    if (states_.size() < (level + 2) * patterns_) states_.resize((level + 2) * patterns_);
  }
  const std::int16_t ignore = nodes_[index].ignore;
  for (const json::Value& item : value.items) {
    for (std::size_t i = 0; i < patterns_; ++i) {
      states(level + 1)[i] = rules_.body()[i]->pattern.enter_item(states(level)[i]);
    }
    add(item, level + 1, ignore);
  }
  for (const auto& [name, member] : value.members) {
    for (std::size_t i = 0; i < patterns_; ++i) {
      states(level + 1)[i] = rules_.body()[i]->pattern.enter_member(states(level)[i], name);
    }
    add(member, level + 1, ignore);
  }
  nodes_[index].end = static_cast<NodeIndex>(nodes_.size());
  switch (value.type) {
    case Type::kArray: hash_array(index); break;
    case Type::kObject: hash_object(index); break;
    default: hash_leaf(index);
  }
  if (ignore >= 0) nodes_[index].loose = Digest128{};
  return index;
}

void LiftedJson::find_rules(NodeIndex index, std::size_t level) {
  Node& node = nodes_[index];
  for (std::size_t i = 0; i < patterns_; ++i) {
    const BodyRule& rule = *rules_.body()[i];
    if (!rule.pattern.accepts(states(level)[i])) continue;
    node.add(rule.kind, i);
  }
}

void LiftedJson::hash_leaf(NodeIndex index) {
  Node& node = nodes_[index];
  const json::Value& value = *node.value;
  if (value.type == Type::kString) {
    node.exact = meaning_hash(Tag::kString, value.text);
  } else if (value.type == Type::kNumber) {
    scratch_.clear();
    append_canonical_number(scratch_, value.text);
    node.exact = meaning_hash(Tag::kNumber, scratch_);
  } else {
    const std::uint64_t words[1] = {value.type == Type::kNull ? 2U : value.boolean ? 1U : 0U};
    node.exact = meaning_hash(Tag::kLeaf, words);
  }
  node.loose = node.exact;
}

void LiftedJson::hash_array(NodeIndex index) {
  std::string ordered;
  std::string loose;
  Bag bag;
  const bool is_bag = nodes_[index].unordered >= 0;
  for (NodeIndex child = index + 1; child < nodes_[index].end; child = nodes_[child].end) {
    const Node& node = nodes_[child];
    ordered.append(reinterpret_cast<const char*>(&node.exact), sizeof node.exact);
    if (!has_loose_ || node.ignore >= 0) continue;
    if (is_bag)
      bag.add(node.loose);
    else
      loose.append(reinterpret_cast<const char*>(&node.loose), sizeof node.loose);
  }
  nodes_[index].exact = meaning_hash(Tag::kArray, ordered);
  nodes_[index].loose = !has_loose_ ? nodes_[index].exact
                        : is_bag    ? bag.digest(Tag::kBag)
                                    : meaning_hash(Tag::kArray, loose);
}

void LiftedJson::hash_object(NodeIndex index) {
  const auto& members = nodes_[index].value->members;
  std::vector<KeyedHash> exact;
  std::vector<KeyedHash> loose;
  std::vector<std::uint64_t> keys;
  exact.reserve(members.size());
  keys.reserve(members.size());
  NodeIndex child = index + 1;
  for (const auto& [name, value] : members) {
    const Node& node = nodes_[child];
    const std::uint64_t key = xxh3_64(name, meaning_seed(Tag::kKey));
    keys.push_back(key);
    exact.push_back({key, node.exact});
    if (has_loose_ && node.ignore < 0) loose.push_back({key, node.loose});
    child = node.end;
  }
  const bool with_duplicates = has_duplicates(std::move(keys));
  nodes_[index].exact = object_hash(exact, with_duplicates);
  nodes_[index].loose = has_loose_ ? object_hash(loose, with_duplicates) : nodes_[index].exact;
}

}  // namespace banyan::comparator
