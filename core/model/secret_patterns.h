// SPDX-License-Identifier: Apache-2.0
//
// Rules that say what a secret looks like, wherever it stands: "pattern:card", "pattern:email",
// "pattern:bearer" and expressions of the user. Only the match is replaced. Used by Redactor alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/model/secret_matchers.h"

namespace banyan::model {

using TokenOf = std::function<std::string(std::string_view)>;

// Where in a message a pattern looks.
enum SecretPlace : std::uint8_t {
  kInBody = 1,
  kInQuery = 2,
  kInPath = 4,
  kInHeaders = 8,
  kInEverything = 15,
};

// A text after its matches were replaced.
struct ReplacedText {
  std::string text;     // with tokens
  std::string to_send;  // with tokens only for what is dropped
  int dropped = 0;
};

// Immutable once its rules are added; any thread.
class SecretPatterns {
 public:
  static constexpr std::size_t kRulesMax = 64;
  static constexpr std::size_t kExpressionBytesMax = 1024;
  // Of a compiled expression with what it may cache; a larger one is refused.
  static constexpr std::int64_t kExpressionMemoryMax = 1 << 20;
  // A body with more matches is left out whole: the time that tokens take is bounded.
  static constexpr std::size_t kMatchesMax = 1000;

  SecretPatterns();
  ~SecretPatterns();

  // `kind` is "card", "email" or "bearer".
  Status add_known(std::string_view kind, std::uint8_t places, bool is_dropped);
  // RE2 syntax. Where it has a group, only what the first group matched is replaced.
  Status add_expression(const std::string& expression, std::uint8_t places, bool is_dropped);

  bool has(SecretPlace place) const { return (places_ & place) != 0; }
  // Some rule for that place keeps what it finds from being sealed.
  bool has_dropping(SecretPlace place) const { return (dropping_places_ & place) != 0; }
  // False: replace() finds nothing, also once JSON escapes other than \u are resolved.
  bool may_match(std::string_view text, SecretPlace place) const;
  // True: something was found and `out` filled. More than `matches_left` (counted down) is found,
  // but no longer replaced in full: the caller gives up the text when it is 0.
  bool replace(std::string_view text, SecretPlace place, const TokenOf& token_of,
               std::size_t& matches_left, ReplacedText& out) const;

 private:
  struct Rule;
  Status add_rule(std::unique_ptr<Rule> rule, std::uint8_t places, bool is_dropped);
  std::vector<SecretSpan> find(std::string_view text, SecretPlace place,
                               std::size_t spans_max) const;
  std::vector<std::unique_ptr<Rule>> rules_;
  std::uint8_t places_ = 0;
  std::uint8_t dropping_places_ = 0;
};

}  // namespace banyan::model
