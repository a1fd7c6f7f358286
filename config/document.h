// SPDX-License-Identifier: Apache-2.0
//
// A parsed TOML document as a plain tree with places, so that only one source file sees toml++.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace banyan::config {

struct Node {
  enum class Kind : std::uint8_t { kTable, kArray, kString, kInteger, kFloat, kBoolean, kDate };
  Kind kind = Kind::kTable;
  int line = 0, column = 0;          // of the value, from 1; 0 where nothing was written
  int key_line = 0, key_column = 0;  // of its key
  std::string text;                  // kString, as written (references not resolved)
  std::int64_t integer = 0;
  double real = 0;
  bool boolean = false;
  struct Member;
  std::vector<Member> members;  // kTable
  std::vector<Node> items;      // kArray
  std::string override_text;    // the --set it came from, "" for the file

  const Node* find(std::string_view key) const;
  Node* find(std::string_view key);
};
struct Node::Member {
  std::string name;
  Node node;
};
std::string_view name_of(Node::Kind kind);  // "a string"
// In quotes for a message, escaped and cut.
std::string quoted(std::string_view text);

inline constexpr std::size_t kConfigBytesMax = 4ULL << 20;

// All problems of one load, with the lines they point at.
class Problems {
 public:
  Problems(std::string_view text, std::string file);
  void error(const Node& at, std::string message, std::string hint = "");
  void warning(const Node& at, std::string message, std::string hint = "");
  // An error of check and of reload; serve only warns, so that a restart is no outage.
  void check_error(const Node& at, std::string message, std::string hint = "");
  // An error of a reload only; `at` may be a Node without a place.
  void needs_restart(const Node& at, std::string message);
  void error_at_key(const Node& at, std::string message, std::string hint = "");
  void error_at(int line, int column, std::string message, std::string hint = "");
  void override_error(const std::string& override_text, std::string message, std::string hint = "");
  // A value that came from the environment or a file; no message shows it.
  void hide(std::string value);
  // In the order of the file, overrides last.
  std::vector<Diagnostic> take();

 private:
  void add(int line, int column, const std::string& override_text, bool is_warning,
           std::string message, std::string hint);
  std::vector<std::string> lines_;
  std::string file_;
  std::vector<Diagnostic> found_;
  std::vector<std::string> hidden_;
};

// False (and one problem) where it is no TOML.
bool parse_document(std::string_view text, Problems& problems, Node& root);
// Applies one KEY=VALUE to the tree.
void apply_override(const std::string& text, Problems& problems, Node& root);

}  // namespace banyan::config
