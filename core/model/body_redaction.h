// SPDX-License-Identifier: Apache-2.0
//
// The part of redaction that reads bodies and lists of name=value pairs. Used by Redactor alone.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/message.h"
#include "core/json/path.h"

namespace banyan::model {

struct BodyRule {
  json::PathPattern path;
  bool is_dropped = false;
};

// What a rule says of a value: leave it, put a token in its place, or also keep it from being sent.
enum class Redaction { kNone, kToken, kDrop };

using TokenOf = std::function<std::string(std::string_view)>;

struct RedactedText {
  bool is_changed = false;
  bool is_unreadable = false;  // rules may apply and the text cannot be read: leave it out
  std::string text;            // with tokens
  std::string to_send;         // the original without what is dropped
  int dropped = 0;
};

// "a=1&b=2": a query, or a form.
RedactedText redact_pairs(std::string_view pairs,
                          const std::function<Redaction(std::string_view name)>& decide,
                          const TokenOf& token_of);
// JSON or a form by its content type; any other text that begins like JSON is taken for it.
RedactedText redact_body(std::string_view body, std::string_view content_type,
                         const http::HeaderList& fields, const std::vector<BodyRule>& rules,
                         const TokenOf& token_of);

}  // namespace banyan::model
