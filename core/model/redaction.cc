// SPDX-License-Identifier: Apache-2.0
#include "core/model/redaction.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/mutex.h"
#include "core/base/text.h"
#include "core/crypto/key_ring.h"
#include "core/model/body_redaction.h"

namespace banyan::model {
namespace {

constexpr std::string_view kTokenPrefix = "banyan:t:";
constexpr std::string_view kDefaultFields[] = {"authorization", "proxy-authorization",
                                               "cookie",        "set-cookie",
                                               "x-api-key",     "api-key",
                                               "x-auth-token",  "x-access-token",
                                               "x-csrf-token",  "x-amz-security-token"};

// What the sealed part holds: a list of these, each with what it needs to be put back.
enum class Sealed : std::uint8_t {
  kField = 1,         // index, value
  kDroppedField = 2,  // index
  kTarget = 3,        // dropped count, target to send
  kBody = 4,          // dropped count, body to send
};

struct FieldRule {
  std::string name;  // lower case
  bool is_dropped = false;
};

struct QueryRule {
  std::string name;
  bool is_dropped = false;
};

Error bad_rule(const std::string& field, const std::string& why) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
                    "'" + escape_for_terminal(field, 200) + "' " + why +
                        "; write header:NAME, query:NAME or body:$.path");
}

std::string binding_of(ExchangeId exchange) {
  std::string bytes;
  ByteWriter writer(bytes);
  writer.u64(exchange.high);
  writer.u64(exchange.low);
  return bytes;
}

// 32 lower-case hex digits behind the prefix.
bool is_token(std::string_view value) {
  constexpr std::size_t kDigits = 32;
  if (value.size() != kTokenPrefix.size() + kDigits || !value.starts_with(kTokenPrefix)) {
    return false;
  }
  return value.find_first_not_of("0123456789abcdef", kTokenPrefix.size()) == std::string_view::npos;
}

// The secret in "name=value"; all of it where there is no name.
std::string_view cookie_value(std::string_view pair) {
  const auto equals = pair.find('=');
  return trim(equals == std::string_view::npos ? pair : pair.substr(equals + 1));
}

}  // namespace

struct Redactor::Impl {
  explicit Impl(const crypto::KeyRing& the_keys) : keys(the_keys) {}

  void add_field(std::string name, bool is_dropped) {
    std::vector<FieldRule>& fields = fields_of(name);
    for (FieldRule& rule : fields) {
      if (rule.name != name) continue;
      rule.is_dropped = rule.is_dropped || is_dropped;
      return;
    }
    fields.push_back({std::move(name), is_dropped});
  }

  Status add(const RedactionRule& rule) {
    const std::string_view field = rule.field;
    if (starts_with_ignoring_case(field, "header:")) {
      std::string name = to_lower(trim(field.substr(7)));
      if (name.empty()) return bad_rule(rule.field, "names no header");
      add_field(std::move(name), rule.is_dropped);
      return {};
    }
    if (field.starts_with("query:")) {
      if (field.size() == 6) return bad_rule(rule.field, "names no query parameter");
      queries.push_back({std::string(field.substr(6)), rule.is_dropped});
      return {};
    }
    if (field.starts_with("body:$")) {
      auto path = json::PathPattern::parse(field.substr(5));
      if (!path.ok()) return bad_rule(rule.field, "is no path: " + path.error().message);
      bodies.push_back({*std::move(path), rule.is_dropped});
      return {};
    }
    return bad_rule(rule.field, "is no field that can be redacted");
  }

  std::vector<FieldRule>& fields_of(std::string_view name) {
    return fields_by_length[name.size() % kLengths];
  }

  const FieldRule* find_field(std::string_view name) const {
    // Most names are already told apart by their length.
    for (const FieldRule& rule : fields_by_length[name.size() % kLengths]) {
      if (equal_ignoring_case(rule.name, name)) return &rule;
    }
    return nullptr;
  }

  // A token stands for itself, so that what was exported with tokens is imported as it is.
  std::string token_of(std::string_view value) const {
    if (is_token(value)) return std::string(value);
    return std::string(kTokenPrefix) + hex_of_bytes(keys.token("redact", value));
  }

  // "a=1; b=2" with each value replaced; of Set-Cookie only the first, attributes stay.
  std::string redact_cookies(std::string_view value, bool is_set_cookie) const {
    std::string out;
    bool is_first = true;
    for (const std::string_view pair : split(value, ';')) {
      if (!is_first) out += ';';
      const std::string_view secret = cookie_value(pair);
      if (secret.empty() || (is_set_cookie && !is_first)) {
        out += pair;
      } else {
        const auto at = static_cast<std::size_t>(secret.data() - pair.data());
        out.append(pair.substr(0, at))
            .append(token_of(secret))
            .append(pair.substr(at + secret.size()));
      }
      is_first = false;
    }
    return out;
  }

  std::string redact_value(const FieldRule& rule, std::string_view value) const {
    if (rule.name == "cookie") return redact_cookies(value, false);
    if (rule.name == "set-cookie") return redact_cookies(value, true);
    return token_of(value);
  }

  Redaction redaction_of_query(std::string_view name) const {
    Redaction decision = Redaction::kNone;
    for (const QueryRule& rule : queries) {
      if (rule.name != name) continue;
      if (rule.is_dropped) return Redaction::kDrop;
      decision = Redaction::kToken;
    }
    return decision;
  }

  // The query behind the "?".
  RedactedText redact_query(std::string_view query) const {
    return redact_pairs(
        query, [this](std::string_view name) { return redaction_of_query(name); },
        [this](std::string_view value) { return token_of(value); });
  }

  void redact_fields(RedactedMessage& message, ByteWriter& secrets) const;
  void redact_target(RedactedMessage& message, ByteWriter& secrets) const;
  void redact_body(RedactedMessage& message, std::string_view content_type,
                   const http::HeaderList& original, ByteWriter& secrets) const;

  const crypto::KeyRing& keys;
  static constexpr std::size_t kLengths = 64;
  std::array<std::vector<FieldRule>, kLengths> fields_by_length;  // modulo kLengths
  std::vector<QueryRule> queries;
  std::vector<BodyRule> bodies;
};

namespace {

std::string_view keep(RedactedMessage& message, std::string text) {
  message.storage.push_back(std::make_unique<std::string>(std::move(text)));
  return *message.storage.back();
}

}  // namespace

void Redactor::Impl::redact_fields(RedactedMessage& message, ByteWriter& secrets) const {
  for (std::size_t i = 0; i < message.fields.size(); ++i) {
    http::Header& field = message.fields[i];
    const FieldRule* rule = find_field(field.name);
    if (rule == nullptr) continue;
    if (rule->is_dropped) {
      secrets.u8(static_cast<std::uint8_t>(Sealed::kDroppedField));
      secrets.varint(i);
    } else {
      secrets.u8(static_cast<std::uint8_t>(Sealed::kField));
      secrets.varint(i);
      secrets.bytes(field.value);
    }
    field.value = keep(message, redact_value(*rule, field.value));
  }
}

void Redactor::Impl::redact_target(RedactedMessage& message, ByteWriter& secrets) const {
  const auto mark = message.target.find('?');
  if (queries.empty() || mark == std::string_view::npos) return;
  const RedactedText redacted = redact_query(message.target.substr(mark + 1));
  if (!redacted.is_changed) return;
  const std::string path(message.target.substr(0, mark));
  secrets.u8(static_cast<std::uint8_t>(Sealed::kTarget));
  secrets.varint(static_cast<std::uint64_t>(redacted.dropped));
  secrets.bytes(redacted.to_send.empty() ? path : path + "?" + redacted.to_send);
  message.target = keep(message, path + "?" + redacted.text);
}

void Redactor::Impl::redact_body(RedactedMessage& message, std::string_view content_type,
                                 const http::HeaderList& original, ByteWriter& secrets) const {
  if (bodies.empty() || message.body.empty()) return;
  RedactedText redacted =
      model::redact_body(message.body, content_type, original, bodies,
                         [this](std::string_view value) { return token_of(value); });
  if (!redacted.is_changed && !redacted.is_unreadable) return;
  secrets.u8(static_cast<std::uint8_t>(Sealed::kBody));
  secrets.varint(static_cast<std::uint64_t>(redacted.dropped));
  secrets.bytes(redacted.is_unreadable ? message.body : std::string_view(redacted.to_send));
  message.body = keep(message, std::move(redacted.text));
  message.body_is_redacted = true;
}

// Every set of rules that was ever in force, so that a reader of one never loses it.
struct Redactor::Sets {
  explicit Sets(const crypto::KeyRing& the_keys) : keys(the_keys) {}
  struct Set {
    RedactionOptions options;
    std::unique_ptr<const Impl> rules;
  };
  const crypto::KeyRing& keys;
  Mutex mutex;
  std::vector<Set> sets GUARDED_BY(mutex);

  // One of them; the same options give the same set.
  Result<const Impl*> find_or_add(const RedactionOptions& options) {
    MutexLock lock(mutex);
    for (const Set& set : sets) {
      if (set.options == options) return set.rules.get();
    }
    if (sets.size() >= kRuleSetsMax) {
      return make_error(ErrorCode::kExhausted, ErrorOrigin::kConfig,
                        "record.redact has changed " + std::to_string(kRuleSetsMax) +
                            " times since the start; restart to change it again");
    }
    auto rules = std::make_unique<Impl>(keys);
    for (const std::string_view name : kDefaultFields) rules->add_field(std::string(name), false);
    for (const RedactionRule& rule : options.rules) BANYAN_RETURN_IF_ERROR(rules->add(rule));
    sets.push_back({options, std::move(rules)});
    return sets.back().rules.get();
  }
};

Redactor::Redactor() = default;
Redactor::~Redactor() = default;

Result<std::unique_ptr<Redactor>> Redactor::create(const RedactionOptions& options,
                                                   const crypto::KeyRing& keys) {
  std::unique_ptr<Redactor> redactor(new Redactor());
  redactor->sets_ = std::make_unique<Sets>(keys);
  BANYAN_RETURN_IF_ERROR(redactor->replace_rules(options));
  return redactor;
}

Status Redactor::replace_rules(const RedactionOptions& options) {
  const auto rules = sets_->find_or_add(options);
  if (!rules.ok()) return rules.error();
  rules_.store(*rules, std::memory_order_release);
  return {};
}

bool Redactor::is_clean(std::string_view target, const http::HeaderList& fields,
                        std::string_view body) const {
  const Impl& now = rules();
  if (!now.queries.empty() && target.find('?') != std::string_view::npos) return false;
  if (!now.bodies.empty() && !body.empty()) return false;
  return std::none_of(fields.begin(), fields.end(), [&now](const http::Header& field) {
    return now.find_field(field.name) != nullptr;
  });
}

RedactedMessage Redactor::redact(ExchangeId exchange, std::string_view target,
                                 const http::HeaderList& fields, std::string_view body,
                                 std::string_view content_type) const {
  RedactedMessage message;
  message.target = target;
  message.fields = fields;
  message.body = body;
  std::string secrets;
  ByteWriter writer(secrets);
  const Impl& now = rules();
  now.redact_fields(message, writer);
  now.redact_target(message, writer);
  now.redact_body(message, content_type, fields, writer);
  if (!secrets.empty()) message.sealed = now.keys.seal(secrets, binding_of(exchange));
  return message;
}

bool Redactor::has_body_rules() const { return !rules().bodies.empty(); }

std::string Redactor::shown_target(std::string_view target) const {
  const Impl& now = rules();
  const auto mark = target.find('?');
  if (now.queries.empty() || mark == std::string_view::npos) return std::string(target);
  const RedactedText redacted = now.redact_query(target.substr(mark + 1));
  if (!redacted.is_changed) return std::string(target);
  return std::string(target.substr(0, mark + 1)) + redacted.text;
}

std::string Redactor::shown_field(std::string_view name, std::string_view value) const {
  const Impl& now = rules();
  if (const FieldRule* rule = now.find_field(name)) return now.redact_value(*rule, value);
  return equal_ignoring_case(name, "referer") ? shown_target(value) : std::string(value);
}

std::string Redactor::token_of(std::string_view value) const { return rules().token_of(value); }

Result<Redactor::Restored> Redactor::restore(ExchangeId exchange, std::string_view target,
                                             const http::HeaderList& fields, std::string_view body,
                                             std::string_view sealed) const {
  Restored restored;
  restored.target = target;
  restored.body = body;
  std::vector<bool> is_dropped(fields.size(), false);
  std::vector<std::string> values;
  values.reserve(fields.size());
  for (const http::Header& field : fields) values.emplace_back(field.value);
  if (!sealed.empty()) {
    auto secrets = rules().keys.unseal(sealed, binding_of(exchange));
    if (!secrets.ok()) return secrets.error();
    ByteReader reader(*secrets);
    while (reader.ok() && reader.remaining() > 0) {
      const auto kind = static_cast<Sealed>(reader.u8());
      const std::uint64_t number = reader.varint();
      const bool is_field = kind == Sealed::kField || kind == Sealed::kDroppedField;
      const bool is_known = is_field || kind == Sealed::kTarget || kind == Sealed::kBody;
      if (!is_known || (is_field && number >= fields.size())) {
        reader.fail();
        break;
      }
      switch (kind) {
        case Sealed::kField: values[number] = std::string(reader.bytes()); break;
        case Sealed::kDroppedField: is_dropped[number] = true; break;
        case Sealed::kTarget: restored.target = std::string(reader.bytes()); break;
        case Sealed::kBody: restored.body = std::string(reader.bytes()); break;
      }
      if (!is_field)
        restored.dropped_fields += static_cast<int>(std::min<std::uint64_t>(number, 1'000'000));
    }
    if (!reader.ok()) {
      return make_error(
          ErrorCode::kDamaged, ErrorOrigin::kDisk,
          "the sealed part of exchange " + exchange.to_string() + " does not fit its request");
    }
  }
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (is_dropped[i]) {
      ++restored.dropped_fields;
    } else {
      restored.fields.emplace_back(std::string(fields[i].name), std::move(values[i]));
    }
  }
  return restored;
}

}  // namespace banyan::model
