// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <string_view>
#include <utility>

#include "comparator/chars.h"
#include "comparator/html_document.h"
#include "comparator/html_elements.h"

namespace banyan::comparator {
namespace {

class Collapser {
 public:
  explicit Collapser(HtmlDocument& document) : document_(document) {}

  void run() {
    Line line;
    element(document_[0], line);
  }

 private:
  // What was rendered last where texts stand in a line.
  struct Line {
    bool is_after_space = true;     // or at its start
    std::string* ending = nullptr;  // the text whose last space is not rendered if the line ends
  };

  static void end(Line& line) {
    if (line.ending != nullptr) line.ending->pop_back();
    line = Line();
  }

  static void text(std::string& content, Line& line) {
    std::string out;
    out.reserve(content.size());
    bool is_after_space = line.is_after_space;
    for (const char c : content) {
      if (!is_html_blank(c)) {
        out.push_back(c);
      } else if (!is_after_space) {
        out.push_back(' ');
      }
      is_after_space = is_html_blank(c);
    }
    content = std::move(out);
    if (content.empty()) return;
    line.is_after_space = is_after_space;
    line.ending = is_after_space ? &content : nullptr;
  }

  void children(const HtmlNode& node, Line& line) {
    for (const std::uint32_t index : node.children) {
      HtmlNode& child = document_[index];
      child.name.empty() ? text(child.text, line) : element(child, line);
    }
  }

  void element(HtmlNode& node, Line& line) {
    const bool is_block = (node.traits & kBlock) != 0;
    const bool is_box = (node.traits & kBox) != 0;
    const bool is_unseen = node.name == "script" || node.name == "style" || node.name == "template";
    if (is_block) end(line);
    if ((node.traits & kKeepsBlanks) != 0) {
      // Formatting in it keeps its white space as well.
    } else if (is_block || is_box || is_unseen) {
      Line inside;
      children(node, inside);
      end(inside);
    } else {
      children(node, line);
    }
    if (is_block) line = Line();
    if (is_box) line = Line{false, nullptr};
  }

  HtmlDocument& document_;
};

}  // namespace

void collapse_spaces(HtmlDocument& document) { Collapser(document).run(); }

}  // namespace banyan::comparator
