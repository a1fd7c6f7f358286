// SPDX-License-Identifier: Apache-2.0
//
// An XML document lifted for comparison: its elements, attributes and texts in a row, each with a
// hash of its meaning and the rules that hold there. Prefixes, the order of attributes, CDATA,
// comments, processing instructions and white space between elements do not count. For the
// comparator's own sources.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/rules.h"
#include "core/base/error.h"
#include "core/base/hash.h"

namespace pugi {
class xml_document;
class xml_node;
}  // namespace pugi

namespace banyan::comparator {

// Elements, attributes and texts of one document, and how deep they may nest.
inline constexpr std::size_t kXmlNodesMax = 500'000;
inline constexpr std::size_t kXmlDepthMax = 256;

using XmlIndex = std::uint32_t;

struct XmlNode : NodeRules {
  enum class Kind : std::uint8_t { kElement, kAttribute, kText };
  Kind kind = Kind::kElement;
  bool has_elements = false;   // of an element: that is its content, and not one text
  std::string_view name;       // local; of a text ""
  std::string_view space;      // the URI of its namespace, "" for none
  std::string_view text;       // of an attribute or a text; names with a prefix as {URI}local
  std::uint32_t position = 0;  // from 1 among the siblings of its name; 0 where there is no other
  XmlIndex end = 0;            // one past its last descendant
  // As with JSON: equal for equal meaning; with the rules applied.
  Digest128 exact;
  Digest128 loose;
};

// Immutable once it was parsed.
class XmlTree {
 public:
  // `bytes` are UTF-8. kInvalidArgument where it is not well-formed or its names have no namespace,
  // kUnsupported for a document type declaration (its entities would change what is read) or an
  // encoding that is not known, kExhausted past a bound.
  static Result<std::unique_ptr<XmlTree>> parse(std::string_view bytes, const RuleSet& rules);
  ~XmlTree();

  // 0 is the root element.
  const XmlNode& operator[](XmlIndex index) const { return nodes_[index]; }
  // Of an element, sorted by name.
  std::vector<XmlIndex> attributes(XmlIndex element) const;
  // Its elements and texts, in order.
  std::vector<XmlIndex> content(XmlIndex element) const;
  // All of the text of an element without elements.
  std::string_view text_of(XmlIndex element) const;

 private:
  using State = json::PathPattern::State;
  struct Scope {
    std::string_view prefix;
    std::string_view uri;
  };
  struct Name {
    std::string_view space;
    std::string_view local;
  };
  explicit XmlTree(const RuleSet& rules);

  Status read(std::string_view bytes);
  Status add_element(const pugi::xml_node& from, std::size_t level, std::int16_t ignore);
  Status add_attributes(const pugi::xml_node& from, std::size_t level, std::int16_t ignore);
  Status add_content(const pugi::xml_node& from, XmlIndex element, std::size_t level);
  Status declare(const pugi::xml_node& from);
  Result<Name> resolve(std::string_view name, bool is_attribute) const;
  const std::string_view* uri_of(std::string_view prefix) const;
  std::string_view keep(std::string text);
  std::string_view value_of(const Name& name, std::string_view value);
  Result<XmlIndex> add(XmlNode node, std::size_t level, std::int16_t ignore);
  Status add_text(std::string& text, std::size_t level, std::int16_t ignore);
  void number_siblings(XmlIndex element);
  void find_rules(XmlIndex index, std::size_t level, std::int16_t inherited);
  // Whether `loose` says nothing of it: its differences are covered, or may be.
  bool is_left_out(const XmlNode& node) const;
  void hash_leaf(XmlIndex index);
  void hash_element(XmlIndex index);
  State* states(std::size_t level) { return &states_[level * patterns_]; }

  const RuleSet& rules_;
  const std::size_t patterns_;
  std::unique_ptr<pugi::xml_document> document_;
  std::vector<XmlNode> nodes_;
  std::vector<State> states_;
  std::vector<Scope> scopes_;
  bool keeps_blanks_ = false;      // xml:space="preserve"
  std::deque<std::string> texts_;  // that do not stand in the document as they are
};

}  // namespace banyan::comparator
