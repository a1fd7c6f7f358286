// SPDX-License-Identifier: Apache-2.0
#include "interchange/format.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/http/char_classes.h"

namespace banyan::interchange {
namespace {

constexpr std::array<std::pair<Format, std::string_view>, 5> kNames{
    {{Format::kHar, "har"},
     {Format::kCurl, "curl"},
     {Format::kNdjson, "ndjson"},
     {Format::kGor, "gor"},
     {Format::kCapture, "capture"}}};

constexpr std::size_t kCaptureLineMin = 16;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view skip_space(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  return text;
}

// "1 4f0a… 1700000000000000000 …\n"
bool is_gor_header(std::string_view line) {
  if (line.size() < 5 || line[0] < '1' || line[0] > '3' || line[1] != ' ') return false;
  const auto second = line.find(' ', 2);
  return second != std::string_view::npos && second > 2 && second + 1 < line.size() &&
         http::is_digit(line[second + 1]);
}

bool is_base64(char c) {
  return http::is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
         c == '/' || c == '=';
}

// The first member of the outermost object: "log" is HAR's only one.
std::optional<Format> format_of_object(std::string_view text) {
  text = skip_space(text.substr(1));
  if (text.starts_with("\"log\"")) return Format::kHar;
  if (text.starts_with("\"")) return Format::kNdjson;
  return std::nullopt;
}

}  // namespace

std::string_view to_string(Format format) {
  for (const auto& [known, name] : kNames) {
    if (known == format) return name;
  }
  return "unknown";
}

std::optional<Format> parse_format(std::string_view name) {
  for (const auto& [format, known] : kNames) {
    if (known == name) return format;
  }
  return std::nullopt;
}

std::optional<Format> detect_format(std::string_view beginning) {
  if (beginning.starts_with("\xEF\xBB\xBF")) beginning.remove_prefix(3);
  const std::string_view text = skip_space(beginning);
  if (text.empty()) return std::nullopt;
  if (text[0] == '{') return format_of_object(text);
  const std::string_view line = text.substr(0, text.find('\n'));
  if (is_gor_header(line)) return Format::kGor;
  const std::string_view word = line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
  if (word.size() >= kCaptureLineMin && std::all_of(word.begin(), word.end(), is_base64)) {
    return Format::kCapture;
  }
  return std::nullopt;
}

}  // namespace banyan::interchange
