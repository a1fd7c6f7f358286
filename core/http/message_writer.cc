// SPDX-License-Identifier: Apache-2.0
#include "core/http/message_writer.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "core/base/text.h"
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

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::size_t kFieldMarks = 4;  // ": " and CRLF

// Into room that was made before; the place behind what was written.
[[gnu::always_inline]] inline char* put(char* to, std::string_view text) {
  copy_short(to, text.data(), text.size());
  return to + text.size();
}

[[gnu::always_inline]] inline char* put_field(char* to, std::string_view name,
                                              std::string_view value) {
  to = put(to, name);
  *to++ = ':';
  *to++ = ' ';
  to = put(to, value);
  *to++ = '\r';
  *to++ = '\n';
  return to;
}

// Appends those of `fields` that `takes` and that are not `left_out`; how many.
template <typename Takes>
[[gnu::always_inline]] inline std::size_t append_fields(std::string& out, const HeaderList& fields,
                                                        std::string_view left_out, Takes takes) {
  std::size_t size = 0;
  for (const Header& field : fields) size += field.name.size() + field.value.size() + kFieldMarks;
  const std::size_t before = out.size();
  out.resize(before + size);
  char* const begin = out.data() + before;
  char* to = begin;
  std::size_t lines = 0;
  for (const Header& field : fields) {
    if (!left_out.empty() && equal_ignoring_case(field.name, left_out)) continue;
    if (!takes(field)) continue;
    to = put_field(to, field.name, field.value);
    ++lines;
  }
  out.resize(before + static_cast<std::size_t>(to - begin));
  return lines;
}

}  // namespace

bool write_request_line(std::string& out, std::string_view method, std::string_view target) {
  constexpr std::string_view kBehind = " HTTP/1.1\r\n";
  if (!is_token(method) || !is_sendable_target(target)) return false;
  const std::size_t before = out.size();
  out.resize(before + method.size() + 1 + target.size() + kBehind.size());
  char* to = put(out.data() + before, method);
  *to++ = ' ';
  put(put(to, target), kBehind);
  return true;
}

bool write_status_line(std::string& out, int status, std::string_view reason) {
  constexpr std::string_view kBefore = "HTTP/1.1 ";
  if (status < 100 || status > 999) return false;
  const bool is_clean = is_field_value(reason);
  if (!is_clean) reason = {};
  const std::size_t before = out.size();
  out.resize(before + kBefore.size() + 4 + reason.size() + kLineEnd.size());
  char* to = put(out.data() + before, kBefore);
  *to++ = static_cast<char>('0' + status / 100);
  *to++ = static_cast<char>('0' + status / 10 % 10);
  *to++ = static_cast<char>('0' + status % 10);
  *to++ = ' ';
  put(put(to, reason), kLineEnd);
  return is_clean;
}

bool write_field(std::string& out, std::string_view name, std::string_view value) {
  if (!is_token(name) || !is_field_value(value)) return false;
  const std::size_t before = out.size();
  out.resize(before + name.size() + value.size() + kFieldMarks);
  put_field(out.data() + before, name, value);
  return true;
}

bool write_fields(std::string& out, const HeaderList& fields, std::string_view left_out) {
  bool is_clean = true;
  append_fields(out, fields, left_out, [&](const Header& field) {
    const bool is_good = is_token(field.name) && is_field_value(field.value);
    is_clean = is_clean && is_good;
    return is_good;
  });
  return is_clean;
}

bool write_parsed_fields(std::string& out, const HeaderList& fields, std::string_view left_out) {
  const std::size_t before = out.size();
  const std::size_t lines =
      append_fields(out, fields, left_out, [](const Header&) { return true; });
  // Each line ends in two such bytes.
  if (count_no_value_bytes(std::string_view(out).substr(before)) == 2 * lines) return true;
  out.resize(before);
  return write_fields(out, fields, left_out);
}

void write_content_length(std::string& out, std::uint64_t length) {
  constexpr std::string_view kBefore = "Content-Length: ";
  char line[kBefore.size() + 24];
  std::memcpy(line, kBefore.data(), kBefore.size());
  char* const end =
      std::to_chars(line + kBefore.size(), line + sizeof line - kLineEnd.size(), length).ptr;
  std::memcpy(end, kLineEnd.data(), kLineEnd.size());
  out.append(line, end + kLineEnd.size());
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
