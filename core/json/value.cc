// SPDX-License-Identifier: Apache-2.0
#include "core/json/value.h"

#include <charconv>

#include "core/json/json_writer.h"
#include "core/json/tape.h"

namespace banyan::json {
namespace {

void write_to(const Value& value, JsonWriter& json) {
  switch (value.type) {
    case Value::Type::kNull: json.null(); break;
    case Value::Type::kBool: json.boolean(value.boolean); break;
    case Value::Type::kNumber: json.raw(value.text); break;
    case Value::Type::kString: json.string(value.text); break;
    case Value::Type::kArray:
      json.begin_array();
      for (const Value& item : value.items) write_to(item, json);
      json.end_array();
      break;
    case Value::Type::kObject:
      json.begin_object();
      for (const auto& [name, member] : value.members) {
        json.key(name);
        write_to(member, json);
      }
      json.end_object();
      break;
  }
}

}  // namespace

Value::Value() = default;
Value::~Value() = default;
Value::Value(const Value&) = default;
Value::Value(Value&&) noexcept = default;
Value& Value::operator=(const Value&) = default;
Value& Value::operator=(Value&&) noexcept = default;

Value Value::of_type(Type type) {
  Value value;
  value.type = type;
  return value;
}

Value Value::of_text(std::string text) {
  Value value = of_type(Type::kString);
  value.text = std::move(text);
  return value;
}

const Value* Value::find(std::string_view name) const {
  for (auto it = members.rbegin(); it != members.rend(); ++it) {
    if (it->first == name) return &it->second;
  }
  return nullptr;
}

std::string_view Value::string_or(std::string_view name, std::string_view fallback) const {
  const Value* found = find(name);
  return found != nullptr && found->type == Type::kString ? std::string_view(found->text)
                                                          : fallback;
}

double Value::number_or(std::string_view name, double fallback) const {
  const Value* found = find(name);
  if (found == nullptr || found->type != Type::kNumber) return fallback;
  double number = 0;
  const char* end = found->text.data() + found->text.size();
  const auto result = std::from_chars(found->text.data(), end, number);
  return result.ec == std::errc() && result.ptr == end ? number : fallback;
}

bool Value::bool_or(std::string_view name, bool fallback) const {
  const Value* found = find(name);
  return found != nullptr && found->type == Type::kBool ? found->boolean : fallback;
}

Result<Value> parse(std::string_view text, const ParseLimits& limits) {
  thread_local Tape tape;
  BANYAN_RETURN_IF_ERROR(tape.parse(text, limits));
  Value value = tape.value();
  tape.shrink();
  return value;
}

void write(const Value& value, std::string& out) {
  JsonWriter json(out);
  write_to(value, json);
}

}  // namespace banyan::json
