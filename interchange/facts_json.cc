// SPDX-License-Identifier: Apache-2.0
#include "interchange/facts_json.h"

#include <initializer_list>
#include <optional>
#include <utility>

#include "core/base/text.h"

namespace banyan::interchange {
namespace {

using json::JsonWriter;
using json::Value;

Error malformed_at(const std::string& where, std::string_view what) {
  return make_error(ErrorCode::kDamaged, ErrorOrigin::kClient, where + " " + std::string(what));
}

std::string_view held_name(Held held) {
  switch (held) {
    case Held::kAll: return "all";
    case Held::kPart: return "part";
    case Held::kNone: return "none";
  }
  return "all";
}

// By the spelling that to_string() gives.
template <typename Enum>
std::optional<Enum> value_named(std::string_view name, std::initializer_list<Enum> values) {
  for (const Enum value : values) {
    if (to_string(value) == name) return value;
  }
  return std::nullopt;
}

void write_body(JsonWriter& json, const StoredBody& body, bool has_bytes, bool has_text) {
  json.key("body").begin_object().member("held", held_name(body.held));
  json.member("length", body.length);
  if (body.is_redacted) json.member("redacted", true);
  if (has_bytes && !body.bytes.empty() && (has_text || !is_utf8(body.bytes))) {
    write_bytes(json, "bytes", body.bytes);
  }
  json.end_object();
}

void write_answer(JsonWriter& json, const StoredAnswer& answer, const FactsStyle& style,
                  bool is_shadow) {
  json.member("system", to_string(answer.system)).member("version", int{answer.http_version});
  json.member("first_byte_ns", answer.first_byte.wall_ns);
  json.member("ended_ns", answer.ended.wall_ns);
  if (is_shadow) json.member("status", int{answer.status});
  if (is_shadow || style.has_messages) write_fields(json, "headers", answer.fields);
  if (!answer.trailers.empty()) write_fields(json, "trailers", answer.trailers);
  write_body(json, answer.body, is_shadow || style.has_messages, is_shadow);
}

void write_outcome(JsonWriter& json, const StoredOutcome& outcome) {
  json.key("outcome").begin_object().member("kind", to_string(outcome.kind));
  json.member("status", int{outcome.status}).member("forwarded", to_string(outcome.forwarded));
  json.member("cause", outcome.cause).member("ended_ns", outcome.ended.wall_ns).end_object();
}

// Integers as spelled; a JSON number of another form is refused.
Result<std::int64_t> read_integer(const Value& object, std::string_view name,
                                  const std::string& where) {
  const Value* value = object.find(name);
  if (value == nullptr) return std::int64_t{0};
  std::string_view text = value->text;
  const bool is_negative = text.starts_with('-');
  const auto number = parse_u64(is_negative ? text.substr(1) : text);
  if (value->type != Value::Type::kNumber || !number || *number > (1ULL << 62)) {
    return malformed_at(where + "." + std::string(name), "is not a whole number");
  }
  const auto integer = static_cast<std::int64_t>(*number);
  return is_negative ? -integer : integer;
}

Result<std::uint8_t> read_version(const Value& object, const std::string& where) {
  auto number = read_integer(object, "version", where);
  if (!number.ok()) return number.error();
  if (*number != 0 && *number != 1 && *number != 20) {
    return malformed_at(where + ".version", "is none of 0, 1 and 20");
  }
  return static_cast<std::uint8_t>(*number);
}

Status read_body(const Value& object, const std::string& where, StoredBody& out) {
  const Value* body = object.find("body");
  if (body == nullptr) return {};
  const auto held = body->string_or("held", "all") == "all" ? std::optional(Held::kAll)
                    : body->string_or("held", "") == "part" ? std::optional(Held::kPart)
                    : body->string_or("held", "") == "none" ? std::optional(Held::kNone)
                                                            : std::nullopt;
  if (!held) return malformed_at(where + ".body.held", "is none of all, part and none");
  out.held = *held;
  auto length = read_integer(*body, "length", where + ".body");
  if (!length.ok()) return length.error();
  if (*length < 0) return malformed_at(where + ".body.length", "is below zero");
  out.is_redacted = body->bool_or("redacted", false);
  if (auto found = read_bytes(*body, "bytes", out.bytes); !found.ok()) {
    return malformed_at(where + ".body.bytes_base64", "is not base64");
  }
  out.length = static_cast<std::uint64_t>(*length);
  if (out.held == Held::kNone) out.bytes.clear();
  if (out.held == Held::kAll && !out.is_redacted && out.length != out.bytes.size()) {
    return malformed_at(where + ".body.length", "is " + std::to_string(out.length) +
                                                    ", but the body that is told to be whole "
                                                    "has " +
                                                    std::to_string(out.bytes.size()) + " bytes");
  }
  return {};
}

Status read_answer(const Value& object, const std::string& where, StoredAnswer& out) {
  const auto system = parse_system(object.string_or("system", "legacy"));
  if (!system) return malformed_at(where + ".system", "is neither legacy nor candidate");
  out.system = *system;
  auto version = read_version(object, where);
  auto first = read_integer(object, "first_byte_ns", where);
  auto ended = read_integer(object, "ended_ns", where);
  if (!version.ok()) return version.error();
  if (!first.ok()) return first.error();
  if (!ended.ok()) return ended.error();
  out.http_version = *version;
  out.first_byte = Instant{*first, *first};
  out.ended = Instant{*ended, *ended};
  if (const Value* fields = object.find("headers")) {
    BANYAN_RETURN_IF_ERROR(read_fields(fields, where + ".headers", out.fields));
  }
  BANYAN_RETURN_IF_ERROR(read_fields(object.find("trailers"), where + ".trailers", out.trailers));
  return read_body(object, where, out.body);
}

Status read_outcome(const Value& object, Exchange& out) {
  const std::string where = "outcome";
  const auto kind =
      value_named(object.string_or("kind", ""),
                  {OutcomeKind::kBanyan, OutcomeKind::kAborted, OutcomeKind::kUnknown});
  const auto forwarded = value_named(object.string_or("forwarded", ""),
                                     {Forwarded::kNothing, Forwarded::kPart, Forwarded::kWhole});
  if (!kind) return malformed_at(where + ".kind", "is none of banyan, aborted and unknown");
  if (!forwarded) return malformed_at(where + ".forwarded", "is none of nothing, part and whole");
  auto status = read_integer(object, "status", where);
  auto ended = read_integer(object, "ended_ns", where);
  if (!status.ok()) return status.error();
  if (!ended.ok()) return ended.error();
  if (*status < 0 || *status > 999) return malformed_at(where + ".status", "is no status");
  StoredOutcome outcome;
  outcome.kind = *kind;
  outcome.forwarded = *forwarded;
  outcome.status = static_cast<std::uint16_t>(*status);
  outcome.cause = object.string_or("cause", "");
  outcome.ended = Instant{*ended, *ended};
  out.outcome = std::move(outcome);
  return {};
}

Status read_request(const Value& object, Exchange& out) {
  auto version = read_version(object, "request");
  if (!version.ok()) return version.error();
  out.http_version = *version;
  if (const Value* fields = object.find("headers")) {
    BANYAN_RETURN_IF_ERROR(read_fields(fields, "request.headers", out.fields));
  }
  BANYAN_RETURN_IF_ERROR(read_fields(object.find("trailers"), "request.trailers", out.trailers));
  return read_body(object, "request", out.body);
}

Status read_response(const Value& object, Exchange& out) {
  if (!out.answer) out.answer.emplace();
  BANYAN_RETURN_IF_ERROR(read_answer(object, "response", *out.answer));
  const auto delivery =
      value_named(object.string_or("delivery", "whole"),
                  {Delivery::kWhole, Delivery::kTruncated, Delivery::kClientLeft});
  if (!delivery) return malformed_at("response.delivery", "is not known");
  out.delivery = *delivery;
  return {};
}

Status read_shadow(const Value& object, Exchange& out) {
  auto status = read_integer(object, "status", "shadow");
  if (!status.ok()) return status.error();
  if (*status < 0 || *status > 999) return malformed_at("shadow.status", "is no status");
  StoredAnswer shadow;
  BANYAN_RETURN_IF_ERROR(read_answer(object, "shadow", shadow));
  shadow.status = static_cast<std::uint16_t>(*status);
  out.shadow = std::move(shadow);
  return {};
}

// What is told of the exchange itself.
Status read_identity(const Value& facts, Exchange& out) {
  const auto id = ExchangeId::parse(facts.string_or("exchange", ""));
  const auto primary = parse_system(facts.string_or("primary", ""));
  const auto mirror =
      value_named(facts.string_or("mirror", "off"),
                  {MirrorDecision::kOff, MirrorDecision::kSelected, MirrorDecision::kSkipped});
  if (!id) return malformed_at("exchange", "is no exchange id of 32 hex digits");
  if (!primary) return malformed_at("primary", "is neither legacy nor candidate");
  if (!mirror) return malformed_at("mirror", "is not known");
  auto started = read_integer(facts, "started_ns", "");
  if (!started.ok()) return started.error();
  out.id = *id;
  out.source_id = id->to_string();
  out.is_ours = true;
  out.started = Instant{*started, *started};
  out.route = facts.string_or("route", "");
  out.decision = facts.string_or("decision", "");
  out.session = facts.string_or("session", "");
  out.primary = *primary;
  out.mirror = *mirror;
  out.skip = parse_skip_reason(facts.string_or("skip", "")).value_or(SkipReason::kNone);
  out.is_write = facts.bool_or("write", false);
  if (auto found = read_bytes(facts, "target", out.target); !found.ok()) return found.error();
  out.verdict = parse_verdict(facts.string_or("verdict", ""));
  return {};
}

}  // namespace

void write_fields(JsonWriter& json, std::string_view key, const Fields& fields) {
  json.key(key).begin_array();
  for (const Field& field : fields) {
    json.begin_object().member("name", field.name).member("value", field.value);
    if (!is_utf8(field.value)) json.member("_value_base64", base64_of_bytes(field.value));
    json.end_object();
  }
  json.end_array();
}

Status read_fields(const Value* list, const std::string& where, Fields& out) {
  out.clear();
  if (list == nullptr) return {};
  if (list->type != Value::Type::kArray) return malformed_at(where, "is not an array");
  out.reserve(list->items.size());
  for (std::size_t i = 0; i < list->items.size(); ++i) {
    const Value& item = list->items[i];
    const std::string place = where + "[" + std::to_string(i) + "]";
    const Value* name = item.find("name");
    const Value* value = item.find("value");
    const Value* encoded = item.find("_value_base64");
    if (name == nullptr || name->type != Value::Type::kString) {
      return malformed_at(place, "has no name");
    }
    if (encoded == nullptr && (value == nullptr || value->type != Value::Type::kString)) {
      return malformed_at(place, "has no value");
    }
    Field field{name->text, encoded == nullptr ? value->text : std::string()};
    if (encoded != nullptr) {
      auto bytes = bytes_of_base64(encoded->text);
      if (!bytes) return malformed_at(place + "._value_base64", "is not base64");
      field.value = *std::move(bytes);
    }
    out.push_back(std::move(field));
  }
  return {};
}

void write_bytes(JsonWriter& json, std::string_view name, std::string_view bytes) {
  if (is_utf8(bytes)) {
    json.member(name, bytes);
  } else {
    json.member(std::string(name) + "_base64", base64_of_bytes(bytes));
  }
}

Result<bool> read_bytes(const Value& object, std::string_view name, std::string& out) {
  if (const Value* encoded = object.find(std::string(name) + "_base64")) {
    auto bytes = bytes_of_base64(encoded->text);
    if (!bytes) return malformed_at(std::string(name) + "_base64", "is not base64");
    out = *std::move(bytes);
    return true;
  }
  const Value* text = object.find(name);
  if (text == nullptr || text->type != Value::Type::kString) return false;
  out = text->text;
  return true;
}

void write_facts(JsonWriter& json, const Exchange& exchange, const FactsStyle& style) {
  json.begin_object().member("schema", kFactsSchema);
  json.member("exchange", exchange.id.to_string());
  json.member("started_ns", exchange.started.wall_ns).member("route", exchange.route);
  json.member("decision", exchange.decision).member("session", exchange.session);
  json.member("primary", to_string(exchange.primary)).member("mirror", to_string(exchange.mirror));
  if (exchange.skip != SkipReason::kNone) json.member("skip", to_string(exchange.skip));
  json.member("write", exchange.is_write);
  write_bytes(json, "target", exchange.target);
  json.key("request").begin_object().member("version", int{exchange.http_version});
  if (style.has_messages) write_fields(json, "headers", exchange.fields);
  if (!exchange.trailers.empty()) write_fields(json, "trailers", exchange.trailers);
  write_body(json, exchange.body, style.has_messages, false);
  json.end_object();
  if (exchange.answer) {
    json.key("response").begin_object().member("delivery", to_string(exchange.delivery));
    write_answer(json, *exchange.answer, style, false);
    json.end_object();
  }
  if (exchange.outcome) write_outcome(json, *exchange.outcome);
  if (exchange.shadow) {
    json.key("shadow").begin_object();
    write_answer(json, *exchange.shadow, style, true);
    json.end_object();
  }
  if (exchange.verdict) json.member("verdict", to_string(*exchange.verdict));
  json.end_object();
}

Status read_facts(const Value& facts, Exchange& out) {
  if (!facts.is_object()) return malformed_at("it", "is not an object");
  if (facts.string_or("schema", "") != kFactsSchema) {
    return malformed_at("schema", "is not \"" + std::string(kFactsSchema) +
                                      "\": another version of Banyan wrote it");
  }
  BANYAN_RETURN_IF_ERROR(read_identity(facts, out));
  if (const Value* request = facts.find("request")) {
    BANYAN_RETURN_IF_ERROR(read_request(*request, out));
  }
  if (const Value* response = facts.find("response")) {
    BANYAN_RETURN_IF_ERROR(read_response(*response, out));
  }
  if (const Value* outcome = facts.find("outcome")) {
    BANYAN_RETURN_IF_ERROR(read_outcome(*outcome, out));
  }
  if (const Value* shadow = facts.find("shadow")) {
    BANYAN_RETURN_IF_ERROR(read_shadow(*shadow, out));
  }
  return {};
}

}  // namespace banyan::interchange
