// SPDX-License-Identifier: Apache-2.0
//
// An XML document lifted for comparison. Prefixes, the order of attributes, CDATA, comments,
// processing instructions and white space between elements do not count. For the comparator's own
// sources.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "comparator/markup_tree.h"
#include "comparator/rules.h"
#include "core/base/error.h"

namespace pugi {
class xml_document;
class xml_node;
}  // namespace pugi

namespace banyan::comparator {

// Immutable once it was parsed.
class XmlTree : public MarkupTree {
 public:
  // `bytes` are UTF-8. kInvalidArgument where it is not well-formed or its names have no namespace,
  // kUnsupported for a document type declaration (its entities would change what is read) or an
  // encoding that is not known, kExhausted past a bound.
  static Result<std::unique_ptr<XmlTree>> parse(std::string_view bytes, const RuleSet& rules);
  ~XmlTree() override;

 private:
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
  Status read_element(const pugi::xml_node& from, std::size_t level, std::int16_t ignore);
  Status read_attributes(const pugi::xml_node& from, std::size_t level, std::int16_t ignore);
  Status read_content(const pugi::xml_node& from, MarkupIndex element, std::size_t level);
  Status declare(const pugi::xml_node& from);
  Result<Name> resolve(std::string_view name, bool is_attribute) const;
  const std::string_view* uri_of(std::string_view prefix) const;
  std::string_view value_of(const Name& name, std::string_view value);
  Status add_text(std::string& text, std::size_t level, std::int16_t ignore);

  std::unique_ptr<pugi::xml_document> document_;
  std::vector<Scope> scopes_;
  bool keeps_blanks_ = false;  // xml:space="preserve"
};

}  // namespace banyan::comparator
