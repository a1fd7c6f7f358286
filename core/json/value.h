// SPDX-License-Identifier: Apache-2.0
//
// A parsed JSON text as a small owned tree that keeps what comparison needs: number spelling, order
// and duplicate keys. Parsing is strict (RFC 8259, valid UTF-8) and bounded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"

namespace banyan::json {

struct ParseLimits {
  std::size_t depth_max = 256;
  std::size_t nodes_max = 2'000'000;
};

class Value {
 public:
  enum class Type : std::uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };
  // Out of line: clang cannot make them here, where std::pair<…, Value> is still incomplete.
  Value();
  ~Value();
  Value(const Value&);
  Value(Value&&) noexcept;
  Value& operator=(const Value&);
  Value& operator=(Value&&) noexcept;

  Type type = Type::kNull;
  bool boolean = false;
  std::string text;          // kNumber: as spelled; kString: decoded UTF-8
  std::vector<Value> items;  // kArray
  std::vector<std::pair<std::string, Value>> members;  // kObject, in order, duplicates kept

  static Value of_type(Type type);
  static Value of_text(std::string text);  // kString

  bool is_object() const { return type == Type::kObject; }
  // Last member of that name, null where absent.
  const Value* find(std::string_view name) const;
  // Members of an object as needed by APIs; "" / fallback where absent or of another type.
  std::string_view string_or(std::string_view name, std::string_view fallback) const;
  double number_or(std::string_view name, double fallback) const;
  bool bool_or(std::string_view name, bool fallback) const;
};

// kInvalidArgument with the byte position where it stopped; kExhausted past a limit. A lone
// surrogate
// ("\ud800") is an error: it has no UTF-8 form. Messages never hold bytes of the text.
Result<Value> parse(std::string_view text, const ParseLimits& limits = {});
void write(const Value& value, std::string& out);

}  // namespace banyan::json
