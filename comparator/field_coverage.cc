// SPDX-License-Identifier: Apache-2.0
#include "comparator/field_coverage.h"

#include <unordered_set>
#include <utility>

#include "comparator/array_pairing.h"
#include "comparator/meaning_hash.h"
#include "core/json/path.h"

namespace banyan::comparator {

namespace {

using Type = json::Value::Type;

// "sku, size" or "price.amount".
std::string key_text(const ItemKey& key) {
  std::string out;
  for (const auto& names : key) {
    if (!out.empty()) out += ", ";
    for (std::size_t i = 0; i < names.size(); ++i) out += (i > 0 ? "." : "") + names[i];
  }
  return out;
}

}  // namespace

void FieldCoverage::begin_pair(std::string_view route) {
  route_ = route;
  pair_.clear();
}

void FieldCoverage::end_pair() {
  for (const std::string& path : pair_) {
    auto key = std::pair(route_, path);
    const auto found = fields_.find(key);
    if (found != fields_.end()) {
      ++found->second;
    } else if (fields_.size() < kFieldsMax) {
      fields_.emplace(std::move(key), 1);
    } else {
      ++overflow_;
    }
  }
}

void FieldCoverage::add(std::string path) {
  if (pair_.size() < kFieldsMax) pair_.insert(std::move(path));
}

void FieldCoverage::add_container(std::string path) {
  if (containers_.size() < kProblemsMax) containers_.insert(std::move(path));
}

void FieldCoverage::add_ambiguity(std::string text) {
  if (ambiguities_.size() < kProblemsMax) ambiguities_.insert(std::move(text));
}

std::vector<FieldCoverage::Field> FieldCoverage::fields() const {
  std::vector<Field> out;
  out.reserve(fields_.size());
  for (const auto& [key, pairs] : fields_) out.push_back({key.first, key.second, pairs});
  return out;
}

// Leaves below what is ignored count one by one; a list of any order counts as one field.
class FieldCoverage::JsonWalk {
 public:
  JsonWalk(const LiftedJson& json, const RuleSet& rules, FieldCoverage& out)
      : json_(json), rules_(rules), out_(out) {}

  void node(NodeIndex index, bool is_inherited) {
    const Node& node = json_[index];
    const bool is_ignored = node.ignore >= 0;
    const Type type = node.value->type;
    const bool is_container = type == Type::kArray || type == Type::kObject;
    if (is_ignored && !is_inherited && is_container) out_.add_container(path());
    if (type == Type::kArray && node.unordered >= 0) {
      out_.add(path());
      check_keys(index, *rules_.body()[static_cast<std::size_t>(node.unordered)]);
    }
    if (!is_container && (is_ignored || node.has_value_rule())) out_.add(path());
    std::size_t position = 0;
    for (NodeIndex child = index + 1; child < json_.end_of(index); child = json_.end_of(child)) {
      path_.push_back({json_[child].value->name, position++, type == Type::kArray});
      this->node(child, is_ignored);
      path_.pop_back();
    }
  }

 private:
  std::string path() const { return "body:" + json::template_path(path_); }

  void check_keys(NodeIndex array, const BodyRule& rule) {
    if (rule.by.empty()) return;
    std::unordered_set<Digest128, DigestHash> seen;
    const std::string name = key_text(rule.by);
    for (const NodeIndex item : json_.children(array)) {
      const auto key = key_digest(json_, item, rule.by);
      if (!key) return out_.add_ambiguity(path() + ": an item has no " + name);
      if (!seen.insert(*key).second) {
        return out_.add_ambiguity(path() + ": two items have the same " + name);
      }
    }
  }

  const LiftedJson& json_;
  const RuleSet& rules_;
  FieldCoverage& out_;
  std::vector<json::PathStep> path_;
};

void FieldCoverage::note(const LiftedJson& json, const RuleSet& rules) {
  JsonWalk(json, rules, *this).node(0, false);
}

class FieldCoverage::MarkupWalk {
 public:
  MarkupWalk(const MarkupTree& tree, const RuleSet& rules, FieldCoverage& out)
      : tree_(tree), rules_(rules), out_(out) {}

  void element(MarkupIndex index, const std::string& above, bool is_inherited) {
    const MarkupNode& node = tree_[index];
    const std::string path = above + "/" + std::string(node.name);
    const bool is_ignored = node.ignore >= 0;
    const bool is_leaf = !node.has_elements;
    if (is_ignored && !is_inherited && !is_leaf) out_.add_container(path);
    if (is_leaf && (is_ignored || node.has_value_rule())) out_.add(path);
    if (node.unordered >= 0) {
      out_.add(path);
      check_keys(index, path, *rules_.body()[static_cast<std::size_t>(node.unordered)]);
    }
    for (const MarkupIndex attribute : tree_.attributes(index)) {
      if (tree_[attribute].ignore >= 0 || tree_[attribute].has_value_rule()) {
        out_.add(path + "/@" + std::string(tree_[attribute].name));
      }
    }
    for (const MarkupIndex child : tree_.content(index)) {
      if (tree_[child].kind == MarkupNode::Kind::kElement) element(child, path, is_ignored);
    }
  }

 private:
  // Elements of one name are told apart by a child or an "@attribute".
  void check_keys(MarkupIndex parent, const std::string& path, const BodyRule& rule) {
    if (rule.by.empty()) return;
    const std::string name = key_text(rule.by);
    std::unordered_set<std::string> seen;
    for (const MarkupIndex child : tree_.content(parent)) {
      if (tree_[child].kind != MarkupNode::Kind::kElement || tree_[child].position == 0) continue;
      const std::string of(tree_[child].name);
      std::string key = of;
      for (const auto& names : rule.by) {
        MarkupIndex at = child;
        bool is_there = true;
        for (const std::string& part : names) is_there = is_there && down(at, part);
        if (!is_there) return out_.add_ambiguity(path + ": an element " + of + " has no " + name);
        const auto text =
            tree_[at].kind == MarkupNode::Kind::kAttribute ? tree_[at].text : tree_.text_of(at);
        key.append("\n").append(text);
      }
      if (!seen.insert(key).second) {
        return out_.add_ambiguity(path + ": two elements " + of + " have the same " + name);
      }
    }
  }

  bool down(MarkupIndex& at, std::string_view name) const {
    if (tree_[at].kind != MarkupNode::Kind::kElement) return false;
    const bool is_attribute = name.starts_with('@');
    const auto nodes = is_attribute ? tree_.attributes(at) : tree_.content(at);
    if (is_attribute) name.remove_prefix(1);
    for (const MarkupIndex node : nodes) {
      if (tree_[node].kind == MarkupNode::Kind::kText || tree_[node].name != name) continue;
      at = node;
      return true;
    }
    return false;
  }

  const MarkupTree& tree_;
  const RuleSet& rules_;
  FieldCoverage& out_;
};

void FieldCoverage::note(const MarkupTree& tree, const RuleSet& rules) {
  MarkupWalk(tree, rules, *this).element(0, "body:", false);
}

}  // namespace banyan::comparator
