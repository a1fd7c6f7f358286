// SPDX-License-Identifier: Apache-2.0
#include "core/model/body_redaction.h"

#include <algorithm>
#include <utility>

#include "core/base/text.h"
#include "core/json/value.h"

namespace banyan::model {
namespace {

// Places of all rules at one value of the tree.
using States = std::vector<json::PathPattern::State>;

class JsonRedaction {
 public:
  JsonRedaction(const std::vector<BodyRule>& rules, const TokenOf& token_of)
      : rules_(rules), token_of_(token_of) {}

  States start() const {
    States states;
    for (const BodyRule& rule : rules_) states.push_back(rule.path.start());
    return states;
  }

  Redaction decide(const States& states) const {
    Redaction result = Redaction::kNone;
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      if (!rules_[i].path.accepts(states[i])) continue;
      if (rules_[i].is_dropped) return Redaction::kDrop;
      result = Redaction::kToken;
    }
    return result;
  }

  States enter(const States& states, const std::string* member) const {
    States inner(states.size());
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      inner[i] = member != nullptr ? rules_[i].path.enter_member(states[i], *member)
                                   : rules_[i].path.enter_item(states[i]);
    }
    return inner;
  }

  // Puts tokens in place; answers how many.
  int replace(json::Value& value, const States& states) const {
    if (decide(states) != Redaction::kNone) {
      replace_by_token(value);
      return 1;
    }
    int count = 0;
    for (json::Value& item : value.items) count += replace(item, enter(states, nullptr));
    for (auto& [name, member] : value.members) count += replace(member, enter(states, &name));
    return count;
  }

  // Takes away what is dropped; answers how many.
  int drop(json::Value& value, const States& states) const {
    int count = 0;
    std::erase_if(value.members, [&](auto& member) {
      const States inner = enter(states, &member.first);
      if (decide(inner) == Redaction::kDrop) {
        ++count;
        return true;
      }
      count += drop(member.second, inner);
      return false;
    });
    std::erase_if(value.items, [&](json::Value& item) {
      const States inner = enter(states, nullptr);
      if (decide(inner) == Redaction::kDrop) {
        ++count;
        return true;
      }
      count += drop(item, inner);
      return false;
    });
    return count;
  }

 private:
  void replace_by_token(json::Value& value) const {
    std::string secret;
    if (value.type == json::Value::Type::kString) {
      secret = std::move(value.text);
    } else {
      json::write(value, secret);
    }
    value = json::Value{};
    value.type = json::Value::Type::kString;
    value.text = token_of_(secret);
  }

  const std::vector<BodyRule>& rules_;
  const TokenOf& token_of_;
};

RedactedText redact_json(std::string_view body, const std::vector<BodyRule>& rules,
                         const TokenOf& token_of) {
  RedactedText result;
  auto parsed = json::parse(body);
  if (!parsed.ok()) {
    result.is_unreadable = true;
    return result;
  }
  const JsonRedaction redaction(rules, token_of);
  const States start = redaction.start();
  json::Value to_send = *parsed;
  const bool is_all_dropped = redaction.decide(start) == Redaction::kDrop;
  result.dropped = is_all_dropped ? 1 : redaction.drop(to_send, start);
  if (result.dropped == 0) {
    result.to_send = body;
  } else if (!is_all_dropped) {
    json::write(to_send, result.to_send);
  }
  result.is_changed = redaction.replace(*parsed, start) > 0;
  if (result.is_changed) json::write(*parsed, result.text);
  return result;
}

enum class BodyForm { kOther, kJson, kForm };

BodyForm form_of(std::string_view content_type, std::string_view body) {
  const std::string type = to_lower(trim(content_type.substr(0, content_type.find(';'))));
  if (type == "application/x-www-form-urlencoded") return BodyForm::kForm;
  if (type == "application/json" || type.ends_with("+json") || type == "text/json") {
    return BodyForm::kJson;
  }
  const auto first = body.find_first_not_of(" \t\r\n");
  const bool begins_like_json =
      first != std::string_view::npos && (body[first] == '{' || body[first] == '[');
  return begins_like_json ? BodyForm::kJson : BodyForm::kOther;
}

bool is_encoded(const http::HeaderList& fields) {
  const auto coding = http::find_header(fields, "Content-Encoding");
  return coding && !coding->empty() && !equal_ignoring_case(*coding, "identity");
}

}  // namespace

RedactedText redact_pairs(std::string_view pairs,
                          const std::function<Redaction(std::string_view name)>& decide,
                          const TokenOf& token_of) {
  RedactedText result;
  bool is_first_sent = true;
  bool is_first = true;
  for (const std::string_view pair : split(pairs, '&')) {
    const auto equals = pair.find('=');
    const std::string_view raw_name = pair.substr(0, equals);
    std::string name(raw_name);
    std::replace(name.begin(), name.end(), '+', ' ');
    if (auto decoded = percent_decode(name)) name = *std::move(decoded);
    const bool has_value = equals != std::string_view::npos;
    const Redaction decision = has_value ? decide(name) : Redaction::kNone;
    if (!is_first) result.text += '&';
    is_first = false;
    if (decision == Redaction::kNone) {
      result.text += pair;
    } else {
      result.is_changed = true;
      result.text.append(raw_name).append("=").append(token_of(pair.substr(equals + 1)));
    }
    if (decision == Redaction::kDrop) {
      ++result.dropped;
      continue;
    }
    if (!is_first_sent) result.to_send += '&';
    is_first_sent = false;
    result.to_send += pair;
  }
  return result;
}

RedactedText redact_body(std::string_view body, std::string_view content_type,
                         const http::HeaderList& fields, const std::vector<BodyRule>& rules,
                         const TokenOf& token_of) {
  const BodyForm form = form_of(content_type, body);
  RedactedText result;
  if (is_encoded(fields)) {
    // Compressed bytes show nothing of what is inside, whatever their type says.
    result.is_unreadable = true;
    return result;
  }
  if (form == BodyForm::kJson) return redact_json(body, rules, token_of);
  if (form == BodyForm::kOther) return result;
  const auto decide = [&rules](std::string_view name) {
    Redaction decision = Redaction::kNone;
    for (const BodyRule& rule : rules) {
      if (!rule.path.accepts(rule.path.enter_member(rule.path.start(), name))) continue;
      if (rule.is_dropped) return Redaction::kDrop;
      decision = Redaction::kToken;
    }
    return decision;
  };
  return redact_pairs(body, decide, token_of);
}

}  // namespace banyan::model
