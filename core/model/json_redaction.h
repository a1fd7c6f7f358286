// SPDX-License-Identifier: Apache-2.0
//
// Redacts one JSON text by paths and patterns. Used by body redaction alone.
#pragma once

#include <string_view>
#include <vector>

#include "core/json/value.h"
#include "core/model/body_redaction.h"

namespace banyan::model {

class JsonRedaction {
 public:
  // Places of all rules at one value of the tree.
  using States = std::vector<json::PathPattern::State>;

  JsonRedaction(const BodyRules& rules, std::size_t& matches_left)
      : rules_(rules), matches_left_(matches_left) {}

  States start() const;
  States enter(const States& states, const std::string* member) const;
  Redaction decide(const States& states) const;
  // `states` is the place of the whole text. is_unreadable where it does not parse.
  RedactedText redact(std::string_view text, const States& states) const;

 private:
  bool replace(json::Value& value, const States& states) const;
  bool replace_matches(json::Value& value) const;
  int drop(json::Value& value, const States& states) const;
  int drop_matches(json::Value& value) const;
  int drop_matches(std::string& text) const;
  void replace_by_token(json::Value& value) const;

  const BodyRules& rules_;
  std::size_t& matches_left_;
};

}  // namespace banyan::model
