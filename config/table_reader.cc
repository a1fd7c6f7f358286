// SPDX-License-Identifier: Apache-2.0
#include "config/table_reader.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/base/file_system.h"
#include "core/base/text.h"

namespace banyan::config {
namespace {

constexpr std::uint64_t kReferencedFileBytesMax = 64 * 1024;

std::string range_text(double min, double max, std::string (*show)(double)) {
  return "must lie between " + show(min) + " and " + show(max);
}

std::string show_integer(double value) { return std::to_string(static_cast<long long>(value)); }
std::string show_size(double value) { return format_size(static_cast<std::uint64_t>(value)); }
std::string show_duration(double value) {
  return format_duration_ns(static_cast<std::int64_t>(value));
}
std::string show_number(double value) {
  std::string out = std::to_string(value);
  out.erase(out.find_last_not_of('0') + 1);
  if (!out.empty() && out.back() == '.') out.pop_back();
  return out;
}

}  // namespace

TableReader::TableReader(Problems& problems, const Node* node, std::string path)
    : problems_(problems), node_(node), path_(std::move(path)) {}

const Node& TableReader::node() const {
  static const Node absent;
  return node_ == nullptr ? absent : *node_;
}

std::string TableReader::name_of_key(std::string_view key) const {
  if (path_.empty()) return std::string(key);
  return path_ + (path_.back() == '"' ? ": " : ".") + std::string(key);
}

const Node* TableReader::take(std::string_view key) {
  known_.emplace_back(key);
  return node_ == nullptr ? nullptr : node_->find(key);
}

bool TableReader::is_kind(std::string_view key, const Node& node, Node::Kind kind,
                          std::string_view wanted) {
  if (node.kind == kind) return true;
  problems_.error(node, name_of_key(key) + " must be " + std::string(wanted) + ", not " +
                            std::string(name_of(node.kind)));
  return false;
}

std::optional<std::string> TableReader::resolve(const Node& node) {
  std::string out;
  std::string_view rest = node.text;
  while (!rest.empty()) {
    if (rest.substr(0, 3) == "$${") {
      out += "${";
      rest.remove_prefix(3);
      continue;
    }
    if (rest.substr(0, 2) != "${") {
      out += rest.front();
      rest.remove_prefix(1);
      continue;
    }
    const std::size_t end = rest.find('}');
    const std::string_view inside =
        end == std::string_view::npos ? std::string_view() : rest.substr(2, end - 2);
    const std::string name(inside.substr(std::min(inside.size(), inside.find(':') + 1)));
    if (inside.substr(0, 4) == "env:" && !name.empty()) {
      const char* value = std::getenv(name.c_str());
      if (value == nullptr) {
        problems_.error(node, "environment variable " + quoted(name) + " is not set");
        return std::nullopt;
      }
      problems_.hide(value);
      out += value;
    } else if (inside.substr(0, 5) == "file:" && !name.empty()) {
      auto content = FileSystem::posix().read_file(name, kReferencedFileBytesMax);
      if (!content.ok()) {
        problems_.error(node, "cannot read " + quoted(name) + ": " + content.error().message);
        return std::nullopt;
      }
      while (!content->empty() && (content->back() == '\n' || content->back() == '\r')) {
        content->pop_back();
      }
      problems_.hide(*content);
      out += *content;
    } else {
      problems_.error(node, "\"${\" starts a reference that is not known",
                      "write ${env:NAME} or ${file:PATH}, or $${ for a plain ${");
      return std::nullopt;
    }
    rest.remove_prefix(end + 1);
  }
  return out;
}

bool TableReader::read(std::string_view key, std::string& out) {
  const Node* node = take(key);
  if (node == nullptr || !is_kind(key, *node, Node::Kind::kString, "a string")) return false;
  auto value = resolve(*node);
  if (!value) return false;
  out = *std::move(value);
  return true;
}

bool TableReader::read(std::string_view key, bool& out) {
  const Node* node = take(key);
  if (node == nullptr || !is_kind(key, *node, Node::Kind::kBoolean, "true or false")) return false;
  out = node->boolean;
  return true;
}

bool TableReader::read_int64(std::string_view key, std::int64_t& out, NumberRange range) {
  const Node* node = take(key);
  if (node == nullptr || !is_kind(key, *node, Node::Kind::kInteger, "an integer")) return false;
  if (node->integer < range.min || node->integer > range.max) {
    problems_.error(*node, name_of_key(key) + " " +
                               range_text(static_cast<double>(range.min),
                                          static_cast<double>(range.max), show_integer));
    return false;
  }
  out = node->integer;
  return true;
}

bool TableReader::read_number(std::string_view key, double& out, double min, double max) {
  const Node* node = take(key);
  if (node == nullptr) return false;
  double value = node->real;
  if (node->kind == Node::Kind::kInteger) {
    value = static_cast<double>(node->integer);
  } else if (!is_kind(key, *node, Node::Kind::kFloat, "a number")) {
    return false;
  }
  if (!(value >= min && value <= max)) {  // also false for NaN
    problems_.error(*node, name_of_key(key) + " " + range_text(min, max, show_number));
    return false;
  }
  out = value;
  return true;
}

bool TableReader::read_bytes(std::string_view key, std::uint64_t& out, NumberRange range) {
  const Node* node = take(key);
  if (node == nullptr) return false;
  std::optional<std::uint64_t> value;
  if (node->kind == Node::Kind::kInteger) {
    if (node->integer >= 0) value = static_cast<std::uint64_t>(node->integer);
  } else if (node->kind == Node::Kind::kString) {
    const auto text = resolve(*node);
    if (!text) return false;
    value = parse_size(*text);
  } else {
    return is_kind(key, *node, Node::Kind::kString, "a size");
  }
  if (!value) {
    problems_.error(*node, name_of_key(key) + " is not a size",
                    "for example \"256KiB\" or \"1GiB\"");
    return false;
  }
  if (*value < static_cast<std::uint64_t>(range.min) ||
      *value > static_cast<std::uint64_t>(range.max)) {
    problems_.error(*node, name_of_key(key) + " " +
                               range_text(static_cast<double>(range.min),
                                          static_cast<double>(range.max), show_size));
    return false;
  }
  out = *value;
  return true;
}

bool TableReader::read_duration(std::string_view key, std::int64_t& out_ns, NumberRange range_ns) {
  const Node* node = take(key);
  if (node == nullptr) return false;
  if (!is_kind(key, *node, Node::Kind::kString, "a duration such as \"250ms\"")) return false;
  const auto text = resolve(*node);
  if (!text) return false;
  const auto value = parse_duration_ns(*text);
  if (!value) {
    problems_.error(*node, name_of_key(key) + " is not a duration",
                    "a number and a unit: \"250ms\", \"30s\", \"5m\", \"2h\", \"7d\"");
    return false;
  }
  if (*value < range_ns.min || *value > range_ns.max) {
    problems_.error(*node, name_of_key(key) + " " +
                               range_text(static_cast<double>(range_ns.min),
                                          static_cast<double>(range_ns.max), show_duration));
    return false;
  }
  out_ns = *value;
  return true;
}

bool TableReader::read_percent(std::string_view key, std::uint32_t& out) {
  const Node* node = take(key);
  if (node == nullptr) return false;
  std::optional<double> value;
  if (node->kind == Node::Kind::kInteger) {
    value = static_cast<double>(node->integer);
  } else if (node->kind == Node::Kind::kFloat) {
    value = node->real;
  } else if (node->kind == Node::Kind::kString) {
    auto text = resolve(*node);
    if (!text) return false;
    if (!text->empty() && text->back() == '%') text->pop_back();
    value = parse_double(*text);
  } else {
    return is_kind(key, *node, Node::Kind::kFloat, "a number");
  }
  if (!value || !(*value >= 0 && *value <= 100)) {
    problems_.error(*node, name_of_key(key) + " must lie between 0 and 100",
                    "percent of sessions, for example 2.5");
    return false;
  }
  const double hundredths = std::round(*value * 100);
  if (std::fabs(*value * 100 - hundredths) > 1e-6) {
    problems_.error(*node, name_of_key(key) + " has at most two decimals");
    return false;
  }
  out = static_cast<std::uint32_t>(hundredths);
  return true;
}

bool TableReader::read_strings(std::string_view key, std::vector<std::string>& out) {
  const Node* node = take(key);
  if (node == nullptr) return false;
  if (!is_kind(key, *node, Node::Kind::kArray, "an array of strings")) return false;
  std::vector<std::string> values;
  bool is_good = true;
  for (const Node& item : node->items) {
    if (!is_kind(key, item, Node::Kind::kString, "an array of strings")) {
      is_good = false;
      continue;
    }
    auto value = resolve(item);
    is_good = is_good && value.has_value();
    if (value) values.push_back(*std::move(value));
  }
  if (is_good) out = std::move(values);
  return is_good;
}

std::optional<std::size_t> TableReader::read_name(std::string_view key,
                                                  const std::vector<std::string>& names) {
  std::string value;
  if (!read(key, value)) return std::nullopt;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == value) return i;
  }
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "\"" : ", \"") + name + "\"";
  const auto near = nearest_name(value, names);
  problems_.error(*node_->find(key), name_of_key(key) + " must be one of " + list,
                  near ? "did you mean \"" + *near + "\"?" : "");
  return std::nullopt;
}

TableReader TableReader::table(std::string_view key) {
  const Node* node = take(key);
  const std::string name = name_of_key(key);
  if (node != nullptr && !is_kind(key, *node, Node::Kind::kTable, "a table")) node = nullptr;
  return TableReader(problems_, node, name);
}

std::vector<TableReader> TableReader::tables(std::string_view key) {
  const Node* node = take(key);
  std::vector<TableReader> out;
  if (node == nullptr) return out;
  if (!is_kind(key, *node, Node::Kind::kArray,
               "an array of tables ([[" + std::string(key) + "]])")) {
    return out;
  }
  for (std::size_t i = 0; i < node->items.size(); ++i) {
    if (!is_kind(key, node->items[i], Node::Kind::kTable, "an array of tables")) continue;
    out.emplace_back(problems_, &node->items[i], name_of_key(key) + "[" + std::to_string(i) + "]");
  }
  return out;
}

void TableReader::refuse(std::string_view key, std::string_view what) {
  const Node* node = take(key);
  if (node == nullptr || (node->kind == Node::Kind::kBoolean && !node->boolean)) return;
  problems_.error_at_key(
      *node, name_of_key(key) + " is not supported in this version: " + std::string(what),
      "remove the key; nothing is ignored silently");
}

void TableReader::finish() {
  if (node_ == nullptr) return;
  for (const auto& [key, member] : node_->members) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    const auto near = nearest_name(key, known_);
    std::string hint;
    if (near) {
      hint = "did you mean \"" + *near + "\"?";
    } else {
      hint = "known here:";
      for (const std::string& name : known_) hint += " " + name;
    }
    problems_.error_at_key(
        member, "unknown key " + quoted(key) + (path_.empty() ? "" : " in " + path_), hint);
  }
}

}  // namespace banyan::config
