// SPDX-License-Identifier: Apache-2.0
//
// A JSON text as its values in a row: no tree, and no allocation for a value, so that large texts
// are read at memory's speed. Parsing is strict (RFC 8259, valid UTF-8) and bounded. One thread.
//
//   {"a": [1, 2]}   object, end 4, 1 child · a: array, end 4, 2 children · 1 · 2
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/json/value.h"

namespace banyan::json {

struct TapeNode {
  Value::Type type = Value::Type::kNull;
  bool boolean = false;
  std::uint32_t end = 0;       // index behind its last descendant
  std::uint32_t children = 0;  // items or members
  std::string_view name;       // of a member, decoded
  // kNumber: as spelled; kString: decoded; kArray, kObject: as spelled, where it was parsed.
  std::string_view text;
};

class Tape {
 public:
  Tape() = default;
  Tape(const Tape&) = delete;  // its strings would stay behind
  Tape& operator=(const Tape&) = delete;

  // Replaces what was there; borrows `text`. Errors as of json::parse(), and the tape is empty.
  Status parse(std::string_view text, const ParseLimits& limits = {});
  // Likewise from a tree, which must live as long. At most 2^32 - 1 values.
  void assign(const Value& value);

  // The root is 0; the children of i are i + 1 and then always the end of the one before.
  std::span<const TapeNode> nodes() const { return {nodes_.data(), count_}; }
  const TapeNode& operator[](std::uint32_t index) const { return nodes_[index]; }
  // Every string is known to be ASCII.
  bool is_ascii() const { return is_ascii_; }
  // Names that only differ in their Unicode form become one (core/base/unicode.h).
  void normalize_names();
  // As a tree that owns its strings.
  Value value(std::uint32_t index = 0) const;
  // Lets go of the room that a large text took; the tape is empty.
  void shrink();

 private:
  friend class Walker;
  void clear();
  TapeNode& append();
  void add(const Value& value, std::string_view name);

  std::vector<TapeNode> nodes_;  // the first count_ hold; the others are room that is made
  std::size_t count_ = 0;
  std::string decoded_;            // strings that have escapes; never longer than their text
  std::deque<std::string> names_;  // normalized ones
  bool is_ascii_ = false;
};

}  // namespace banyan::json
