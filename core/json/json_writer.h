// SPDX-License-Identifier: Apache-2.0
//
// Writes JSON (RFC 8259) into a string; escapes whatever it is given, invalid UTF-8 becomes U+FFFD.
//
//   JsonWriter json(out);
//   json.begin_object().key("schema").string("banyan/status/1").key("routes").begin_array() …
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace banyan::json {

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& string(std::string_view value);
  JsonWriter& number(std::int64_t value);
  JsonWriter& number(std::uint64_t value);
  JsonWriter& number(int value) { return number(std::int64_t{value}); }
  JsonWriter& number(unsigned value) { return number(std::uint64_t{value}); }
  // Shortest form that reads back; not finite becomes null.
  JsonWriter& number(double value);
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  // Already valid JSON.
  JsonWriter& raw(std::string_view json);
  // key() and value in one.
  template <typename T>
  JsonWriter& member(std::string_view name, const T& value) {
    key(name);
    return put(value);
  }

 private:
  JsonWriter& put(std::string_view value) { return string(value); }
  JsonWriter& put(const char* value) { return string(value); }
  JsonWriter& put(const std::string& value) { return string(value); }
  JsonWriter& put(bool value) { return boolean(value); }
  JsonWriter& put(double value) { return number(value); }
  JsonWriter& put(int value) { return number(value); }
  JsonWriter& put(unsigned value) { return number(value); }
  JsonWriter& put(long value) { return number(static_cast<std::int64_t>(value)); }
  JsonWriter& put(unsigned long value) { return number(static_cast<std::uint64_t>(value)); }
  void before_value();
  std::string& out_;
  bool needs_comma_ = false;
  bool after_key_ = false;
};

}  // namespace banyan::json
