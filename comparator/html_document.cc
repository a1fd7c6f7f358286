// SPDX-License-Identifier: Apache-2.0
#include "comparator/html_document.h"

#include <algorithm>
#include <utility>

#include "comparator/body_errors.h"
#include "comparator/chars.h"
#include "comparator/html_elements.h"
#include "comparator/markup_tree.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

constexpr std::uint32_t kHead = 1;
constexpr std::uint32_t kBody = 2;
constexpr std::size_t kNone = SIZE_MAX;

class HtmlBuilder {
 public:
  explicit HtmlBuilder(std::string_view html) : tokens_(html) {}

  Result<HtmlDocument> run() {
    for (const char* name : {"html", "head", "body"}) {
      HtmlNode& node = nodes_.emplace_back();
      node.name = name;
      node.traits = html_traits(name);
    }
    nodes_[0].children = {kHead, kBody};
    stack_ = {0, kHead};
    HtmlToken token;
    while (tokens_.next(token)) {
      BANYAN_RETURN_IF_ERROR(take(token));
      tokens_.allow_cdata(current().is_foreign);
    }
    return std::move(nodes_);
  }

 private:
  static constexpr std::uint32_t kMark =
      UINT32_MAX;  // among formatting: what is before it is outside

  HtmlNode& current() { return nodes_[stack_.back()]; }
  const HtmlNode& open(std::size_t at) const { return nodes_[stack_[at]]; }
  bool is_before_body() const { return !has_body_ && stack_.size() == 2; }

  Status take(HtmlToken& token) {
    switch (token.kind) {
      case HtmlToken::Kind::kText: return text(token.text);
      case HtmlToken::Kind::kStart: return start(token);
      case HtmlToken::Kind::kEnd: return end(token);
      case HtmlToken::Kind::kDoctype:
        // Whether it is there decides how browsers lay the page out.
        if (nodes_.size() == 3 && !has_body_) merge(0, {{"doctype", token.text}});
        return {};
      case HtmlToken::Kind::kDone: break;
    }
    return {};
  }

  void start_body() {
    has_body_ = true;
    stack_ = {0, kBody};
  }

  Status text(std::string& content) {
    if (std::exchange(drops_line_feed_, false) && content.starts_with('\n')) content.erase(0, 1);
    if (content.empty()) return {};
    if (is_before_body()) {
      if (holds_only(content, kHtmlBlanks)) return {};
      start_body();
    }
    // White space between rows and cells is never rendered.
    const bool is_cell = current().name == "td" || current().name == "th";
    const bool is_between = current().name == "table" || (current().traits & kTablePart) != 0;
    const bool is_seen = is_cell || !is_between || !holds_only(content, kHtmlBlanks);
    if (is_seen && !current().is_foreign && (current().traits & kRaw) == 0) {
      BANYAN_RETURN_IF_ERROR(reopen_formatting());
    }
    // A comment in between does not make it two.
    auto& children = current().children;
    if (!children.empty() && nodes_[children.back()].name.empty()) {
      nodes_[children.back()].text += content;
      return {};
    }
    HtmlNode node;
    node.text = std::move(content);
    return add(std::move(node));
  }

  Status start(HtmlToken& token) {
    drops_line_feed_ = false;
    const bool opens_document =
        token.name == "html" || token.name == "head" || token.name == "body";
    if (opens_document) {
      if (token.name == "body" && !has_body_) start_body();
      merge(token.name == "html" ? 0 : token.name == "head" ? kHead : kBody, token.attributes);
      return {};
    }
    if (token.name == "image") token.name = "img";
    const unsigned traits = html_traits(token.name);
    if (is_before_body() && (traits & kMetadata) == 0) start_body();
    if ((traits & kLeavesSvg) != 0) {
      while (current().is_foreign && !holds_html(current())) pop();
    }
    if (current().is_foreign && !holds_html(current())) return insert(token, traits);
    BANYAN_RETURN_IF_ERROR(make_room(token.name, traits));
    if ((traits & kTablePart) != 0) {
      BANYAN_RETURN_IF_ERROR(open_table_part(token.name));
    } else if ((traits & (kClosesP | kMetadata)) == 0) {
      BANYAN_RETURN_IF_ERROR(reopen_formatting());
    }
    return insert(token, traits);
  }

  // Closes what a start tag closes.
  Status make_room(std::string_view name, unsigned traits) {
    if (name == "li" || name == "dd" || name == "dt") {
      close_item(name);
    } else if (name == "a" || name == "nobr") {
      BANYAN_RETURN_IF_ERROR(end_formatting(name));
    } else if (name == "button" || name == "select") {
      close(find_open(name, kScope));
    } else if (name == "option" || name == "optgroup") {
      if (current().name == "option") pop();
      if (name == "optgroup" && current().name == "optgroup") pop();
    } else if (name == "rb" || name == "rt" || name == "rp" || name == "rtc") {
      while (current().name == "rb" || current().name == "rt" || current().name == "rp" ||
             (current().name == "rtc" && (name == "rb" || name == "rtc"))) {
        pop();
      }
    }
    if ((traits & kClosesP) != 0) close(find_open("p", kScope, "button"));
    if ((traits & kHeading) != 0 && (current().traits & kHeading) != 0) pop();
    return {};
  }

  void close_item(std::string_view name) {
    for (std::size_t at = stack_.size(); at-- > 0;) {
      const HtmlNode& node = open(at);
      const bool is_it = name == "li" ? node.name == "li" : node.name == "dd" || node.name == "dt";
      if (is_it) return close(at);
      const bool is_passed = node.name == "address" || node.name == "div" || node.name == "p";
      if ((node.traits & kSpecial) != 0 && !is_passed) return;
    }
  }

  // Closes and opens what has to be for a row, a cell … of the innermost table; outside of one it
  // stands where it is, as in the fragments that scripts ask for.
  Status open_table_part(std::string_view name) {
    const std::size_t table = find_table();
    if (table == kNone) return {};
    std::size_t group = kNone;
    std::size_t row = kNone;
    std::size_t columns = kNone;
    for (std::size_t at = table + 1; at < stack_.size(); ++at) {
      const std::string_view of = open(at).name;
      if (of == "tbody" || of == "thead" || of == "tfoot") group = at;
      if (of == "tr") row = at;
      if (of == "colgroup") columns = at;
    }
    if (name == "col" && columns != kNone) {
      close(columns + 1);
    } else if (name == "tr" && group != kNone) {
      close(group + 1);
    } else if ((name == "td" || name == "th") && row != kNone) {
      close(row + 1);
    } else if ((name == "td" || name == "th") && group != kNone) {
      close(group + 1);
      BANYAN_RETURN_IF_ERROR(insert_named("tr"));
    } else {
      close(table + 1);
      if (name == "col") BANYAN_RETURN_IF_ERROR(insert_named("colgroup"));
      if (name == "tr" || name == "td" || name == "th") {
        BANYAN_RETURN_IF_ERROR(insert_named("tbody"));
      }
      if (name == "td" || name == "th") BANYAN_RETURN_IF_ERROR(insert_named("tr"));
    }
    return {};
  }

  std::size_t find_table() const {
    for (std::size_t at = stack_.size(); at-- > 0;) {
      if (open(at).name == "table") return at;
      if (open(at).name == "template") return kNone;
    }
    return kNone;
  }

  Status end(HtmlToken& token) {
    drops_line_feed_ = false;
    const std::string& name = token.name;
    if (name == "html" || name == "body" || name == "head") return {};
    if (name == "br") return start(token);
    if (is_before_body()) return {};
    const unsigned traits = html_traits(name);
    for (std::size_t at = stack_.size(); at-- > 0 && open(at).is_foreign;) {
      if (open(at).name == name) {
        close(at);
        return {};
      }
    }
    if (name == "p" && find_open("p", kScope, "button") == kNone) {
      BANYAN_RETURN_IF_ERROR(insert_named("p"));
    }
    if ((traits & kFormatting) != 0) return end_formatting(name);
    if ((traits & kVoid) != 0) return {};
    if ((traits & kTablePart) != 0 || name == "table") {
      const std::size_t table = find_table();
      const std::size_t at = find_open(name, 0);
      if (at != kNone && (table == kNone || at >= table)) close(at);
    } else if ((traits & kHeading) != 0) {
      close(find_heading());
    } else if ((traits & kSpecial) != 0) {
      close(find_open(name, kScope, name == "p" ? "button" : name == "li" ? "ul" : ""));
    } else {
      close_other(name);
    }
    return {};
  }

  // An end tag without a rule of its own.
  void close_other(std::string_view name) {
    for (std::size_t at = stack_.size(); at-- > 2;) {
      if (open(at).name == name) return close(at);
      if ((open(at).traits & kSpecial) != 0) return;
    }
  }

  std::size_t find_heading() const {
    for (std::size_t at = stack_.size(); at-- > 2;) {
      if ((open(at).traits & kHeading) != 0) return at;
      if ((open(at).traits & kScope) != 0) return kNone;
    }
    return kNone;
  }

  // The innermost open element of that name, unless one with the trait (or, said of items, a list)
  // stands before it.
  std::size_t find_open(std::string_view name, unsigned barriers,
                        std::string_view also = "") const {
    for (std::size_t at = stack_.size(); at-- > 2;) {
      const HtmlNode& node = open(at);
      if (node.name == name) return at;
      if ((node.traits & barriers) != 0 || (!also.empty() && node.name == also)) return kNone;
      if (also == "ul" && node.name == "ol") return kNone;
    }
    return kNone;
  }

  // Closes the element at that place of the stack and all in it; html and body stay.
  void close(std::size_t at) {
    if (at == kNone) return;
    while (stack_.size() > std::max<std::size_t>(at, 2)) pop();
  }

  void pop() {
    const bool has_marker = (current().traits & kMarker) != 0 && !current().is_foreign;
    stack_.pop_back();
    if (!has_marker) return;
    while (!formatting_.empty() && formatting_.back() != kMark) formatting_.pop_back();
    if (!formatting_.empty()) formatting_.pop_back();
  }

  bool is_open(std::uint32_t node) const {
    return std::find(stack_.begin(), stack_.end(), node) != stack_.end();
  }

  // Formatting that was closed by something else goes on.
  Status reopen_formatting() {
    std::size_t first = formatting_.size();
    while (first > 0 && formatting_[first - 1] != kMark && !is_open(formatting_[first - 1])) {
      --first;
    }
    for (; first < formatting_.size(); ++first) {
      HtmlNode copy;
      copy.name = nodes_[formatting_[first]].name;
      copy.attributes = nodes_[formatting_[first]].attributes;
      copy.traits = nodes_[formatting_[first]].traits;
      BANYAN_RETURN_IF_ERROR(push(std::move(copy)));
      formatting_[first] = stack_.back();
    }
    return {};
  }

  Status end_formatting(std::string_view name) {
    std::size_t entry = formatting_.size();
    while (entry > 0 && formatting_[entry - 1] != kMark &&
           nodes_[formatting_[entry - 1]].name != name) {
      --entry;
    }
    if (entry == 0 || formatting_[entry - 1] == kMark) {
      close_other(name);
      return {};
    }
    --entry;
    const auto found = std::find(stack_.begin(), stack_.end(), formatting_[entry]);
    const auto place = formatting_.begin() + static_cast<std::ptrdiff_t>(entry);
    if (found == stack_.end()) {
      formatting_.erase(place);
      return {};
    }
    const bool has_scope = std::any_of(found + 1, stack_.end(), [this](std::uint32_t node) {
      return (nodes_[node].traits & kScope) != 0;
    });
    if (has_scope) return {};
    const bool has_block = std::any_of(found + 1, stack_.end(), [this](std::uint32_t node) {
      return (nodes_[node].traits & kSpecial) != 0;
    });
    formatting_.erase(place);
    if (!has_block) {
      close(static_cast<std::size_t>(found - stack_.begin()));
      return {};
    }
    HtmlNode mark;
    mark.name = "end-of-" + std::string(name);
    return add(std::move(mark));
  }

  static bool holds_html(const HtmlNode& foreign) {
    for (const std::string_view name :
         {"foreignobject", "desc", "title", "mi", "mo", "mn", "ms", "mtext", "annotation-xml"}) {
      if (foreign.name == name) return true;
    }
    return false;
  }

  Status insert(HtmlToken& token, unsigned traits) {
    HtmlNode node;
    node.name = token.name;
    node.attributes = std::move(token.attributes);
    const bool is_in_foreign = current().is_foreign && !holds_html(current());
    node.is_foreign = is_in_foreign || node.name == "svg" || node.name == "math";
    // Names of HTML mean nothing in SVG.
    node.traits = is_in_foreign ? (holds_html(node) ? unsigned{kScope} : 0U) : traits;
    if ((node.traits & kVoid) != 0 || (node.is_foreign && token.is_self_closing)) {
      return add(std::move(node));
    }
    BANYAN_RETURN_IF_ERROR(push(std::move(node)));
    if (is_in_foreign) return {};
    if ((traits & kRaw) != 0) tokens_.read_raw(token.name, (traits & kReferences) != 0);
    if (token.name == "plaintext") tokens_.read_plain();
    drops_line_feed_ = token.name == "pre" || token.name == "listing" || token.name == "textarea";
    if ((traits & kMarker) != 0) return note_formatting(kMark);
    if ((traits & kFormatting) != 0) return note_formatting(stack_.back());
    return {};
  }

  Status note_formatting(std::uint32_t node) {
    if (formatting_.size() == kHtmlFormattingMax) {
      return too_large_body("has more than " + std::to_string(kHtmlFormattingMax) +
                            " formatting elements open at once");
    }
    formatting_.push_back(node);
    return {};
  }

  Status insert_named(const char* name) {
    HtmlNode node;
    node.name = name;
    node.traits = html_traits(name);
    return push(std::move(node));
  }

  Status push(HtmlNode node) {
    if (stack_.size() >= kMarkupDepthMax) {
      return too_large_body("nests deeper than " + std::to_string(kMarkupDepthMax) + " elements");
    }
    BANYAN_RETURN_IF_ERROR(add(std::move(node)));
    stack_.push_back(static_cast<std::uint32_t>(nodes_.size() - 1));
    return {};
  }

  Status add(HtmlNode node) {
    parts_ += 1 + node.attributes.size();
    if (parts_ > kMarkupNodesMax) {
      return too_large_body("has more than " + std::to_string(kMarkupNodesMax) + " parts");
    }
    current().children.push_back(static_cast<std::uint32_t>(nodes_.size()));
    nodes_.push_back(std::move(node));
    return {};
  }

  // Of a tag that comes again what is new counts.
  void merge(std::uint32_t at, const std::vector<HtmlAttribute>& attributes) {
    auto& known = nodes_[at].attributes;
    const auto by_name = [](const auto& a, const auto& b) { return a.name < b.name; };
    std::vector<HtmlAttribute> all;
    all.reserve(known.size() + attributes.size());
    std::merge(known.begin(), known.end(), attributes.begin(), attributes.end(),
               std::back_inserter(all), by_name);
    all.erase(std::unique(all.begin(), all.end(),
                          [](const auto& a, const auto& b) { return a.name == b.name; }),
              all.end());
    known = std::move(all);
  }

  HtmlTokens tokens_;
  HtmlDocument nodes_;
  std::vector<std::uint32_t> stack_;       // open elements
  std::vector<std::uint32_t> formatting_;  // that are open, or were not closed by an end tag
  std::size_t parts_ = 3;
  bool has_body_ = false;
  bool drops_line_feed_ = false;
};

}  // namespace

Result<HtmlDocument> read_html(std::string_view bytes) {
  if (bytes.find('\0') != std::string_view::npos || !is_utf8(bytes)) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kInternal,
                      "is no HTML that is read: it is not UTF-8");
  }
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  return HtmlBuilder(bytes).run();
}

}  // namespace banyan::comparator
