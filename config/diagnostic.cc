// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <tuple>
#include <utility>

#include "config/config.h"
#include "config/document.h"
#include "core/base/text.h"

namespace banyan::config {
namespace {

constexpr std::size_t kShownBytesMax = 200;
constexpr std::size_t kProblemsMax = 100;

bool is_bare(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

// Where the value of this key begins in a line: behind its "="; npos where there is none.
std::size_t value_of(std::string_view line, std::string_view key) {
  for (std::size_t at = line.find(key); at != std::string::npos; at = line.find(key, at + 1)) {
    if (at > 0 && is_bare(line[at - 1])) continue;
    const std::size_t equals = line.find_first_not_of(" \t\"'", at + key.size());
    if (equals != std::string::npos && line[equals] == '=') return equals + 1;
  }
  return std::string::npos;
}

// Hides the values of keys that hold secrets, and the user part of a URL.
std::string without_secrets(std::string line) {
  for (const char* key : {"key", "old_keys"}) {
    const std::size_t value = value_of(line, key);
    if (value != std::string::npos) return line.substr(0, value) + " …";
  }
  const std::size_t scheme = line.find("://");
  const std::size_t user_end = line.find('@', scheme == std::string::npos ? line.size() : scheme);
  if (user_end != std::string::npos) line.replace(scheme + 3, user_end - scheme - 3, "…");
  return line;
}

void replace_all(std::string_view from, std::string_view to, std::string& text) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// Tabs become single spaces so that the caret stands below its column.
std::string shown_line(std::string line) {
  if (!line.empty() && line.back() == '\r') line.pop_back();
  std::replace(line.begin(), line.end(), '\t', ' ');
  return escape_for_terminal(without_secrets(std::move(line)), kShownBytesMax);
}

}  // namespace

std::string quoted(std::string_view text) {
  constexpr std::size_t kShownMax = 200;
  return "\"" + escape_for_terminal(text, kShownMax) + "\"";
}

std::string_view name_of(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::kTable: return "a table";
    case Node::Kind::kArray: return "an array";
    case Node::Kind::kString: return "a string";
    case Node::Kind::kInteger: return "an integer";
    case Node::Kind::kFloat: return "a number";
    case Node::Kind::kBoolean: return "true or false";
    case Node::Kind::kDate: return "a date";
  }
  return "";
}

const Node* Node::find(std::string_view key) const {
  for (const auto& [name, member] : members) {
    if (name == key) return &member;
  }
  return nullptr;
}

Node* Node::find(std::string_view key) { return const_cast<Node*>(std::as_const(*this).find(key)); }

Problems::Problems(std::string_view text, std::string file) : file_(std::move(file)) {
  for (const std::string_view line : split(text, '\n')) lines_.emplace_back(line);
}

void Problems::add(int line, int column, const std::string& override_text, bool is_warning,
                   std::string message, std::string hint) {
  Diagnostic found;
  found.file = override_text.empty() ? file_ : "--set";
  found.line = override_text.empty() ? line : 0;
  found.column = override_text.empty() ? column : 0;
  found.is_warning = is_warning;
  found.message = std::move(message);
  found.hint = std::move(hint);
  if (!override_text.empty()) {
    found.offending = shown_line(override_text);
  } else if (line > 0 && static_cast<std::size_t>(line) <= lines_.size()) {
    found.offending = shown_line(lines_[static_cast<std::size_t>(line) - 1]);
  }
  found_.push_back(std::move(found));
}

void Problems::error(const Node& at, std::string message, std::string hint) {
  add(at.line, at.column, at.override_text, false, std::move(message), std::move(hint));
}

void Problems::warning(const Node& at, std::string message, std::string hint) {
  add(at.line, at.column, at.override_text, true, std::move(message), std::move(hint));
}

void Problems::check_error(const Node& at, std::string message, std::string hint) {
  add(at.line, at.column, at.override_text, true, std::move(message), std::move(hint));
  found_.back().fails_check = true;
}

void Problems::needs_restart(const Node& at, std::string message) {
  add(at.line, at.column, at.override_text, false, std::move(message),
      "restart Banyan to change it, or put the old value back");
  found_.back().needs_restart = true;
}

void Problems::error_at_key(const Node& at, std::string message, std::string hint) {
  const bool has_key = at.key_line > 0;
  add(has_key ? at.key_line : at.line, has_key ? at.key_column : at.column, at.override_text, false,
      std::move(message), std::move(hint));
}

void Problems::error_at(int line, int column, std::string message, std::string hint) {
  add(line, column, "", false, std::move(message), std::move(hint));
}

void Problems::override_error(const std::string& override_text, std::string message,
                              std::string hint) {
  add(0, 0, override_text, false, std::move(message), std::move(hint));
}

void Problems::hide(std::string value) {
  // Shorter ones would garble every message, and are no secrets.
  constexpr std::size_t kHiddenBytesMin = 4;
  if (value.size() >= kHiddenBytesMin) hidden_.push_back(std::move(value));
}

std::vector<Diagnostic> Problems::take() {
  for (Diagnostic& found : found_) {
    for (const std::string& value : hidden_) {
      replace_all(value, "…", found.message);
      replace_all(value, "…", found.hint);
    }
  }
  std::stable_sort(found_.begin(), found_.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::tuple(a.file == "--set", a.line, a.column) <
           std::tuple(b.file == "--set", b.line, b.column);
  });
  if (found_.size() > kProblemsMax) {
    const std::size_t more = found_.size() - kProblemsMax;
    found_.resize(kProblemsMax);
    Diagnostic rest;
    rest.file = file_;
    rest.message = std::to_string(more) + " more problems are not shown";
    found_.push_back(std::move(rest));
  }
  return std::move(found_);
}

std::string Diagnostic::to_text() const {
  std::string out = file;
  if (line > 0) out += ":" + std::to_string(line) + ":" + std::to_string(column);
  out += is_warning ? ": warning: " : ": error: ";
  out += message;
  if (!offending.empty()) {
    out += "\n    " + offending;
    if (column > 0) out += "\n    " + std::string(static_cast<std::size_t>(column) - 1, ' ') + "^";
  }
  if (!hint.empty()) out += "\n    hint: " + hint;
  return out + "\n";
}

void LoadResult::be_strict() {
  for (Diagnostic& found : diagnostics) {
    if (found.fails_check) found.is_warning = false;
  }
}

bool LoadResult::needs_restart() const {
  bool has_any = false;
  for (const Diagnostic& found : diagnostics) {
    if (!found.is_warning && !found.needs_restart) return false;
    has_any = has_any || found.needs_restart;
  }
  return has_any;
}

bool LoadResult::ok() const {
  return std::all_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& found) { return found.is_warning; });
}

}  // namespace banyan::config
