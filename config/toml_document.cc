// SPDX-License-Identifier: Apache-2.0
//
// The only source that sees toml++. It is built from its headers in the no-exception mode; Debian's
// shared library has the throwing one.
#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <string>
#include <utility>

#include "config/document.h"
#include "core/base/text.h"

namespace banyan::config {
namespace {

void set_place(const toml::source_region& source, int& line, int& column) {
  line = static_cast<int>(source.begin.line);
  column = static_cast<int>(source.begin.column);
}

Node convert(const toml::node& from) {
  Node node;
  set_place(from.source(), node.line, node.column);
  if (const auto* table = from.as_table()) {
    for (const auto& [key, value] : *table) {
      Node member = convert(value);
      set_place(key.source(), member.key_line, member.key_column);
      node.members.push_back({std::string(key.str()), std::move(member)});
    }
  } else if (const auto* array = from.as_array()) {
    node.kind = Node::Kind::kArray;
    for (const auto& item : *array) node.items.push_back(convert(item));
  } else if (const auto* text = from.as_string()) {
    node.kind = Node::Kind::kString;
    node.text = text->get();
  } else if (const auto* integer = from.as_integer()) {
    node.kind = Node::Kind::kInteger;
    node.integer = integer->get();
  } else if (const auto* real = from.as_floating_point()) {
    node.kind = Node::Kind::kFloat;
    node.real = real->get();
  } else if (const auto* boolean = from.as_boolean()) {
    node.kind = Node::Kind::kBoolean;
    node.boolean = boolean->get();
  } else {
    node.kind = Node::Kind::kDate;
  }
  return node;
}

// A value as TOML where it is one, else a plain string: --set admin.address=127.0.0.1:0 needs no
// quotes.
Node override_value(const std::string& value) {
  Node node;
  node.kind = Node::Kind::kString;
  node.text = value;
  if (value.find('\n') != std::string::npos) return node;
  const toml::parse_result parsed = toml::parse("v = " + value);
  if (!parsed) return node;
  const toml::node* found = parsed.table().get("v");
  if (found == nullptr || parsed.table().size() != 1) return node;
  Node converted = convert(*found);
  return converted.kind == Node::Kind::kDate ? node : converted;
}

void mark_override(const std::string& text, Node& node) {
  node.override_text = text;
  node.line = node.column = node.key_line = node.key_column = 0;
  for (auto& [key, member] : node.members) mark_override(text, member);
  for (Node& item : node.items) mark_override(text, item);
}

Node* step_into_array(std::string_view key, Node& array) {
  if (const auto index = parse_u64(key)) {
    if (*index < array.items.size()) return &array.items[*index];
    if (*index > array.items.size()) return nullptr;
    return &array.items.emplace_back();
  }
  for (Node& item : array.items) {
    const Node* name = item.find("name");
    if (name != nullptr && name->kind == Node::Kind::kString && name->text == key) return &item;
  }
  return nullptr;
}

}  // namespace

bool parse_document(std::string_view text, Problems& problems, Node& root) {
  const toml::parse_result parsed = toml::parse(text);
  if (parsed) {
    root = convert(parsed.table());
    return true;
  }
  const toml::parse_error& error = parsed.error();
  int line = 0, column = 0;
  set_place(error.source(), line, column);
  problems.error_at(line, column, "not TOML: " + std::string(error.description()));
  return false;
}

void apply_override(const std::string& text, Problems& problems, Node& root) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) {
    problems.override_error(text, "an override reads KEY=VALUE",
                            "for example --set mirror.in_flight=8");
    return;
  }
  const auto keys = split(std::string_view(text).substr(0, equals), '.');
  Node* at = &root;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const bool is_table = at->kind == Node::Kind::kTable;
    if (!is_table && at->kind != Node::Kind::kArray) {
      problems.override_error(text, "\"" + std::string(keys[i - 1]) + "\" has nothing below it");
      return;
    }
    Node* next = is_table ? at->find(keys[i]) : step_into_array(keys[i], *at);
    if (next == nullptr && is_table) {
      at->members.push_back({std::string(keys[i]), Node()});
      next = &at->members.back().node;
      const bool is_list = i + 1 < keys.size() && parse_u64(keys[i + 1]).has_value();
      next->kind = is_list ? Node::Kind::kArray : Node::Kind::kTable;
      next->override_text = text;
    }
    if (next == nullptr) {
      problems.override_error(text,
                              "there is no \"" + std::string(keys[i]) + "\" in \"" +
                                  (i > 0 ? std::string(keys[i - 1]) : std::string()) + "\"",
                              "name an entry by its place (0, 1, …) or by its name");
      return;
    }
    at = next;
  }
  *at = override_value(text.substr(equals + 1));
  mark_override(text, *at);
}

}  // namespace banyan::config
