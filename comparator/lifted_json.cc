// SPDX-License-Identifier: Apache-2.0
#include "comparator/lifted_json.h"

#include <algorithm>
#include <utility>

#include "comparator/decimal.h"
#include "comparator/meaning_hash.h"

namespace banyan::comparator {
namespace {

using Type = json::Value::Type;
using Tag = MeaningTag;
using Bag = MeaningBag;

void append_digest(std::string& out, const Digest128& digest) {
  out.append(reinterpret_cast<const char*>(&digest), sizeof digest);
}

Digest128 member_hash(std::uint64_t key, const Digest128& value) {
  const std::uint64_t words[3] = {key, value.high, value.low};
  return meaning_hash(Tag::kMember, words);
}

// Of the values of one name: that of the last where all agree, else of their sequence.
template <typename Keyed>
Digest128 sequence_hash(const Keyed* first, const Keyed* last) {
  if (std::all_of(first, last, [&](const Keyed& v) { return v.value == first->value; })) {
    return first->value;
  }
  std::string bytes;
  for (; first != last; ++first) append_digest(bytes, first->value);
  return meaning_hash(Tag::kArray, bytes);
}

}  // namespace

// A sum over the names, so that their order does not count. Sorted where a name may come twice.
Digest128 LiftedJson::Room::object_hash(std::vector<KeyedHash>& members) {
  constexpr std::size_t kFew = 8;
  const auto by_key = [](const KeyedHash& a, const KeyedHash& b) { return a.key < b.key; };
  bool is_unique = true;
  if (members.size() <= kFew) {
    for (std::size_t i = 1; i < members.size(); ++i) {
      for (std::size_t k = 0; k < i; ++k) is_unique &= members[i].key != members[k].key;
    }
    if (!is_unique) std::stable_sort(members.begin(), members.end(), by_key);
  } else {
    std::stable_sort(members.begin(), members.end(), by_key);
    is_unique = false;
  }
  Bag bag;
  if (is_unique) {
    for (const KeyedHash& member : members) bag.add(member_hash(member.key, member.value));
    return bag.digest(Tag::kObject);
  }
  const KeyedHash* const last = members.data() + members.size();
  for (const KeyedHash* first = members.data(); first != last;) {
    const KeyedHash* next = first + 1;
    while (next != last && next->key == first->key) ++next;
    bag.add(member_hash(first->key, next == first + 1 ? first->value : sequence_hash(first, next)));
    first = next;
  }
  return bag.digest(Tag::kObject);
}

void LiftedJson::Room::shrink() {
  if (marks.capacity() > kKeptNodesMax) *this = Room();
}

LiftedJson::LiftedJson(const json::Tape& value, const RuleSet& rules, Room& room)
    : tape_(value), rules_(rules), patterns_(rules.body().size()), room_(room) {
  room_.marks.assign(value.nodes().size(), {});
  room_.hashes.clear();
  if (patterns_ == 0) return;
  room_.states.assign(patterns_, {});
  for (std::size_t i = 0; i < patterns_; ++i) {
    const BodyRule& rule = *rules.body()[i];
    room_.states[i] = rule.pattern.start();
    has_loose_ = has_loose_ || rule.kind != RuleKind::kTolerance;
  }
  find_rules(0, 0, -1);
}

std::vector<NodeIndex> LiftedJson::children(NodeIndex index) const {
  std::vector<NodeIndex> out;
  out.reserve(tape_[index].children);
  for (NodeIndex child = index + 1; child < end_of(index); child = end_of(child)) {
    out.push_back(child);
  }
  return out;
}

std::optional<NodeIndex> LiftedJson::member(NodeIndex object, std::string_view name) const {
  if (tape_[object].type != Type::kObject) return std::nullopt;
  std::optional<NodeIndex> found;
  for (NodeIndex child = object + 1; child < end_of(object); child = end_of(child)) {
    if (tape_[child].name == name) found = child;
  }
  return found;
}

void LiftedJson::find_rules(NodeIndex index, std::size_t level, std::int16_t inherited) {
  Room::Mark& mark = room_.marks[index];
  rules_.settle(mark, inherited, [this, level](std::size_t i) {
    return rules_.body()[i]->pattern.accepts(states(level)[i]);
  });
  if (tape_[index].children == 0) return;
  if (room_.states.size() < (level + 2) * patterns_) room_.states.resize((level + 2) * patterns_);
  const bool is_array = tape_[index].type == Type::kArray;
  for (NodeIndex child = index + 1; child < end_of(index); child = end_of(child)) {
    for (std::size_t i = 0; i < patterns_; ++i) {
      const json::PathPattern& pattern = rules_.body()[i]->pattern;
      states(level + 1)[i] = is_array ? pattern.enter_item(states(level)[i])
                                      : pattern.enter_member(states(level)[i], tape_[child].name);
    }
    find_rules(child, level + 1, mark.ignore);
    const Room::Mark& below = room_.marks[child];
    mark.has_inner = mark.has_inner || below.has_inner || below.ignore != mark.ignore;
  }
}

void LiftedJson::match(const LiftedJson& other) {
  // A container's bytes are looked at before its parts are, so those of deep ones again and again;
  // past a few times the whole text only its parts are.
  constexpr std::size_t kTimesMax = 4;
  std::size_t bytes_left = kTimesMax * tape_[0].text.size();
  match(0, other, 0, bytes_left);
}

bool LiftedJson::match(NodeIndex index, const LiftedJson& other, NodeIndex theirs,
                       std::size_t& bytes_left) {
  const json::TapeNode& a = tape_[index];
  const json::TapeNode& b = other.tape_[theirs];
  if (a.type != b.type) return false;
  bool is_same = false;
  if (a.type != Type::kArray && a.type != Type::kObject) {
    is_same = a.text == b.text && a.boolean == b.boolean;
  } else if (!a.text.empty() && a.text.size() == b.text.size() && a.text.size() <= bytes_left) {
    bytes_left -= a.text.size();
    is_same = a.text == b.text;
  }
  if (!is_same && (a.children > 0 || b.children > 0 || a.text.empty())) {
    is_same = a.children == b.children && (a.type == Type::kArray || a.type == Type::kObject);
    NodeIndex child = index + 1;
    NodeIndex their_child = theirs + 1;
    for (; child < a.end && their_child < b.end;
         child = end_of(child), their_child = other.end_of(their_child)) {
      // Behind another name, the places no longer tell.
      if (tape_[child].name != other.tape_[their_child].name) return false;
      if (!match(child, other, their_child, bytes_left)) is_same = false;
    }
  }
  if (is_same) room_.marks[index].same_as = theirs;
  return is_same;
}

void LiftedJson::hash(NodeIndex index) const {
  for (NodeIndex child = index + 1; child < end_of(index); child = end_of(child)) {
    if (!room_.marks[child].is_hashed) hash(child);
  }
  if (room_.hashes.empty()) room_.hashes.resize(room_.marks.size());
  Room::Hashes& hashes = room_.hashes[index];
  switch (tape_[index].type) {
    case Type::kArray: hash_array(index); break;
    case Type::kObject: hash_object(index); break;
    default: hashes.exact = hashes.loose = hash_of_leaf(tape_[index]);
  }
  if (is_left_out(room_.marks[index])) hashes.loose = Digest128{};
  room_.marks[index].is_hashed = true;
}

Digest128 LiftedJson::hash_of_leaf(const json::TapeNode& value) const {
  if (value.type == Type::kString) {
    return tape_.is_ascii() ? meaning_hash(Tag::kString, value.text)
                            : text_hash(Tag::kString, value.text, room_.ordered);
  }
  if (value.type == Type::kNumber) {
    room_.ordered.clear();
    append_canonical_number(room_.ordered, value.text);
    return meaning_hash(Tag::kNumber, room_.ordered);
  }
  const std::uint64_t words[1] = {value.type == Type::kNull ? 2U : value.boolean ? 1U : 0U};
  return meaning_hash(Tag::kLeaf, words);
}

void LiftedJson::hash_array(NodeIndex index) const {
  std::string& ordered = room_.ordered;
  std::string& loose = room_.ordered_loose;
  ordered.clear();
  loose.clear();
  Bag bag;
  const bool is_bag = room_.marks[index].unordered >= 0;
  for (NodeIndex child = index + 1; child < end_of(index); child = end_of(child)) {
    const Room::Hashes& hashes = room_.hashes[child];
    append_digest(ordered, hashes.exact);
    if (!has_loose_ || is_left_out(room_.marks[child])) continue;
    if (is_bag)
      bag.add(hashes.loose);
    else
      append_digest(loose, hashes.loose);
  }
  Room::Hashes& out = room_.hashes[index];
  out.exact = meaning_hash(Tag::kArray, ordered);
  out.loose = !has_loose_ ? out.exact
              : is_bag    ? bag.digest(Tag::kBag)
                          : meaning_hash(Tag::kArray, loose);
}

void LiftedJson::hash_object(NodeIndex index) const {
  room_.exact.clear();
  room_.loose.clear();
  for (NodeIndex child = index + 1; child < end_of(index); child = end_of(child)) {
    const Room::Hashes& hashes = room_.hashes[child];
    const std::uint64_t key = xxh3_64(tape_[child].name, meaning_seed(Tag::kKey));
    room_.exact.push_back({key, hashes.exact});
    if (has_loose_ && !is_left_out(room_.marks[child])) room_.loose.push_back({key, hashes.loose});
  }
  Room::Hashes& out = room_.hashes[index];
  out.exact = Room::object_hash(room_.exact);
  out.loose = has_loose_ ? Room::object_hash(room_.loose) : out.exact;
}

}  // namespace banyan::comparator
