// SPDX-License-Identifier: Apache-2.0
//
// A document of markup lifted for comparison: its elements, attributes and texts in a row, each
// with a hash of its meaning and the rules that hold there. What of the text does not count is for
// those to say who read it: XmlTree and HtmlTree. For the comparator's own sources.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/rules.h"
#include "core/base/error.h"
#include "core/base/hash.h"

namespace banyan::comparator {

// Elements, attributes and texts of one document, and how deep they may nest.
inline constexpr std::size_t kMarkupNodesMax = 500'000;
inline constexpr std::size_t kMarkupDepthMax = 256;

using MarkupIndex = std::uint32_t;

struct MarkupNode : NodeRules {
  enum class Kind : std::uint8_t { kElement, kAttribute, kText };
  Kind kind = Kind::kElement;
  bool has_elements = false;   // of an element: that is its content, and not one text
  std::string_view name;       // local; of a text ""
  std::string_view space;      // the URI of its namespace, "" for none
  std::string_view text;       // of an attribute or a text; names with a prefix as {URI}local
  std::uint32_t position = 0;  // from 1 among the siblings of its name; 0 where there is no other
  MarkupIndex end = 0;         // one past its last descendant
  // As with JSON: equal for equal meaning; with the rules applied.
  Digest128 exact;
  Digest128 loose;
};

using MarkupKind = MarkupNode::Kind;

// Immutable once it was read.
class MarkupTree {
 public:
  virtual ~MarkupTree() = default;

  // 0 is the root element.
  const MarkupNode& operator[](MarkupIndex index) const { return nodes_[index]; }
  // Of an element, sorted by name.
  std::vector<MarkupIndex> attributes(MarkupIndex element) const;
  // Its elements and texts, in order.
  std::vector<MarkupIndex> content(MarkupIndex element) const;
  // All of the text of an element without elements.
  std::string_view text_of(MarkupIndex element) const;

 protected:
  explicit MarkupTree(const RuleSet& rules);

  // For the reader: nodes come in the order of the document, attributes before content and sorted,
  // each at the level of its parent and with what that ignores. kExhausted past a bound.
  Result<MarkupIndex> add_element(const MarkupNode& node, std::size_t level, std::int16_t ignore);
  Status add_leaf(const MarkupNode& node, std::size_t level, std::int16_t ignore);
  // Once all of its content is there.
  void end_element(MarkupIndex index);
  // Holds a text that stands nowhere else.
  std::string_view keep(std::string text);

 private:
  using State = json::PathPattern::State;

  Result<MarkupIndex> add(MarkupNode node, std::size_t level, std::int16_t ignore);
  void number_siblings(MarkupIndex element);
  void find_rules(MarkupIndex index, std::size_t level, std::int16_t inherited);
  // Whether `loose` says nothing of it: its differences are covered, or may be.
  bool is_left_out(const MarkupNode& node) const;
  void hash_leaf(MarkupIndex index);
  void hash_element(MarkupIndex index);
  State* states(std::size_t level) { return &states_[level * patterns_]; }

  const RuleSet& rules_;
  const std::size_t patterns_;
  std::vector<MarkupNode> nodes_;
  std::vector<State> states_;
  std::deque<std::string> texts_;
};

}  // namespace banyan::comparator
