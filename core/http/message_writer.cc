// SPDX-License-Identifier: Apache-2.0
#include "core/http/message_writer.h"

#include <algorithm>
#include <charconv>

#include "core/base/vector16.h"
#include "core/http/char_classes.h"

namespace banyan::http {
namespace {

void append_number(std::string& out, std::uint64_t value, int base) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, base).ptr;
  out.append(digits, end);
}

// Bytes over 0x7f can break no line; only a reader that excuses them lets them come here.
bool is_sendable_target(std::string_view target) {
  return is_target(target) ||
         (!target.empty() && std::all_of(target.begin(), target.end(), [](char c) {
           return static_cast<unsigned char>(c) >= 0x80 || internal::is_of(c, internal::kTarget);
         }));
}

constexpr std::size_t kFieldMarks = 4;  // ": " and CRLF

char* put_field(char* to, std::string_view name, std::string_view value) {
  copy_short(to, name.data(), name.size());
  to += name.size();
  *to++ = ':';
  *to++ = ' ';
  copy_short(to, value.data(), value.size());
  to += value.size();
  *to++ = '\r';
  *to++ = '\n';
  return to;
}

}  // namespace

bool write_request_line(std::string& out, std::string_view method, std::string_view target) {
  if (!is_token(method) || !is_sendable_target(target)) return false;
  out.append(method).append(" ").append(target).append(" HTTP/1.1\r\n");
  return true;
}

bool write_status_line(std::string& out, int status, std::string_view reason) {
  if (status < 100 || status > 999) return false;
  out.append("HTTP/1.1 ");
  append_number(out, static_cast<std::uint64_t>(status), 10);
  out.push_back(' ');
  const bool is_clean = is_field_value(reason);
  if (is_clean) out.append(reason);
  out.append("\r\n");
  return is_clean;
}

bool write_field(std::string& out, std::string_view name, std::string_view value) {
  if (!is_token(name) || !is_field_value(value)) return false;
  const std::size_t before = out.size();
  out.resize(before + name.size() + value.size() + kFieldMarks);
  put_field(out.data() + before, name, value);
  return true;
}

bool write_fields(std::string& out, const HeaderList& fields) {
  std::size_t size = 0;
  for (const Header& field : fields) size += field.name.size() + field.value.size() + kFieldMarks;
  const std::size_t before = out.size();
  out.resize(before + size);
  char* const begin = out.data() + before;
  char* to = begin;
  bool is_clean = true;
  for (const Header& field : fields) {
    if (is_token(field.name) && is_field_value(field.value)) {
      to = put_field(to, field.name, field.value);
    } else {
      is_clean = false;
    }
  }
  out.resize(before + static_cast<std::size_t>(to - begin));
  return is_clean;
}

void write_content_length(std::string& out, std::uint64_t length) {
  out.append("Content-Length: ");
  append_number(out, length, 10);
  out.append("\r\n");
}

void write_end_of_head(std::string& out) { out.append("\r\n"); }

void write_chunk_head(std::string& out, std::uint64_t size) {
  append_number(out, size, 16);
  out.append("\r\n");
}

void write_last_chunk(std::string& out, const HeaderList& trailers) {
  out.append("0\r\n");
  for (const Header& field : trailers) write_field(out, field.name, field.value);
  out.append("\r\n");
}

}  // namespace banyan::http
