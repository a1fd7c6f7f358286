// SPDX-License-Identifier: Apache-2.0
#include "comparator/renamed_members.h"

#include <algorithm>
#include <set>
#include <utility>

#include "core/json/path.h"

namespace banyan::comparator {
namespace {

using State = json::PathPattern::State;
using States = std::vector<State>;

class Renamer {
 public:
  explicit Renamer(const RuleSet& rules) : rules_(rules.renames()) {}

  std::vector<RenamedMember> run(json::Value legacy, json::Value& candidate) {
    States states;
    for (const BodyRule* rule : rules_) states.push_back(rule->pattern.start());
    visit(legacy, states);
    if (known_.empty()) return {};
    is_candidate_ = true;
    visit(candidate, states);
    return std::move(found_);
  }

 private:
  // As deep as a tape is, which its parser bounds.
  void visit(json::Value& value, const States& states) {
    for (std::size_t i = 0; value.is_object() && i < states.size(); ++i) {
      if (!rules_[i]->pattern.accepts(states[i])) continue;
      is_candidate_ ? rename(value, *rules_[i]) : look(value, *rules_[i]);
    }
    States below(states.size());
    for (std::size_t at = 0; at < value.items.size(); ++at) {
      for (std::size_t i = 0; i < states.size(); ++i) {
        below[i] = rules_[i]->pattern.enter_item(states[i]);
      }
      descend(value.items[at], below, {{}, at, true});
    }
    for (auto& [name, member] : value.members) {
      for (std::size_t i = 0; i < states.size(); ++i) {
        below[i] = rules_[i]->pattern.enter_member(states[i], name);
      }
      descend(member, below, {name, 0, false});
    }
  }

  void descend(json::Value& value, const States& states, json::PathStep step) {
    const bool may_match =
        std::any_of(states.begin(), states.end(), [](State state) { return state != 0; });
    if (!may_match) return;
    path_.push_back(step);
    visit(value, states);
    path_.pop_back();
  }

  // Which names legacy has.
  void look(const json::Value& object, const BodyRule& rule) {
    for (const auto& [from, to] : rule.map) {
      if (object.find(from) != nullptr) known_.insert({&rule, from});
    }
  }

  void rename(json::Value& object, const BodyRule& rule) {
    for (const auto& [from, to] : rule.map) {
      if (known_.count({&rule, from}) == 0) continue;
      if (object.find(from) != nullptr || object.find(to) == nullptr) continue;
      for (auto& member : object.members) {
        if (member.first == to) member.first = from;
      }
      if (!told_.insert({&rule, from}).second) continue;
      path_.push_back({from, 0, false});
      found_.push_back(
          {json::template_path(path_), json::concrete_path(path_), from, to, rule.text});
      path_.pop_back();
    }
  }

  const std::vector<const BodyRule*>& rules_;
  std::vector<json::PathStep> path_;
  bool is_candidate_ = false;  // what is visited
  std::set<std::pair<const BodyRule*, std::string>> known_, told_;
  std::vector<RenamedMember> found_;
};

}  // namespace

std::vector<RenamedMember> rename_members(const json::Tape& legacy, json::Tape& candidate,
                                          const RuleSet& rules, json::Value& tree) {
  if (rules.renames().empty()) return {};
  // Strings that are read as JSON made a tree of it already.
  if (rules.parsed().empty()) tree = candidate.value();
  auto out = Renamer(rules).run(legacy.value(), tree);
  candidate.assign(tree);
  return out;
}

}  // namespace banyan::comparator
