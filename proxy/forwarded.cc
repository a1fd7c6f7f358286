// SPDX-License-Identifier: Apache-2.0
#include "proxy/forwarded.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/http/char_classes.h"
#include "core/http/head_parser.h"
#include "proxy/networks.h"

namespace banyan::proxy {
namespace {

constexpr std::string_view kFor = "x-forwarded-for";
constexpr std::string_view kForwarded = "forwarded";

// Where the piece at the front ends: at `separator` outside of quotes. npos where a quote is open.
std::size_t piece_end(std::string_view text, char separator) {
  bool is_quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      is_quoted = !is_quoted;
    } else if (text[i] == separator && !is_quoted) {
      return i;
    }
  }
  return is_quoted ? std::string_view::npos : text.size();
}

// Calls `take` for each piece; false if a quote stays open or `take` says so.
template <typename Take>
bool for_each_piece(std::string_view text, char separator, const Take& take) {
  for (;;) {
    const std::size_t end = piece_end(text, separator);
    if (end == std::string_view::npos || !take(text.substr(0, end))) return false;
    if (end == text.size()) return true;
    text.remove_prefix(end + 1);
  }
}

bool is_quoted_string(std::string_view value) {
  if (value.size() < 2 || value.front() != '"') return false;
  for (std::size_t i = 1; i < value.size(); ++i) {
    if (value[i] == '\\') {
      ++i;
    } else if (value[i] == '"') {
      return i + 1 == value.size();
    }
  }
  return false;
}

// What a node can hold; ":" and brackets outside of quotes are not allowed by the RFC, and common.
bool is_node_text(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    return c == ':' || c == '[' || c == ']' || http::is_token(std::string_view(&c, 1));
  });
}

bool is_pair(std::string_view pair) {
  if (pair.empty()) return true;
  const std::size_t equals = pair.find('=');
  if (equals == std::string_view::npos || !http::is_token(pair.substr(0, equals))) return false;
  const std::string_view value = pair.substr(equals + 1);
  return !value.empty() && (is_quoted_string(value) || is_node_text(value));
}

bool is_element(std::string_view element) {
  return for_each_piece(trim(element), ';', [](std::string_view pair) { return is_pair(pair); });
}

bool is_for_element(std::string_view element) {
  element = trim(element);
  return is_node_text(element) ||
         (is_quoted_string(element) && is_node_text(element.substr(1, element.size() - 2)));
}

std::string_view good_part(std::string_view line, bool (*is_good)(std::string_view)) {
  std::string_view rest = line;
  std::string_view good = line;
  for (;;) {
    const std::size_t end = piece_end(rest, ',');
    if (end == std::string_view::npos) return {};
    const bool is_last = end == rest.size();
    if (!is_good(rest.substr(0, end))) good = is_last ? std::string_view() : rest.substr(end + 1);
    if (is_last) return trim(good);
    rest.remove_prefix(end + 1);
  }
}

// The value of for= in an element, without quotes; "" where there is none.
std::string_view for_of(std::string_view element) {
  std::string_view found;
  for_each_piece(trim(element), ';', [&found](std::string_view pair) {
    if (starts_with_ignoring_case(pair, "for=") && found.empty()) found = pair.substr(4);
    return true;
  });
  return found;
}

std::string_view without_quotes(std::string_view value) {
  if (!is_quoted_string(value)) return value;
  return value.substr(1, value.size() - 2);
}

bool is_line_of(const http::Header& field, std::string_view name) {
  return field.name.size() == name.size() && equal_ignoring_case(field.name, name);
}

}  // namespace

std::string_view good_part_of_forwarded(std::string_view line) {
  return good_part(line, &is_element);
}

std::string_view good_part_of_forwarded_for(std::string_view line) {
  return good_part(line, &is_for_element);
}

void add_forwarded_line(std::string& list, std::string_view line, std::string_view good_part) {
  if (good_part.size() != trim(line).size()) list.clear();
  if (good_part.empty()) return;
  if (!list.empty()) list.append(", ");
  list.append(good_part);
}

void trim_forwarded(std::string& list) {
  // Too short for too many elements, as nearly all are.
  if (list.size() < kForwardedElementsMax) return;
  std::vector<std::size_t> starts{0};
  std::size_t at = 0;
  for_each_piece(list, ',', [&](std::string_view piece) {
    at += piece.size() + 1;
    starts.push_back(at);
    return true;
  });
  // starts.back() is where one more element would begin.
  const std::size_t count = starts.size() - 1;
  std::size_t first = count > kForwardedElementsMax ? count - kForwardedElementsMax : 0;
  while (first < count && list.size() - starts[first] > kForwardedBytesMax) ++first;
  if (first == 0) return;
  list = first == count ? std::string()
                        : std::string(trim(std::string_view(list).substr(starts[first])));
}

std::string_view address_of_node(std::string_view node) {
  node = without_quotes(trim(node));
  if (is_address(node)) return node;
  if (!node.empty() && node.front() == '[') {
    const std::size_t end = node.find(']');
    if (end == std::string_view::npos) return {};
    const std::string_view rest = node.substr(end + 1);
    const std::string_view address = node.substr(1, end - 1);
    const bool is_v6 = address.find(':') != std::string_view::npos && is_address(address);
    return is_v6 && (rest.empty() || rest.front() == ':') ? address : std::string_view();
  }
  const std::string_view address = node.substr(0, node.find(':'));
  return is_address(address) ? address : std::string_view();
}

std::vector<std::string_view> forwarding_nodes(const http::RequestHead& head) {
  const auto has = [&head](std::string_view name) {
    return std::any_of(head.fields.begin(), head.fields.end(),
                       [name](const http::Header& field) { return is_line_of(field, name); });
  };
  const bool is_for = has(kFor);
  const std::string_view name = is_for ? kFor : kForwarded;
  std::vector<std::string_view> nodes;
  for (auto field = head.fields.rbegin(); field != head.fields.rend(); ++field) {
    if (!is_line_of(*field, name)) continue;
    const std::string_view good =
        is_for ? good_part_of_forwarded_for(field->value) : good_part_of_forwarded(field->value);
    std::vector<std::string_view> of_line;
    for_each_piece(good, ',', [&](std::string_view element) {
      if (!trim(element).empty()) of_line.push_back(is_for ? trim(element) : for_of(element));
      return true;
    });
    nodes.insert(nodes.end(), of_line.rbegin(), of_line.rend());
    const bool is_cut = good.size() != trim(field->value).size();
    if (nodes.size() > kForwardedElementsMax) nodes.resize(kForwardedElementsMax);
    if (is_cut || nodes.size() == kForwardedElementsMax) break;
  }
  return nodes;
}

bool is_forwarded_proto(std::string_view value) {
  for (const std::string_view part : split(value, ',')) {
    if (!http::is_token(trim(part))) return false;
  }
  return true;
}

bool is_forwarded_host(std::string_view value) {
  for (const std::string_view part : split(value, ',')) {
    if (trim(part).empty() || !http::is_authority(trim(part))) return false;
  }
  return true;
}

void append_forwarded_pair(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).push_back('=');
  if (http::is_token(value)) {
    out.append(value);
    return;
  }
  out.push_back('"');
  for (const char c : value) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  out.push_back('"');
}

}  // namespace banyan::proxy
