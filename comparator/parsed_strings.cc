// SPDX-License-Identifier: Apache-2.0
#include "comparator/parsed_strings.h"

#include <utility>
#include <vector>

#include "core/base/text.h"

namespace banyan::comparator {
namespace {

using State = json::PathPattern::State;
using Type = json::Value::Type;

// Values in all strings of one body; what comes past it stays text.
constexpr std::size_t kParsedNodesMax = 100'000;
constexpr std::size_t kParsedBytesMax = 16 << 20;

class StringParser {
 public:
  explicit StringParser(const RuleSet& rules) : rules_(rules.parsed()) {}

  void run(json::Value& root) {
    std::vector<State> states;
    for (const BodyRule* rule : rules_) states.push_back(rule->pattern.start());
    visit(root, states, 0);
  }

 private:
  void visit(json::Value& value, const std::vector<State>& states, std::size_t depth) {
    if (value.type == Type::kString) parse(value, states);
    // A tape holds no deeper text, so neither does what is read of its strings.
    if (depth >= json::ParseLimits().depth_max) return;
    std::vector<State> below(states.size());
    for (json::Value& item : value.items) {
      for (std::size_t i = 0; i < states.size(); ++i) {
        below[i] = rules_[i]->pattern.enter_item(states[i]);
      }
      visit(item, below, depth + 1);
    }
    for (auto& [name, member] : value.members) {
      for (std::size_t i = 0; i < states.size(); ++i) {
        below[i] = rules_[i]->pattern.enter_member(states[i], name);
      }
      visit(member, below, depth + 1);
    }
  }

  void parse(json::Value& value, const std::vector<State>& states) {
    for (std::size_t i = 0; i < states.size(); ++i) {
      if (!rules_[i]->pattern.accepts(states[i])) continue;
      std::string text = value.text;
      if (rules_[i]->is_base64) {
        auto decoded = bytes_of_base64(text);
        if (!decoded) continue;
        text = *std::move(decoded);
      }
      if (bytes_ + text.size() > kParsedBytesMax) return;
      bytes_ += text.size();
      json::ParseLimits limits;
      limits.depth_max = 64;
      limits.nodes_max = kParsedNodesMax;
      auto parsed = json::parse(text, limits);
      if (!parsed.ok()) continue;
      value = *std::move(parsed);
      return;
    }
  }

  const std::vector<const BodyRule*>& rules_;
  std::size_t bytes_ = 0;
};

}  // namespace

void parse_strings(json::Tape& tape, const RuleSet& rules, json::Value& tree) {
  if (rules.parsed().empty()) return;
  tree = tape.value();
  StringParser(rules).run(tree);
  tape.assign(tree);
}

}  // namespace banyan::comparator
