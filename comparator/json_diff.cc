// SPDX-License-Identifier: Apache-2.0
#include "comparator/json_diff.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "comparator/array_similarity.h"
#include "comparator/meaning_hash.h"
#include "comparator/transition.h"
#include "core/base/unicode.h"
#include "core/json/json_writer.h"

namespace banyan::comparator {
namespace {

using Type = json::Value::Type;

std::string_view type_name(Type type) {
  switch (type) {
    case Type::kNull: return "null";
    case Type::kBool: return "boolean";
    case Type::kNumber: return "number";
    case Type::kString: return "string";
    case Type::kArray: return "array";
    case Type::kObject: return "object";
  }
  return "";
}

bool is_scalar(const json::TapeNode& value) {
  return value.type != Type::kArray && value.type != Type::kObject;
}

Leaf leaf_of(const json::TapeNode& value) {
  switch (value.type) {
    case Type::kBool: return {LeafType::kBoolean, value.boolean ? "true" : "false"};
    case Type::kNumber: return {LeafType::kNumber, value.text};
    case Type::kString: return {LeafType::kString, value.text};
    default: return {LeafType::kNull, "null"};
  }
}

bool holds_nothing(const json::TapeNode& value) {
  return value.type == Type::kString ? value.text.empty() : value.children == 0;
}

// "" of a value that says something.
std::string_view name_of_nothing(const json::TapeNode& value) {
  if (value.type == Type::kNull) return "null";
  const bool can_be_empty = value.type == Type::kString || !is_scalar(value);
  return can_be_empty && holds_nothing(value) ? "empty" : "";
}

std::string transition_of(const json::TapeNode& legacy, const json::TapeNode& candidate) {
  if (is_scalar(legacy) && is_scalar(candidate)) {
    return comparator::transition_of(leaf_of(legacy), leaf_of(candidate));
  }
  // An empty list in the place of null is another cause than a list.
  const bool has_null = legacy.type == Type::kNull || candidate.type == Type::kNull;
  const auto told = [has_null](const json::TapeNode& value) -> std::string {
    if (has_null && !is_scalar(value) && holds_nothing(value)) {
      return value.type == Type::kArray ? "[]" : "{}";
    }
    return std::string(type_name(value.type));
  };
  return told(legacy) + "→" + told(candidate);
}

// Writes a value until `out` passes `bytes_max`; what is cut off there is never looked at.
void write_bounded(const LiftedJson& json, NodeIndex at, std::size_t bytes_max, std::string& out) {
  if (out.size() > bytes_max) return;
  const json::TapeNode& value = *json[at].value;
  const bool is_object = value.type == Type::kObject;
  if (is_object || value.type == Type::kArray) {
    out.push_back(is_object ? '{' : '[');
    for (NodeIndex child = at + 1; child < value.end; child = json.end_of(child)) {
      if (out.size() > bytes_max) return;
      if (child > at + 1) out.push_back(',');
      if (is_object) {
        json::JsonWriter(out).string(json[child].value->name.substr(0, bytes_max + 1));
        out.push_back(':');
      }
      write_bounded(json, child, bytes_max, out);
    }
    out.push_back(is_object ? '}' : ']');
  } else if (value.type == Type::kString && value.text.size() > bytes_max) {
    // Half a sequence at the cut would come out as U+FFFD, so it goes too.
    std::size_t end = bytes_max + 1;
    while (end > 0 && end < value.text.size() &&
           (static_cast<unsigned char>(value.text[end]) & 0xC0) == 0x80) {
      --end;
    }
    json::JsonWriter(out).string(value.text.substr(0, end));
    out.pop_back();
    out.append(bytes_max + 2, ' ');  // marks it as cut
  } else if (value.type == Type::kString) {
    json::JsonWriter(out).string(value.text);
  } else {
    out += leaf_of(value).text;
  }
}

}  // namespace

std::string JsonDiff::shown(const LiftedJson& json, NodeIndex at) const {
  if (!sink_.has_room()) return {};
  std::string out;
  write_bounded(json, at, sink_.shown_bytes_max(), out);
  return out;
}

void JsonDiff::emit(DifferenceKind kind, std::string legacy, std::string candidate,
                    std::string_view rule, std::string transition) {
  if (sink_.omits(rule)) return;
  sink_.add({"body:" + json::template_path(path_), "body:" + json::concrete_path(path_), kind,
             std::move(legacy), std::move(candidate), std::string(rule), std::move(transition)});
}

bool JsonDiff::is_same(NodeIndex legacy, NodeIndex candidate) const {
  const Node& a = legacy_[legacy];
  const Node& b = candidate_[candidate];
  if (a.same_as == candidate) return true;
  if (a.value->type == Type::kString && b.value->type == Type::kString) {
    return is_same_text(a.value->text, b.value->text);
  }
  return legacy_.exact(legacy) == candidate_.exact(candidate);
}

void JsonDiff::node(NodeIndex legacy, NodeIndex candidate) {
  const Node& a = legacy_[legacy];
  const Node& b = candidate_[candidate];
  if (a.same_as == candidate) return;
  if (a.value->type != b.value->type) {
    const bool has_values = is_scalar(*a.value) && is_scalar(*b.value);
    emit(DifferenceKind::kType, shown(legacy_, legacy), shown(candidate_, candidate),
         has_values
             ? rules_.covering(a, DifferenceKind::kType, leaf_of(*a.value), leaf_of(*b.value))
             : rules_.covering(a, DifferenceKind::kType),
         transition_of(*a.value, *b.value));
  } else if ((a.is_covered_whole() && b.is_covered_whole()) || is_scalar(*a.value)) {
    if (!is_same(legacy, candidate)) leaf(legacy, candidate);
  } else if (a.value->type == Type::kObject) {
    object(legacy, candidate);
  } else {
    array(legacy, candidate);
  }
}

void JsonDiff::leaf(NodeIndex legacy, NodeIndex candidate) {
  const Node& a = legacy_[legacy];
  const Node& b = candidate_[candidate];
  const std::string_view rule =
      is_scalar(*a.value)
          ? rules_.covering(a, DifferenceKind::kValue, leaf_of(*a.value), leaf_of(*b.value))
          : rules_.covering(a, DifferenceKind::kValue);
  // What a rule covers is one finding, whatever became of it.
  const bool is_told = rule.empty() && is_scalar(*a.value) && sink_.has_room();
  emit(DifferenceKind::kValue, shown(legacy_, legacy), shown(candidate_, candidate), rule,
       is_told ? transition_of(*a.value, *b.value) : std::string());
}

struct JsonDiff::Member {
  std::string_view name;
  NodeIndex node;
};

void JsonDiff::object(NodeIndex legacy, NodeIndex candidate) {
  const auto by_name = [](const LiftedJson& json, NodeIndex index) {
    std::vector<Member> out;
    out.reserve(json[index].value->children);
    for (NodeIndex child = index + 1; child < json.end_of(index); child = json.end_of(child)) {
      out.push_back({json[child].value->name, child});
    }
    std::stable_sort(out.begin(), out.end(),
                     [](const Member& a, const Member& b) { return a.name < b.name; });
    return out;
  };
  const std::vector<Member> a = by_name(legacy_, legacy);
  const std::vector<Member> b = by_name(candidate_, candidate);
  const auto take = [](const std::vector<Member>& from, std::size_t& at, std::string_view name) {
    const std::size_t first = at;
    while (at < from.size() && from[at].name == name) ++at;
    return std::span(from).subspan(first, at - first);
  };
  std::vector<Member> missing;
  std::vector<Member> extra;
  for (std::size_t i = 0, k = 0; i < a.size() || k < b.size();) {
    const std::string_view name =
        k == b.size() || (i < a.size() && a[i].name <= b[k].name) ? a[i].name : b[k].name;
    const auto left = take(a, i, name);
    const auto right = take(b, k, name);
    if (left.empty()) {
      extra.push_back(right.back());
    } else if (right.empty()) {
      missing.push_back(left.back());
    } else {
      path_.push_back({name, 0, false});
      member(left, right);
      path_.pop_back();
    }
  }
  if (!missing.empty() || !extra.empty()) one_sided_members(missing, extra);
}

// A member that is gone while another one with the very same value has come is one difference, a
// rename, as long as there is no doubt which is which.
void JsonDiff::one_sided_members(const std::vector<Member>& missing,
                                 const std::vector<Member>& extra) {
  struct Shared {
    std::size_t missing = 0;
    std::size_t extra = 0;
    std::size_t come = 0;  // position of the last of `extra`
  };
  std::unordered_map<Digest128, Shared, DigestHash> by_value(missing.size());
  for (const Member& gone : missing) ++by_value[legacy_.exact(gone.node)].missing;
  for (std::size_t i = 0; i < extra.size(); ++i) {
    Shared& shared = by_value[candidate_.exact(extra[i].node)];
    ++shared.extra;
    shared.come = i;
  }
  const auto tells_a_name = [](const Node& node) {
    return node.ignore < 0 && node.value->type != Type::kNull && node.value->type != Type::kBool &&
           !(node.value->type == Type::kString && node.value->text.empty());
  };
  std::vector<bool> is_rename(extra.size(), false);
  for (const Member& gone : missing) {
    const Node& node = legacy_[gone.node];
    const Shared& shared = by_value[legacy_.exact(gone.node)];
    path_.push_back({gone.name, 0, false});
    if (shared.missing == 1 && shared.extra == 1 && tells_a_name(node) &&
        tells_a_name(candidate_[extra[shared.come].node])) {
      is_rename[shared.come] = true;
      emit(DifferenceKind::kMissing, shown(legacy_, gone.node), {}, {},
           "renamed→" + cut_shown(extra[shared.come].name, sink_.shown_bytes_max()));
    } else {
      one_sided(gone.node, true);
    }
    path_.pop_back();
  }
  for (std::size_t i = 0; i < extra.size(); ++i) {
    if (is_rename[i]) continue;
    path_.push_back({extra[i].name, 0, false});
    one_sided(extra[i].node, false);
    path_.pop_back();
  }
}

// The last of several members of one name wins; that the ones before it disagree with it is told.
void JsonDiff::member(std::span<const Member> legacy, std::span<const Member> candidate) {
  const NodeIndex left = legacy.back().node;
  const NodeIndex right = candidate.back().node;
  const bool is_single = legacy.size() == 1 && candidate.size() == 1;
  if (is_single || !is_same(left, right)) return node(left, right);
  const auto distinct = [](const LiftedJson& json, std::span<const Member> members) {
    std::vector<Digest128> out;
    for (const Member& member : members) out.push_back(json.exact(member.node));
    const bool is_one = std::all_of(out.begin(), out.end(),
                                    [&](const Digest128& digest) { return digest == out[0]; });
    if (is_one) out.resize(1);
    return out;
  };
  if (distinct(legacy_, legacy) == distinct(candidate_, candidate)) return;
  const auto all = [&](const LiftedJson& json, std::span<const Member> members) {
    std::string out;
    for (const Member& member : members) {
      if (!out.empty()) out += ", then ";
      write_bounded(json, member.node, sink_.shown_bytes_max(), out);
    }
    return out;
  };
  emit(DifferenceKind::kValue, all(legacy_, legacy), all(candidate_, candidate),
       rules_.covering(legacy_[left], DifferenceKind::kValue), "duplicate name");
}

void JsonDiff::one_sided(NodeIndex at, bool is_legacy, std::string_view word) {
  const LiftedJson& side = is_legacy ? legacy_ : candidate_;
  const Node& node = side[at];
  const DifferenceKind kind = is_legacy ? DifferenceKind::kMissing : DifferenceKind::kExtra;
  const std::string_view rule = node.value->type == Type::kNull ? rules_.covering_null(node, kind)
                                                                : rules_.covering(node, kind);
  std::string transition;
  if (rule.empty()) {
    transition = word;
    if (const auto nothing = name_of_nothing(*node.value); word.empty() && !nothing.empty()) {
      transition = is_legacy ? std::string(nothing) + "→absent" : "absent→" + std::string(nothing);
    }
  }
  if (is_legacy) {
    emit(DifferenceKind::kMissing, shown(side, at), {}, rule, std::move(transition));
  } else {
    emit(DifferenceKind::kExtra, {}, shown(side, at), rule, std::move(transition));
  }
}

void JsonDiff::order(NodeIndex legacy, NodeIndex candidate, std::string_view rule) {
  emit(DifferenceKind::kOrder, shown(legacy_, legacy), shown(candidate_, candidate), rule,
       rule.empty() ? "reordered" : "");
}

void JsonDiff::item(NodeIndex legacy, NodeIndex candidate, std::size_t index) {
  path_.push_back({{}, index, true});
  node(legacy, candidate);
  path_.pop_back();
}

void JsonDiff::array(NodeIndex legacy, NodeIndex candidate) {
  const Items a{&legacy_, legacy_.children(legacy), 0};
  const Items b{&candidate_, candidate_.children(candidate), 0};
  if (const std::int16_t rule = legacy_[legacy].unordered; rule >= 0) {
    unordered(legacy, candidate, a, b, *rules_.body()[static_cast<std::size_t>(rule)]);
  } else {
    ordered(legacy, candidate, a, b);
  }
}

void JsonDiff::ordered(NodeIndex legacy, NodeIndex candidate, Items a, Items b) {
  std::size_t front = 0;
  std::size_t left = a.nodes.size();
  std::size_t right = b.nodes.size();
  while (front < left && front < right && is_alike(a.nodes[front], b.nodes[front])) {
    item(a.nodes[front], b.nodes[front], front);
    ++front;
  }
  while (left > front && right > front && is_alike(a.nodes[left - 1], b.nodes[right - 1])) {
    --left;
    --right;
    item(a.nodes[left], b.nodes[right], left);
  }
  const auto keep = [front](Items& items, std::size_t end) {
    items.nodes.resize(end);
    items.nodes.erase(items.nodes.begin(),
                      items.nodes.begin() + static_cast<std::ptrdiff_t>(front));
    items.first = front;
  };
  keep(a, left);
  keep(b, right);
  if (a.nodes.empty() || b.nodes.empty()) {
    Pairing pairing;
    for (std::size_t i = 0; i < a.nodes.size(); ++i) pairing.only_legacy.push_back(i);
    for (std::size_t i = 0; i < b.nodes.size(); ++i) pairing.only_candidate.push_back(i);
    return paired(a, b, pairing);
  }
  if (std::max(a.nodes.size(), b.nodes.size()) > kArrayItemsMax) {
    const auto told = [](std::size_t count) {
      return std::to_string(count) + " items that differ, too many to search";
    };
    return emit(DifferenceKind::kValue, told(a.nodes.size()), told(b.nodes.size()), {},
                "not localised");
  }
  const Pairing same = pair_by_meaning(a, b);
  if (same.only_legacy.empty() && same.only_candidate.empty()) {
    order(legacy, candidate, {});
    return paired(a, b, same);
  }
  if (const auto key = infer_key(a, b)) {
    const Pairing keyed = pair_by_key(a, b, {{*key}});
    if (!keyed.keeps_order()) order(legacy, candidate, {});
    return paired(a, b, keyed);
  }
  // Nothing changed: some are gone, or have come.
  const bool is_one_sided = same.only_legacy.empty() || same.only_candidate.empty();
  if (!same.pairs.empty() && same.keeps_order() && is_one_sided) return paired(a, b, same);
  // One that changed where it stands needs no search.
  if (a.nodes.size() == 1 && b.nodes.size() == 1) return positional(legacy, candidate, a, b);
  similar(legacy, candidate, a, b, same);
}

void JsonDiff::similar(NodeIndex legacy, NodeIndex candidate, const Items& a, const Items& b,
                       const Pairing& same) {
  Pairing like = same;
  const bool is_searched = pair_by_similarity(a, b, like);
  // Or both at opposite ends.
  if (like.pairs.size() == same.pairs.size() && is_page_moved(a, b, same)) {
    return paired(a, b, same);
  }
  const std::size_t shorter = std::min(a.nodes.size(), b.nodes.size());
  const bool is_mostly_same = same.keeps_order() && same.pairs.size() * 2 >= shorter;
  if (like.pairs.size() > same.pairs.size() || is_mostly_same) {
    pair_gaps(a, b, like);
    if (!like.keeps_order()) order(legacy, candidate, {});
    return paired(a, b, like);
  }
  positional(legacy, candidate, a, b);
  // What rules cover needs no alignment.
  if (is_searched || !sink_.has_uncovered()) return;
  emit(DifferenceKind::kOrder, std::to_string(a.nodes.size()) + " items",
       std::to_string(b.nodes.size()) + " items, compared by position: too much to search", {},
       "not aligned");
}

void JsonDiff::positional(NodeIndex legacy, NodeIndex candidate, const Items& a, const Items& b) {
  if (a.nodes.size() != b.nodes.size()) {
    emit(DifferenceKind::kLength, std::to_string(legacy_[legacy].value->children),
         std::to_string(candidate_[candidate].value->children), {});
  }
  const std::size_t shared = std::min(a.nodes.size(), b.nodes.size());
  for (std::size_t i = 0; i < shared; ++i) item(a.nodes[i], b.nodes[i], a.first + i);
}

void JsonDiff::unordered(NodeIndex legacy, NodeIndex candidate, const Items& a, const Items& b,
                         const BodyRule& rule) {
  const Pairing pairing = pair_as_set(a, b, rule.by);
  if (!pairing.keeps_order()) order(legacy, candidate, rule.text);
  paired(a, b, pairing);
}

void JsonDiff::paired(const Items& a, const Items& b, const Pairing& pairing) {
  for (const auto& [i, k] : pairing.pairs) item(a.nodes[i], b.nodes[k], a.first + i);
  std::string_view word = "rows replaced";
  if (pairing.only_candidate.empty()) {
    word = "rows missing";
  } else if (pairing.only_legacy.empty()) {
    word = "rows extra";
  } else if (is_page_moved(a, b, pairing)) {
    word = "paging boundary";
  }
  for (const std::size_t i : pairing.only_legacy) {
    path_.push_back({{}, a.first + i, true});
    one_sided(a.nodes[i], true, word);
    path_.pop_back();
  }
  for (const std::size_t i : pairing.only_candidate) {
    path_.push_back({{}, b.first + i, true});
    one_sided(b.nodes[i], false, word);
    path_.pop_back();
  }
}

}  // namespace banyan::comparator
