// SPDX-License-Identifier: Apache-2.0
//
// What the HTML standard says of elements by their names. For the comparator's own sources. Any
// thread.
#pragma once

#include <string_view>

namespace banyan::comparator {

enum HtmlTrait : unsigned {
  kVoid = 1U << 0,         // has no content and no end tag
  kSpecial = 1U << 1,      // an end tag of another name does not close it
  kScope = 1U << 2,        // nor does one look beyond it
  kFormatting = 1U << 3,   // goes on in the next paragraph, where it was not closed
  kClosesP = 1U << 4,      // its start tag closes a paragraph
  kHeading = 1U << 5,      // h1 to h6
  kMetadata = 1U << 6,     // stands in the head, as long as there is no body
  kRaw = 1U << 7,          // its content is text
  kReferences = 1U << 8,   // and has references
  kTablePart = 1U << 9,    // of a table, but the table itself
  kMarker = 1U << 10,      // formatting from outside ends at it
  kLeavesSvg = 1U << 11,   // its start tag closes SVG and MathML
  kBlock = 1U << 12,       // white space at its edges is not rendered
  kBox = 1U << 13,         // stands in a line as a letter does
  kKeepsBlanks = 1U << 14  // white space in it is rendered as it is
};

// Traits of an element by its name in lower case; 0 of one that the standard does not know.
unsigned html_traits(std::string_view name);
// Whether an attribute says all by being there.
bool is_html_flag(std::string_view attribute);

}  // namespace banyan::comparator
