// SPDX-License-Identifier: Apache-2.0
#include "core/model/json_redaction.h"

#include <utility>

namespace banyan::model {

using Type = json::Value::Type;

JsonRedaction::States JsonRedaction::start() const {
  States states;
  for (const BodyRule& rule : rules_.paths) states.push_back(rule.path.start());
  return states;
}

JsonRedaction::States JsonRedaction::enter(const States& states, const std::string* member) const {
  States inner(states.size());
  for (std::size_t i = 0; i < states.size(); ++i) {
    const json::PathPattern& path = rules_.paths[i].path;
    inner[i] =
        member != nullptr ? path.enter_member(states[i], *member) : path.enter_item(states[i]);
  }
  return inner;
}

Redaction JsonRedaction::decide(const States& states) const {
  Redaction result = Redaction::kNone;
  for (std::size_t i = 0; i < states.size(); ++i) {
    if (!rules_.paths[i].path.accepts(states[i])) continue;
    if (rules_.paths[i].is_dropped) return Redaction::kDrop;
    result = Redaction::kToken;
  }
  return result;
}

// A number of which a part matches becomes a string: there is no other place for a token.
bool JsonRedaction::replace_matches(json::Value& value) const {
  if (value.type != Type::kString && value.type != Type::kNumber) return false;
  ReplacedText replaced;
  if (!rules_.patterns.replace(value.text, kInBody, rules_.token_of, matches_left_, replaced)) {
    return false;
  }
  value.type = Type::kString;
  value.text = std::move(replaced.text);
  return true;
}

// Puts tokens in place; true where it did. Names of members are read by patterns too: some systems
// key their objects by the address of a person.
bool JsonRedaction::replace(json::Value& value, const States& states) const {
  if (decide(states) != Redaction::kNone) {
    replace_by_token(value);
    return true;
  }
  bool is_changed = rules_.patterns.has(kInBody) && replace_matches(value);
  for (json::Value& item : value.items) is_changed |= replace(item, enter(states, nullptr));
  for (auto& [name, member] : value.members) {
    is_changed |= replace(member, enter(states, &name));
    ReplacedText replaced;
    if (rules_.patterns.has(kInBody) &&
        rules_.patterns.replace(name, kInBody, rules_.token_of, matches_left_, replaced)) {
      name = std::move(replaced.text);
      is_changed = true;
    }
  }
  return is_changed;
}

int JsonRedaction::drop_matches(std::string& text) const {
  // Counted by replace() already.
  std::size_t uncounted = SecretPatterns::kMatchesMax + 1;
  ReplacedText replaced;
  if (!rules_.patterns.replace(text, kInBody, rules_.token_of, uncounted, replaced)) return 0;
  if (replaced.dropped > 0) text = std::move(replaced.to_send);
  return replaced.dropped;
}

int JsonRedaction::drop_matches(json::Value& value) const {
  if (value.type != Type::kString && value.type != Type::kNumber) return 0;
  const int dropped = drop_matches(value.text);
  if (dropped > 0) value.type = Type::kString;
  return dropped;
}

// Takes away what is dropped, and puts tokens in place of matches that are; answers how many.
int JsonRedaction::drop(json::Value& value, const States& states) const {
  int count = 0;
  const bool has_patterns = rules_.patterns.has_dropping(kInBody);
  if (has_patterns) count += drop_matches(value);
  const auto is_gone = [&](json::Value& inner, const States& inner_states) {
    if (decide(inner_states) == Redaction::kDrop) {
      ++count;
      return true;
    }
    count += drop(inner, inner_states);
    return false;
  };
  std::erase_if(value.members, [&](auto& member) {
    const bool is_erased = is_gone(member.second, enter(states, &member.first));
    if (!is_erased && has_patterns) count += drop_matches(member.first);
    return is_erased;
  });
  std::erase_if(value.items,
                [&](json::Value& item) { return is_gone(item, enter(states, nullptr)); });
  return count;
}

void JsonRedaction::replace_by_token(json::Value& value) const {
  std::string secret;
  if (value.type == Type::kString) {
    secret = std::move(value.text);
  } else {
    json::write(value, secret);
  }
  value = json::Value{};
  value.type = Type::kString;
  value.text = rules_.token_of(secret);
}

RedactedText JsonRedaction::redact(std::string_view text, const States& states) const {
  RedactedText result;
  auto parsed = json::parse(text);
  if (!parsed.ok()) {
    result.is_unreadable = true;
    return result;
  }
  const bool is_all_dropped = decide(states) == Redaction::kDrop;
  json::Value to_send = *parsed;
  result.dropped = is_all_dropped ? 1 : drop(to_send, states);
  if (result.dropped == 0) {
    result.to_send = text;
  } else if (!is_all_dropped) {
    json::write(to_send, result.to_send);
  }
  result.is_changed = replace(*parsed, states);
  if (result.is_changed) json::write(*parsed, result.text);
  return result;
}

}  // namespace banyan::model
