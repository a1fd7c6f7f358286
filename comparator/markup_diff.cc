// SPDX-License-Identifier: Apache-2.0
#include "comparator/markup_diff.h"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "comparator/meaning_hash.h"
#include "comparator/transition.h"
#include "core/base/unicode.h"

namespace banyan::comparator {
namespace {

bool is_number(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const std::size_t digits = text.find_first_not_of("0123456789.");
  return !text.empty() && digits == std::string_view::npos && text != "." &&
         std::count(text.begin(), text.end(), '.') <= 1;
}

std::string_view without_plus(std::string_view number) {
  if (number.starts_with('+')) number.remove_prefix(1);
  return number;
}

// Writes until `out` passes `bytes_max`; what is cut off there is never looked at.
void write_bounded(const MarkupTree& tree, MarkupIndex index, std::size_t bytes_max,
                   std::string& out) {
  if (out.size() > bytes_max) return;
  const MarkupNode& node = tree[index];
  if (node.kind != MarkupKind::kElement) {
    out += node.text.substr(0, bytes_max + 1);
    return;
  }
  out.append("<").append(node.name);
  for (const MarkupIndex attribute : tree.attributes(index)) {
    if (out.size() > bytes_max) return;
    out.append(" ").append(tree[attribute].name).append("=\"");
    out.append(tree[attribute].text.substr(0, bytes_max + 1)).append("\"");
  }
  const auto content = tree.content(index);
  if (content.empty()) {
    out += "/>";
    return;
  }
  out += ">";
  for (const MarkupIndex child : content) write_bounded(tree, child, bytes_max, out);
  if (out.size() <= bytes_max) out.append("</").append(node.name).append(">");
}

// The transition of what only one side has: one of several of a name is a row.
std::string one_sided_word(const MarkupTree& tree, MarkupIndex index, bool is_legacy) {
  const MarkupNode& node = tree[index];
  if (node.kind != MarkupKind::kElement) return {};
  if (node.position > 0) return is_legacy ? "rows missing" : "rows extra";
  const bool is_empty = tree.content(index).empty() && tree.attributes(index).empty();
  if (!is_empty) return {};
  return is_legacy ? "empty→absent" : "absent→empty";
}

// The text of the child or attribute ("@id") that the names lead to, where it is one.
std::optional<Digest128> key_of(const MarkupTree& tree, MarkupIndex element,
                                const std::vector<std::string>& names) {
  MarkupIndex at = element;
  for (const std::string& name : names) {
    if (tree[at].kind != MarkupKind::kElement) return std::nullopt;
    std::optional<MarkupIndex> found;
    for (MarkupIndex child = at + 1; child < tree[at].end; child = tree[child].end) {
      const MarkupNode& node = tree[child];
      const bool is_named = node.kind == MarkupKind::kAttribute
                                ? name.starts_with('@') && name.substr(1) == node.name
                                : node.kind == MarkupKind::kElement && name == node.name;
      if (is_named) found = child;
    }
    if (!found) return std::nullopt;
    at = *found;
  }
  if (tree[at].has_elements || tree[at].ignore >= 0) return std::nullopt;
  return tree[at].exact;
}

std::optional<Digest128> whole_key_of(const MarkupTree& tree, MarkupIndex element,
                                      const ItemKey& key) {
  std::optional<Digest128> out;
  for (const auto& names : key) {
    const auto next = key_of(tree, element, names);
    if (!next) return std::nullopt;
    if (out) {
      const std::uint64_t words[4] = {out->high, out->low, next->high, next->low};
      out = meaning_hash(MeaningTag::kKey, words);
    } else {
      out = next;
    }
  }
  return out;
}

using Keys = std::unordered_map<Digest128, MarkupIndex, DigestHash>;

// By the key, where each has one and none comes twice.
std::optional<Keys> unique_keys(const MarkupTree& tree, const std::vector<MarkupIndex>& elements,
                                const ItemKey& key) {
  Keys keys;
  for (const MarkupIndex element : elements) {
    const auto digest = whole_key_of(tree, element, key);
    if (!digest || !keys.emplace(*digest, element).second) return std::nullopt;
  }
  return keys;
}

struct KeyPair {
  Keys legacy;
  Keys candidate;
};

// The key by which elements of one name can be told apart on both sides, shared by half of them.
std::optional<KeyPair> infer_keys(const MarkupTree& legacy, const std::vector<MarkupIndex>& a,
                                  const MarkupTree& candidate, const std::vector<MarkupIndex>& b) {
  for (std::size_t i = 0; i < 2 * kKeyNames.size(); ++i) {
    const std::string name = (i % 2 == 0 ? "@" : "") + std::string(kKeyNames[i / 2]);
    auto left = unique_keys(legacy, a, {{name}});
    if (!left) continue;
    auto right = unique_keys(candidate, b, {{name}});
    if (!right) continue;
    const auto shared = static_cast<std::size_t>(std::count_if(
        left->begin(), left->end(), [&](const auto& key) { return right->count(key.first) > 0; }));
    if (shared * 2 >= std::min(a.size(), b.size()))
      return KeyPair{*std::move(left), *std::move(right)};
  }
  return std::nullopt;
}

}  // namespace

void MarkupDiff::run() {
  const MarkupNode& a = legacy_[0];
  const MarkupNode& b = candidate_[0];
  if (a.exact == b.exact) return;
  if (a.name == b.name) {
    enter(a);
    a.space == b.space ? node(0, 0) : renamed_space(0, 0);
    leave();
  } else {
    enter(MarkupNode{});
    emit(DifferenceKind::kValue, shown(legacy_, 0), shown(candidate_, 0), rules_.whole_body(),
         "root element");
    leave();
  }
}

void MarkupDiff::enter(const MarkupNode& node) {
  path_.push_back({node.name, node.position, node.kind == MarkupKind::kAttribute});
}

std::string MarkupDiff::shown(const MarkupTree& tree, MarkupIndex index) const {
  if (!sink_.has_room()) return {};
  std::string out;
  write_bounded(tree, index, sink_.shown_bytes_max(), out);
  return out;
}

void MarkupDiff::emit(DifferenceKind kind, std::string legacy, std::string candidate,
                      std::string_view rule, std::string transition) {
  if (sink_.omits(rule)) return;
  std::string path = "body:";
  std::string at = path;
  for (const Step& step : path_) {
    const std::string name = (step.is_attribute ? "/@" : "/") + std::string(step.name);
    path += name;
    at += name;
    if (step.position > 0) at += "[" + std::to_string(step.position) + "]";
  }
  sink_.add({std::move(path), std::move(at), kind, std::move(legacy), std::move(candidate),
             std::string(rule), std::move(transition)});
}

void MarkupDiff::node(MarkupIndex legacy, MarkupIndex candidate) {
  const MarkupNode& a = legacy_[legacy];
  const MarkupNode& b = candidate_[candidate];
  if (a.exact == b.exact) return;
  if (a.is_covered_whole() && b.is_covered_whole()) {
    emit(DifferenceKind::kValue, shown(legacy_, legacy), shown(candidate_, candidate),
         rules_.covering(a, DifferenceKind::kValue));
    return;
  }
  attributes(legacy, candidate);
  content(legacy, candidate);
}

void MarkupDiff::leaf(const MarkupNode& from, std::string_view a, std::string_view b) {
  const bool are_numbers = is_number(a) && is_number(b);
  const auto leaf = [&](std::string_view text) {
    return are_numbers ? Leaf{LeafType::kNumber, without_plus(text)}
                       : Leaf{LeafType::kString, text};
  };
  const std::string_view rule = rules_.covering(from, DifferenceKind::kValue, leaf(a), leaf(b));
  const bool is_told = rule.empty() && sink_.has_room();
  emit(DifferenceKind::kValue, std::string(a), std::string(b), rule,
       is_told ? transition_of_text(a, b) : std::string());
}

void MarkupDiff::attributes(MarkupIndex legacy, MarkupIndex candidate) {
  const Indexes a = legacy_.attributes(legacy);
  const Indexes b = candidate_.attributes(candidate);
  const auto key = [](const MarkupNode& node) { return std::pair(node.name, node.space); };
  for (std::size_t i = 0, k = 0; i < a.size() || k < b.size();) {
    const bool has_left =
        i < a.size() && (k == b.size() || key(legacy_[a[i]]) <= key(candidate_[b[k]]));
    const bool has_right =
        k < b.size() && (i == a.size() || key(candidate_[b[k]]) <= key(legacy_[a[i]]));
    const MarkupNode& node = has_left ? legacy_[a[i]] : candidate_[b[k]];
    enter(node);
    if (has_left && has_right) {
      const MarkupNode& other = candidate_[b[k]];
      if (node.exact != other.exact) leaf(node, node.text, other.text);
    } else if (has_left) {
      emit(DifferenceKind::kMissing, std::string(node.text), {},
           rules_.covering(node, DifferenceKind::kMissing));
    } else {
      emit(DifferenceKind::kExtra, {}, std::string(node.text),
           rules_.covering(node, DifferenceKind::kExtra));
    }
    leave();
    i += has_left ? 1 : 0;
    k += has_right ? 1 : 0;
  }
}

void MarkupDiff::content(MarkupIndex legacy, MarkupIndex candidate) {
  const MarkupNode& a = legacy_[legacy];
  const MarkupNode& b = candidate_[candidate];
  if (!a.has_elements && !b.has_elements) {
    const std::string_view left = legacy_.text_of(legacy);
    const std::string_view right = candidate_.text_of(candidate);
    if (!is_same_text(left, right)) leaf(a, left, right);
    return;
  }
  children(legacy, candidate, legacy_.content(legacy), candidate_.content(candidate));
}

void MarkupDiff::children(MarkupIndex legacy, MarkupIndex candidate, Indexes a, Indexes b) {
  // Equal ends are many and cost nothing; what a rule covers in them is told all the same.
  Pairs pairs;
  std::size_t front = 0;
  while (front < a.size() && front < b.size() &&
         legacy_[a[front]].loose == candidate_[b[front]].loose) {
    pairs.both.emplace_back(a[front], b[front]);
    ++front;
  }
  std::size_t left = a.size();
  std::size_t right = b.size();
  while (left > front && right > front &&
         legacy_[a[left - 1]].loose == candidate_[b[right - 1]].loose) {
    pairs.both.emplace_back(a[--left], b[--right]);
  }
  a = Indexes(a.begin() + static_cast<std::ptrdiff_t>(front),
              a.begin() + static_cast<std::ptrdiff_t>(left));
  b = Indexes(b.begin() + static_cast<std::ptrdiff_t>(front),
              b.begin() + static_cast<std::ptrdiff_t>(right));
  if (std::max(a.size(), b.size()) > kMarkupChildrenMax) {
    const auto told = [](std::size_t count) {
      return std::to_string(count) + " children that differ, too many to search";
    };
    emit(DifferenceKind::kValue, told(a.size()), told(b.size()), {}, "not localised");
    return paired(pairs);
  }
  const std::int16_t unordered = legacy_[legacy].unordered;
  pair_by_name(a, b, unordered, pairs);
  std::sort(pairs.both.begin(), pairs.both.end());
  const bool keeps_order =
      std::is_sorted(pairs.both.begin(), pairs.both.end(),
                     [](const auto& x, const auto& y) { return x.second < y.second; });
  if (!keeps_order) {
    const std::string_view rule = rules_.text_of(unordered);
    emit(DifferenceKind::kOrder, shown(legacy_, legacy), shown(candidate_, candidate), rule,
         rule.empty() ? "reordered" : "");
  }
  paired(pairs);
  one_sided(pairs);
}

void MarkupDiff::pair_by_name(const Indexes& a, const Indexes& b, std::int16_t unordered,
                              Pairs& out) const {
  static const ItemKey kNone;
  const auto& by = unordered < 0 ? kNone : rules_.body()[static_cast<std::size_t>(unordered)]->by;
  struct Sides {
    Indexes legacy;
    Indexes candidate;
  };
  std::map<std::pair<std::string_view, std::string_view>, Sides> groups;
  for (const MarkupIndex index : a) {
    groups[{legacy_[index].name, legacy_[index].space}].legacy.push_back(index);
  }
  for (const MarkupIndex index : b) {
    groups[{candidate_[index].name, candidate_[index].space}].candidate.push_back(index);
  }
  for (auto& [name, sides] : groups) {
    pair_of_name(std::move(sides.legacy), std::move(sides.candidate), by, out);
  }
}

// Of one name: by key where there is one; else what means the same, and the rest by place.
void MarkupDiff::pair_of_name(Indexes a, Indexes b, const ItemKey& by, Pairs& out) const {
  std::unordered_set<MarkupIndex> taken;
  const auto pair = [&](MarkupIndex left, MarkupIndex right) {
    out.both.emplace_back(left, right);
    taken.insert(right);
  };
  const auto drop_taken = [&] {
    std::erase_if(b, [&](MarkupIndex right) { return taken.count(right) > 0; });
  };
  std::optional<KeyPair> keys;
  if (a.size() > 1 || b.size() > 1) {
    if (by.empty()) {
      keys = infer_keys(legacy_, a, candidate_, b);
    } else {
      auto left = unique_keys(legacy_, a, by);
      auto right = unique_keys(candidate_, b, by);
      if (left && right) keys = KeyPair{*std::move(left), *std::move(right)};
    }
  }
  if (keys) {
    std::unordered_map<MarkupIndex, MarkupIndex> partner;
    for (const auto& [key, left] : keys->legacy) {
      const auto right = keys->candidate.find(key);
      if (right != keys->candidate.end()) partner.emplace(left, right->second);
    }
    for (const MarkupIndex left : a) {
      const auto found = partner.find(left);
      found == partner.end() ? out.only_legacy.push_back(left) : pair(left, found->second);
    }
    drop_taken();
    out.only_candidate.insert(out.only_candidate.end(), b.begin(), b.end());
    return;
  }
  std::unordered_map<Digest128, Indexes, DigestHash> open;
  for (auto right = b.rbegin(); right != b.rend(); ++right) {
    open[candidate_[*right].loose].push_back(*right);
  }
  Indexes left_over;
  for (const MarkupIndex left : a) {
    const auto found = open.find(legacy_[left].loose);
    if (found == open.end() || found->second.empty()) {
      left_over.push_back(left);
      continue;
    }
    pair(left, found->second.back());
    found->second.pop_back();
  }
  drop_taken();
  const std::size_t shared = std::min(left_over.size(), b.size());
  for (std::size_t i = 0; i < shared; ++i) out.both.emplace_back(left_over[i], b[i]);
  const auto rest = static_cast<std::ptrdiff_t>(shared);
  out.only_legacy.insert(out.only_legacy.end(), left_over.begin() + rest, left_over.end());
  out.only_candidate.insert(out.only_candidate.end(), b.begin() + rest, b.end());
}

void MarkupDiff::paired(Pairs& pairs) {
  for (const auto& [left, right] : pairs.both) {
    const MarkupNode& a = legacy_[left];
    const MarkupNode& b = candidate_[right];
    if (a.exact == b.exact) continue;
    if (a.kind == MarkupKind::kText) {  // at the path of its element
      leaf(a, a.text, b.text);
      continue;
    }
    enter(a);
    node(left, right);
    leave();
  }
}

// An element that is gone and one of the same name that has come from another namespace are one
// difference.
void MarkupDiff::one_sided(Pairs& pairs) {
  std::sort(pairs.only_legacy.begin(), pairs.only_legacy.end());
  std::sort(pairs.only_candidate.begin(), pairs.only_candidate.end());
  std::map<std::string_view, Indexes> come;
  for (auto index = pairs.only_candidate.rbegin(); index != pairs.only_candidate.rend(); ++index) {
    come[candidate_[*index].name].push_back(*index);
  }
  std::unordered_set<MarkupIndex> told;
  for (const MarkupIndex gone : pairs.only_legacy) {
    const MarkupNode& node = legacy_[gone];
    auto& same = come[node.name];
    if (node.kind == MarkupKind::kText) {
      emit(DifferenceKind::kMissing, std::string(node.text), {},
           rules_.covering(node, DifferenceKind::kMissing));
      continue;
    }
    enter(node);
    if (!same.empty() && candidate_[same.back()].space != node.space) {
      renamed_space(gone, same.back());
      told.insert(same.back());
      same.pop_back();
    } else {
      const std::string_view rule = rules_.covering(node, DifferenceKind::kMissing);
      emit(DifferenceKind::kMissing, shown(legacy_, gone), {}, rule,
           rule.empty() ? one_sided_word(legacy_, gone, true) : "");
    }
    leave();
  }
  for (const MarkupIndex index : pairs.only_candidate) {
    if (told.count(index) > 0) continue;
    const MarkupNode& node = candidate_[index];
    if (node.kind != MarkupKind::kText) enter(node);
    const std::string_view rule = rules_.covering(node, DifferenceKind::kExtra);
    emit(DifferenceKind::kExtra, {}, shown(candidate_, index), rule,
         rule.empty() ? one_sided_word(candidate_, index, false) : "");
    if (node.kind != MarkupKind::kText) leave();
  }
}

// What lies below it has another namespace as well, mostly; that is not told again.
void MarkupDiff::renamed_space(MarkupIndex legacy, MarkupIndex candidate) {
  const auto told = [](const MarkupNode& node) {
    return "{" + std::string(node.space) + "}" + std::string(node.name);
  };
  const MarkupNode& a = legacy_[legacy];
  emit(DifferenceKind::kType, told(a), told(candidate_[candidate]),
       rules_.covering(a, DifferenceKind::kType), "namespace");
}

}  // namespace banyan::comparator
