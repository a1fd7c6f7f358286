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
  kPieces = 5,        // how many pieces of fields were dropped
};

// Fields that say how the message is to be read: patterns leave them alone.
constexpr std::string_view kFramingFields[] = {"content-type", "content-length", "content-encoding",
                                               "transfer-encoding"};
// Fields whose value is a reference with a query of its own.
constexpr std::string_view kReferenceFields[] = {"referer", "location", "content-location"};

template <std::size_t size>
bool is_one_of(std::string_view name, const std::string_view (&names)[size]) {
  return std::any_of(std::begin(names), std::end(names),
                     [name](std::string_view one) { return equal_ignoring_case(one, name); });
}

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
                        "; write header:NAME, query:NAME, body:$.path or pattern:card");
}

std::string binding_of(ExchangeId exchange) {
  std::string bytes;
  ByteWriter writer(bytes);
  writer.u64(exchange.high);
  writer.u64(exchange.low);
  return bytes;
}

// 32 lower-case hex digits behind the prefix and, of a later key, its number.
bool is_token(std::string_view value) {
  constexpr std::size_t kDigits = 32;
  if (!value.starts_with(kTokenPrefix)) return false;
  value.remove_prefix(kTokenPrefix.size());
  if (const auto colon = value.find(':'); colon != std::string_view::npos) {
    if (!parse_u64(value.substr(0, colon))) return false;
    value.remove_prefix(colon + 1);
  }
  return value.size() == kDigits &&
         value.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// The secret in "name=value"; all of it where there is no name.
std::string_view cookie_value(std::string_view pair) {
  const auto equals = pair.find('=');
  return trim(equals == std::string_view::npos ? pair : pair.substr(equals + 1));
}

}  // namespace

struct Redactor::Impl {
  // Without keys only to check rules.
  explicit Impl(const crypto::KeyRing* the_keys) : keys(the_keys) {}

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
    if (!rule.expression.empty()) {
      return patterns.add_expression(rule.expression, rule.places, rule.is_dropped);
    }
    if (field.starts_with("pattern:")) {
      return patterns.add_known(field.substr(8), rule.places, rule.is_dropped);
    }
    if (starts_with_ignoring_case(field, "header:")) {
      std::string name = to_lower(trim(field.substr(7)));
      if (name.empty()) return bad_rule(rule.field, "names no header");
      if (name.find_first_of("* :\t") != std::string::npos) {
        return bad_rule(rule.field, "names no single header (there is no wildcard here)");
      }
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
    std::string token(kTokenPrefix);
    // The first key's tokens are as they were before there was a second.
    if (const auto number = keys->token_key_number(); number > 1) {
      token += std::to_string(number) + ":";
    }
    return token += hex_of_bytes(keys->token("redact", value));
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

  // A target, or a reference in a field: named parameters of its query, and with `has_patterns`
  // also what patterns find in path and query.
  RedactedText redact_target_text(std::string_view target, bool has_patterns) const {
    static const SecretPatterns kNone;
    const SecretPatterns& used = has_patterns ? patterns : kNone;
    std::size_t matches_left = kFieldMatchesMax;
    const auto mark = std::min(target.find('?'), target.size());
    RedactedText path = redact_path(target.substr(0, mark), used, tokens, matches_left);
    RedactedText whole;
    whole.text = std::move(path.text);
    whole.to_send = std::move(path.to_send);
    whole.is_changed = path.is_changed;
    whole.dropped = path.dropped;
    if (mark == target.size()) return whole;
    const RedactedText query = redact_pairs(
        target.substr(mark + 1), [this](std::string_view name) { return redaction_of_query(name); },
        used, kInQuery, tokens, matches_left);
    whole.is_changed |= query.is_changed;
    whole.dropped += query.dropped;
    whole.text += "?" + query.text;
    if (!query.to_send.empty() || !query.is_changed) whole.to_send += "?" + query.to_send;
    return whole;
  }

  // What stays of a field that no rule names.
  RedactedText redact_unnamed(const http::Header& field) const {
    RedactedText result;
    if (!queries.empty() && is_one_of(field.name, kReferenceFields)) {
      result = redact_target_text(field.value, false);
    }
    if (!patterns.has(kInHeaders) || is_one_of(field.name, kFramingFields)) return result;
    std::size_t matches_left = kFieldMatchesMax;
    if (!result.is_changed) return redact_field(field.value, patterns, tokens, matches_left);
    RedactedText found = redact_field(result.text, patterns, tokens, matches_left);
    if (!found.is_changed) return result;
    // Both kinds of rules met: what is sent loses the dropped ones of each.
    result.text = std::move(found.text);
    result.dropped += found.dropped;
    const RedactedText sent = redact_field(result.to_send, patterns, tokens, matches_left);
    if (sent.is_changed) result.to_send = sent.to_send;
    return result;
  }

  bool is_field_clean(const http::Header& field) const {
    if (find_field(field.name) != nullptr) return false;
    if (!queries.empty() && is_one_of(field.name, kReferenceFields)) return false;
    return !patterns.has(kInHeaders) || (field.value.find('%') == std::string_view::npos &&
                                         !patterns.may_match(field.value, kInHeaders));
  }

  bool is_target_clean(std::string_view target) const {
    if (queries.empty() && !patterns.has(kInPath) && !patterns.has(kInQuery)) return true;
    const auto mark = std::min(target.find('?'), target.size());
    if (mark < target.size() && !queries.empty()) return false;
    const std::string_view path = target.substr(0, mark);
    const std::string_view query = target.substr(mark);
    if (patterns.has(kInPath) &&
        (path.find('%') != std::string_view::npos || patterns.may_match(path, kInPath))) {
      return false;
    }
    return !patterns.has(kInQuery) || (query.find_first_of("%+") == std::string_view::npos &&
                                       !patterns.may_match(query, kInQuery));
  }

  void redact_fields(RedactedMessage& message, ByteWriter& secrets) const;
  void redact_target(RedactedMessage& message, ByteWriter& secrets) const;
  // True: the body was left out.
  bool redact_body(RedactedMessage& message, std::string_view content_type,
                   const http::HeaderList& original, ByteWriter& secrets) const;
  bool has_dropping_body_rule() const {
    return patterns.has_dropping(kInBody) ||
           std::any_of(bodies.begin(), bodies.end(),
                       [](const auto& rule) { return rule.is_dropped; });
  }

  // The head as a whole is bounded already.
  static constexpr std::size_t kFieldMatchesMax = 1U << 20;

  const crypto::KeyRing* const keys;
  const TokenOf tokens = [this](std::string_view value) { return token_of(value); };
  static constexpr std::size_t kLengths = 64;
  std::array<std::vector<FieldRule>, kLengths> fields_by_length;  // modulo kLengths
  std::vector<QueryRule> queries;
  std::vector<BodyRule> bodies;
  SecretPatterns patterns;
};

namespace {

std::string_view keep(RedactedMessage& message, std::string text) {
  message.storage.push_back(std::make_unique<std::string>(std::move(text)));
  return *message.storage.back();
}

}  // namespace

void Redactor::Impl::redact_fields(RedactedMessage& message, ByteWriter& secrets) const {
  const auto seal = [&secrets](std::size_t index, std::string_view value) {
    secrets.u8(static_cast<std::uint8_t>(Sealed::kField));
    secrets.varint(index);
    secrets.bytes(value);
  };
  std::uint64_t dropped_pieces = 0;
  for (std::size_t i = 0; i < message.fields.size(); ++i) {
    http::Header& field = message.fields[i];
    const FieldRule* rule = find_field(field.name);
    if (rule == nullptr) {
      if (queries.empty() && !patterns.has(kInHeaders)) continue;
      RedactedText found = redact_unnamed(field);
      if (!found.is_changed) continue;
      seal(i, found.to_send);
      dropped_pieces += static_cast<std::uint64_t>(found.dropped);
      field.value = keep(message, std::move(found.text));
      continue;
    }
    if (rule->is_dropped) {
      secrets.u8(static_cast<std::uint8_t>(Sealed::kDroppedField));
      secrets.varint(i);
    } else {
      seal(i, field.value);
    }
    field.value = keep(message, redact_value(*rule, field.value));
  }
  if (dropped_pieces == 0) return;
  secrets.u8(static_cast<std::uint8_t>(Sealed::kPieces));
  secrets.varint(dropped_pieces);
}

void Redactor::Impl::redact_target(RedactedMessage& message, ByteWriter& secrets) const {
  if (is_target_clean(message.target)) return;
  RedactedText redacted = redact_target_text(message.target, true);
  if (!redacted.is_changed) return;
  secrets.u8(static_cast<std::uint8_t>(Sealed::kTarget));
  secrets.varint(static_cast<std::uint64_t>(redacted.dropped));
  secrets.bytes(redacted.dropped == 0 ? message.target : std::string_view(redacted.to_send));
  message.target = keep(message, std::move(redacted.text));
}

bool Redactor::Impl::redact_body(RedactedMessage& message, std::string_view content_type,
                                 const http::HeaderList& original, ByteWriter& secrets) const {
  if (message.body.empty() || (bodies.empty() && !patterns.has(kInBody))) return false;
  RedactedText redacted =
      model::redact_body(message.body, content_type, original, {bodies, patterns, tokens});
  if (!redacted.is_changed && !redacted.is_unreadable) return false;
  if (redacted.is_unreadable) {
    redacted.text.clear();
    // Where something in it may have to be dropped, nothing of it is kept.
    redacted.dropped = has_dropping_body_rule() ? 1 : 0;
    redacted.to_send = redacted.dropped == 0 ? std::string(message.body) : std::string();
  }
  secrets.u8(static_cast<std::uint8_t>(Sealed::kBody));
  secrets.varint(static_cast<std::uint64_t>(redacted.dropped));
  secrets.bytes(redacted.to_send);
  message.body = keep(message, std::move(redacted.text));
  message.body_is_redacted = true;
  return redacted.is_unreadable;
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
    auto rules = std::make_unique<Impl>(&keys);
    for (const std::string_view name : kDefaultFields) rules->add_field(std::string(name), false);
    for (const RedactionRule& rule : options.rules) BANYAN_RETURN_IF_ERROR(rules->add(rule));
    sets.push_back({options, std::move(rules)});
    return sets.back().rules.get();
  }
};

Redactor::Redactor() = default;
Redactor::~Redactor() = default;

Status Redactor::check(const RedactionRule& rule) { return Impl(nullptr).add(rule); }

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
  if (!now.bodies.empty() && !body.empty()) return false;
  return now.is_target_clean(target) &&
         std::all_of(fields.begin(), fields.end(),
                     [&now](const http::Header& field) { return now.is_field_clean(field); }) &&
         is_body_clean(body, fields, now.patterns);
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
  if (now.redact_body(message, content_type, fields, writer)) {
    left_out_.fetch_add(1, std::memory_order_relaxed);
  }
  if (secrets.empty()) return message;
  redacted_.fetch_add(1, std::memory_order_relaxed);
  message.sealed = now.keys->seal(secrets, binding_of(exchange));
  return message;
}

bool Redactor::has_body_rules() const {
  const Impl& now = rules();
  return !now.bodies.empty() || now.patterns.has(kInBody);
}

Redactor::Counts Redactor::counts() const {
  return {redacted_.load(std::memory_order_relaxed), left_out_.load(std::memory_order_relaxed)};
}

std::string Redactor::shown_target(std::string_view target) const {
  const Impl& now = rules();
  if (now.is_target_clean(target)) return std::string(target);
  RedactedText redacted = now.redact_target_text(target, true);
  return redacted.is_changed ? std::move(redacted.text) : std::string(target);
}

std::string Redactor::shown_field(std::string_view name, std::string_view value) const {
  const Impl& now = rules();
  if (const FieldRule* rule = now.find_field(name)) return now.redact_value(*rule, value);
  RedactedText redacted = now.redact_unnamed({name, value});
  return redacted.is_changed ? std::move(redacted.text) : std::string(value);
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
    auto secrets = rules().keys->unseal(sealed, binding_of(exchange));
    if (!secrets.ok()) return secrets.error();
    ByteReader reader(*secrets);
    while (reader.ok() && reader.remaining() > 0) {
      const auto kind = static_cast<Sealed>(reader.u8());
      const std::uint64_t number = reader.varint();
      const bool is_field = kind == Sealed::kField || kind == Sealed::kDroppedField;
      const bool is_known =
          is_field || kind == Sealed::kTarget || kind == Sealed::kBody || kind == Sealed::kPieces;
      if (!is_known || (is_field && number >= fields.size())) {
        reader.fail();
        break;
      }
      switch (kind) {
        case Sealed::kField: values[number] = std::string(reader.bytes()); break;
        case Sealed::kDroppedField: is_dropped[number] = true; break;
        case Sealed::kTarget: restored.target = std::string(reader.bytes()); break;
        case Sealed::kBody: restored.body = std::string(reader.bytes()); break;
        case Sealed::kPieces: break;
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
