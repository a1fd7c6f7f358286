// SPDX-License-Identifier: Apache-2.0
//
// Keeps secrets out of the log: named fields are replaced by keyed tokens that still compare equal,
// and their real values travel sealed beside the record, for the sender alone.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/http/message.h"
#include "core/model/secret_patterns.h"

namespace banyan::crypto {
class KeyRing;
}

namespace banyan::model {

struct RedactionRule {
  // "header:X-Partner-Secret", "query:token", "body:$..password", "pattern:card"; "" where
  // `expression` says what a secret looks like.
  std::string field;
  bool is_dropped = false;   // keep = "drop": not sealed; a replayed request goes without it
  std::string expression{};  // RE2 syntax
  std::string name{};        // of the expression, for messages
  std::uint8_t places = kInEverything;  // of a pattern; see SecretPlace
  bool operator==(const RedactionRule&) const = default;
};

struct RedactionOptions {
  std::vector<RedactionRule> rules;  // added to the defaults
  bool operator==(const RedactionOptions&) const = default;
};

// The parts of a message after redaction. Views point into the message or into `storage`.
struct RedactedMessage {
  std::string_view target;
  http::HeaderList fields;
  std::string_view body;
  bool body_is_redacted = false;
  std::string sealed;  // "" where nothing was replaced
  std::vector<std::unique_ptr<std::string>> storage;
};

// Any thread. Defaults: Authorization, Proxy-Authorization, each value in
// Cookie and Set-Cookie, X-Api-Key, Api-Key, X-Auth-Token, X-Access-Token, X-Csrf-Token,
// X-Amz-Security-Token.
class Redactor {
 public:
  static Result<std::unique_ptr<Redactor>> create(const RedactionOptions& options,
                                                  const crypto::KeyRing& keys);
  ~Redactor();

  // Puts other rules in force for every call from now on. The old ones are kept, since somebody may
  // be using them; kExhausted past kRuleSetsMax different sets.
  Status replace_rules(const RedactionOptions& options);
  static constexpr std::size_t kRuleSetsMax = 1000;
  // kInvalidArgument where create() would refuse the rule.
  static Status check(const RedactionRule& rule);

  // True: redact() would replace nothing. (False does not say that it would.)
  bool is_clean(std::string_view target, const http::HeaderList& fields,
                std::string_view body) const;
  // `content_type` tells how to read the body. `exchange` binds the sealed part to its record.
  // An inline body that a rule may apply to and that cannot be read (it does not parse, decodes to
  // too much, or holds too many matches) is left out: the answer's body is empty and redacted.
  RedactedMessage redact(ExchangeId exchange, std::string_view target,
                         const http::HeaderList& fields, std::string_view body,
                         std::string_view content_type) const;
  // A body that is streamed cannot be redacted: true if some rule would apply to it.
  bool has_body_rules() const;

  // Since the start: messages in which something was replaced, and bodies that were left out.
  struct Counts {
    std::uint64_t redacted = 0;
    std::uint64_t left_out = 0;
  };
  Counts counts() const;

  // Puts the real values back, for sending a copy. A dropped field is left out and counted.
  struct Restored {
    std::string target;
    std::vector<std::pair<std::string, std::string>> fields;
    std::string body;
    int dropped_fields = 0;
  };
  Result<Restored> restore(ExchangeId exchange, std::string_view target,
                           const http::HeaderList& fields, std::string_view body,
                           std::string_view sealed) const;

  // The target with the values of redacted query parameters as tokens, for people to read.
  std::string shown_target(std::string_view target) const;
  // The same of a field's value; of Referer also what redacted query parameters say.
  std::string shown_field(std::string_view name, std::string_view value) const;

  // "banyan:t:" and 32 hex digits of a keyed hash: equal values give equal tokens. Since the key
  // was rotated its number stands before the digits: "banyan:t:2:…".
  std::string token_of(std::string_view value) const;

 private:
  Redactor();
  struct Impl;
  struct Sets;
  const Impl& rules() const { return *rules_.load(std::memory_order_acquire); }
  std::atomic<const Impl*> rules_{nullptr};
  std::unique_ptr<Sets> sets_;
  mutable std::atomic<std::uint64_t> redacted_{0};
  mutable std::atomic<std::uint64_t> left_out_{0};
};

}  // namespace banyan::model
