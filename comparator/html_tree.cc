// SPDX-License-Identifier: Apache-2.0
#include "comparator/html_tree.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "comparator/chars.h"
#include "comparator/html_elements.h"

namespace banyan::comparator {
namespace {

// Its words, sorted, each once.
std::string sorted_words(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    text.remove_prefix(std::min(text.find_first_not_of(kHtmlBlanks), text.size()));
    const std::string_view word = text.substr(0, text.find_first_of(kHtmlBlanks));
    if (!word.empty()) words.push_back(word);
    text.remove_prefix(word.size());
  }
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  std::string out;
  for (const std::string_view word : words) out.append(out.empty() ? "" : " ").append(word);
  return out;
}

}  // namespace

Result<std::unique_ptr<HtmlTree>> HtmlTree::parse(std::string_view bytes, const RuleSet& rules) {
  auto document = read_html(bytes);
  if (!document.ok()) return document.error();
  collapse_spaces(*document);
  std::unique_ptr<HtmlTree> tree(new HtmlTree(rules));
  tree->document_ = *std::move(document);
  BANYAN_RETURN_IF_ERROR(tree->lift(tree->document_[0], 0, -1));
  return tree;
}

Status HtmlTree::lift(const HtmlNode& from, std::size_t level, std::int16_t ignore) {
  MarkupNode node;
  node.name = from.name;
  node.has_elements =
      std::any_of(from.children.begin(), from.children.end(),
                  [this](std::uint32_t child) { return !document_[child].name.empty(); });
  const auto added = add_element(node, level, ignore);
  if (!added.ok()) return added.error();
  const std::int16_t below = (*this)[*added].ignore;
  BANYAN_RETURN_IF_ERROR(lift_attributes(from, level + 1, below));
  for (const std::uint32_t index : from.children) {
    const HtmlNode& child = document_[index];
    if (!child.name.empty()) {
      BANYAN_RETURN_IF_ERROR(lift(child, level + 1, below));
    } else if (!child.text.empty()) {
      MarkupNode text;
      text.kind = MarkupKind::kText;
      text.text = child.text;
      BANYAN_RETURN_IF_ERROR(add_leaf(text, level + 1, below));
    }
  }
  end_element(*added);
  return {};
}

Status HtmlTree::lift_attributes(const HtmlNode& from, std::size_t level, std::int16_t ignore) {
  for (const HtmlAttribute& attribute : from.attributes) {
    MarkupNode node;
    node.kind = MarkupKind::kAttribute;
    node.name = attribute.name;
    node.text = value_of(attribute);
    BANYAN_RETURN_IF_ERROR(add_leaf(node, level, ignore));
  }
  return {};
}

std::string_view HtmlTree::value_of(const HtmlAttribute& attribute) {
  if (attribute.name == "class" || attribute.name == "rel")
    return keep(sorted_words(attribute.value));
  return is_html_flag(attribute.name) ? std::string_view() : std::string_view(attribute.value);
}

}  // namespace banyan::comparator
