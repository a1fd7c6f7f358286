// SPDX-License-Identifier: Apache-2.0
#include "core/json/json_writer.h"

#include <array>
#include <charconv>
#include <cmath>

#include "core/base/text.h"

namespace banyan::json {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Bytes of the valid UTF-8 sequence at the front of `bytes`, 0 where there is none.
std::size_t sequence_size(std::string_view bytes) {
  const auto lead = static_cast<unsigned char>(bytes[0]);
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  return bytes.size() >= size && is_utf8(bytes.substr(0, size)) ? size : 0;
}

void append_control(std::string& out, char c) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  constexpr std::string_view kHex = "0123456789abcdef";
  out += "\\u00";
  out.push_back(kHex[static_cast<unsigned char>(c) >> 4]);
  out.push_back(kHex[static_cast<unsigned char>(c) & 0xF]);
}

void append_quoted(std::string& out, std::string_view value) {
  out.push_back('"');
  std::size_t plain = 0;  // start of what can be copied as it is
  std::size_t at = 0;
  const auto flush = [&] { out.append(value.substr(plain, at - plain)); };
  while (at < value.size()) {
    const auto byte = static_cast<unsigned char>(value[at]);
    if (byte >= 0x80) {
      const std::size_t size = sequence_size(value.substr(at));
      if (size > 0) {
        at += size;
        continue;
      }
      flush();
      out += kReplacement;
    } else if (byte < 0x20 || byte == '"' || byte == '\\') {
      flush();
      append_control(out, value[at]);
    } else {
      ++at;
      continue;
    }
    plain = ++at;
  }
  flush();
  out.push_back('"');
}

template <typename T>
void append_number(std::string& out, T value) {
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  out.append(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
}

}  // namespace

void JsonWriter::before_value() {
  if (after_key_) {
    after_key_ = false;
  } else if (needs_comma_) {
    out_.push_back(',');
  }
  needs_comma_ = true;
}

JsonWriter& JsonWriter::begin_object() {
  before_value();
  out_.push_back('{');
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::end_object() {
  out_.push_back('}');
  needs_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::begin_array() {
  before_value();
  out_.push_back('[');
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::end_array() {
  out_.push_back(']');
  needs_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  if (needs_comma_) out_.push_back(',');
  append_quoted(out_, name);
  out_.push_back(':');
  after_key_ = true;
  needs_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view value) {
  before_value();
  append_quoted(out_, value);
  return *this;
}

JsonWriter& JsonWriter::number(std::int64_t value) {
  before_value();
  append_number(out_, value);
  return *this;
}

JsonWriter& JsonWriter::number(std::uint64_t value) {
  before_value();
  append_number(out_, value);
  return *this;
}

JsonWriter& JsonWriter::number(double value) {
  if (!std::isfinite(value)) return null();
  before_value();
  append_number(out_, value);
  return *this;
}

JsonWriter& JsonWriter::boolean(bool value) {
  before_value();
  out_ += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::null() {
  before_value();
  out_ += "null";
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  before_value();
  out_ += json;
  return *this;
}

}  // namespace banyan::json
