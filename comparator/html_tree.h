// SPDX-License-Identifier: Apache-2.0
//
// An HTML document lifted for comparison. Comments, the order of attributes and of the words of
// `class`, how references are spelled, tags that may be left out and white space that is not
// rendered do not count. For the comparator's own sources.
#pragma once

#include <memory>
#include <string_view>

#include "comparator/html_document.h"
#include "comparator/markup_tree.h"

namespace banyan::comparator {

// Immutable once it was parsed.
class HtmlTree : public MarkupTree {
 public:
  // Errors as of read_html().
  static Result<std::unique_ptr<HtmlTree>> parse(std::string_view bytes, const RuleSet& rules);

 private:
  explicit HtmlTree(const RuleSet& rules) : MarkupTree(rules) {}
  Status lift(const HtmlNode& from, std::size_t level, std::int16_t ignore);
  Status lift_attributes(const HtmlNode& from, std::size_t level, std::int16_t ignore);
  std::string_view value_of(const HtmlAttribute& attribute);

  HtmlDocument document_;
};

}  // namespace banyan::comparator
