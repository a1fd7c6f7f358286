// SPDX-License-Identifier: Apache-2.0
#include "comparator/html_elements.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "core/base/text.h"

namespace banyan::comparator {
namespace {

struct Row {
  unsigned traits;
  std::string_view names;
};

// HTML standard, sections 13.1.2 (kinds of elements), 13.2.4.2 (the stack of open elements), 13.2.6
// (tree construction) and 15.3 (rendering).
constexpr std::array<Row, 15> kRows = {{
    {kVoid,
     "area base basefont bgsound br col embed frame hr img input keygen link meta param source "
     "track wbr"},
    {kSpecial,
     "address applet area article aside base basefont bgsound blockquote body br button caption "
     "center col colgroup dd details dir div dl dt embed fieldset figcaption figure footer form "
     "frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html iframe img input keygen li link "
     "listing main marquee menu meta nav noembed noframes noscript object ol p param plaintext pre "
     "script search section select source style summary table tbody td template textarea tfoot th "
     "thead title tr track ul wbr xmp"},
    {kScope, "applet caption html table td th marquee object template"},
    {kFormatting, "a b big code em font i nobr s small strike strong tt u"},
    {kClosesP,
     "address article aside blockquote center details dialog dir div dl fieldset figcaption figure "
     "footer header hgroup main menu nav ol p search section summary ul pre listing form table hr "
     "xmp plaintext h1 h2 h3 h4 h5 h6 li dd dt"},
    {kHeading, "h1 h2 h3 h4 h5 h6"},
    {kMetadata, "base basefont bgsound link meta title noscript noframes style script template"},
    {kRaw, "title textarea style script xmp iframe noembed noframes"},
    {kReferences, "title textarea"},
    {kTablePart, "caption colgroup col tbody thead tfoot tr td th"},
    {kMarker, "applet marquee object td th caption template"},
    {kLeavesSvg,
     "b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img "
     "li "
     "listing menu meta nobr ol p pre ruby s small span strong strike sub sup table tt u ul var"},
    {kBlock,
     "html head body title address article aside blockquote center details dialog dir div dl "
     "fieldset figcaption figure footer header hgroup main menu nav ol p search section summary ul "
     "pre listing form table hr xmp plaintext h1 h2 h3 h4 h5 h6 li dd dt legend caption colgroup "
     "col tbody thead tfoot tr td th option optgroup br base link meta frameset frame"},
    {kBox,
     "img input button select textarea object applet video audio canvas svg math iframe embed "
     "meter progress marquee keygen"},
    {kKeepsBlanks, "pre listing textarea xmp plaintext script style iframe noembed noframes"},
}};

}  // namespace

unsigned html_traits(std::string_view name) {
  static const auto table = [] {
    std::unordered_map<std::string_view, unsigned> out;
    for (const Row& row : kRows) {
      for (const std::string_view of : split(row.names, ' ')) out[of] |= row.traits;
    }
    return out;
  }();
  const auto found = table.find(name);
  return found == table.end() ? 0 : found->second;
}

bool is_html_flag(std::string_view attribute) {
  constexpr std::array<std::string_view, 28> kFlags = {
      "allowfullscreen", "async",    "autofocus", "autoplay",   "checked",  "compact",
      "controls",        "declare",  "default",   "defer",      "disabled", "formnovalidate",
      "inert",           "ismap",    "itemscope", "loop",       "multiple", "muted",
      "nomodule",        "noresize", "noshade",   "novalidate", "nowrap",   "open",
      "readonly",        "required", "reversed",  "selected"};
  return std::find(kFlags.begin(), kFlags.end(), attribute) != kFlags.end();
}

}  // namespace banyan::comparator
