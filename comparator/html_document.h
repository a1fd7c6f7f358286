// SPDX-License-Identifier: Apache-2.0
//
// An HTML document as a tree, built by the rules of the HTML standard (section 13.2.6) as far as
// they say what is open where: html, head and body are always there; so is the tbody of rows; end
// tags may be left out where the standard says so; formatting goes on in the next paragraph.
// What browsers move to other places (text between the rows of a table, the content of formatting
// that is closed inside a block that it does not hold) stays where it is; the end of such
// formatting is an element of its own, "end-of-b", so that documents are never taken for equal by
// it. For the comparator's own sources. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/html_tokens.h"
#include "core/base/error.h"

namespace banyan::comparator {

// Formatting elements that are open at once.
inline constexpr std::size_t kHtmlFormattingMax = 64;

struct HtmlNode {
  std::string name;                       // "" of a text
  std::string text;                       // of a text
  std::vector<HtmlAttribute> attributes;  // sorted by name
  std::vector<std::uint32_t> children;
  unsigned traits = 0;
  bool is_foreign = false;  // of SVG or MathML
};

// 0 is html, 1 head, 2 body. White space is as it is written: see collapse_spaces().
using HtmlDocument = std::vector<HtmlNode>;

// kInvalidArgument where it is not UTF-8, kExhausted past a bound (markup_tree.h, and above).
Result<HtmlDocument> read_html(std::string_view bytes);

// Leaves of white space what is rendered without style sheets: one space between words and none at
// the edges of a block. Texts of nothing stay, as "".
void collapse_spaces(HtmlDocument& document);

}  // namespace banyan::comparator
