// SPDX-License-Identifier: Apache-2.0
//
// The part of redaction that reads bodies and lists of name=value pairs. Used by Redactor alone.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/codec/content_coding.h"
#include "core/http/message.h"
#include "core/json/path.h"
#include "core/model/secret_patterns.h"

namespace banyan::model {

struct BodyRule {
  json::PathPattern path;
  bool is_dropped = false;
};

// What a rule says of a value: leave it, put a token in its place, or also keep it from being sent.
enum class Redaction { kNone, kToken, kDrop };

struct RedactedText {
  bool is_changed = false;
  bool is_unreadable = false;  // rules may apply and the text cannot be read: leave it out
  std::string text;            // with tokens
  std::string to_send;         // the original without what is dropped
  int dropped = 0;
};

// The rules that are in force, and how a token is made.
struct BodyRules {
  const std::vector<BodyRule>& paths;
  const SecretPatterns& patterns;
  const TokenOf& token_of;
};

// A body that is decoded for its rules alone; past it, it is left out. Tighter than the
// comparator's limits, since a worker does it while its client waits.
inline constexpr codec::DecodeLimits kRedactionDecodeLimits{8ULL << 20, 20, 1ULL << 20, 4};

using DecideByName = std::function<Redaction(std::string_view name)>;

// "a=1&b=2": a query, or a form. Patterns see names and values decoded.
RedactedText redact_pairs(std::string_view pairs, const DecideByName& decide,
                          const SecretPatterns& patterns, SecretPlace place,
                          const TokenOf& token_of, std::size_t& matches_left);
// The path of a target: patterns see each segment decoded. is_changed false where none matches.
RedactedText redact_path(std::string_view path, const SecretPatterns& patterns,
                         const TokenOf& token_of, std::size_t& matches_left);
// The value of a field; is_changed false where none matches.
RedactedText redact_field(std::string_view value, const SecretPatterns& patterns,
                          const TokenOf& token_of, std::size_t& matches_left);
// JSON, JSON lines, a form or multipart by its content type; any other text that begins like JSON
// is taken for it, and what is left is one text to patterns and nothing to paths.
RedactedText redact_body(std::string_view body, std::string_view content_type,
                         const http::HeaderList& fields, const BodyRules& rules);
// True: patterns find nothing in the body. (False does not say that they would.)
bool is_body_clean(std::string_view body, const http::HeaderList& fields,
                   const SecretPatterns& patterns);

}  // namespace banyan::model
