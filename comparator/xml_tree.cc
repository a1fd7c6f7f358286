// SPDX-License-Identifier: Apache-2.0
#include "comparator/xml_tree.h"

#include <algorithm>
#include <pugixml.hpp>
#include <tuple>
#include <utility>

#include "comparator/body_errors.h"
#include "comparator/chars.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

constexpr std::string_view kXmlSpace = "http://www.w3.org/XML/1998/namespace";
constexpr std::string_view kSchemaInstance = "http://www.w3.org/2001/XMLSchema-instance";

Error malformed_xml(std::string what) {
  return malformed_body("is no well-formed XML: " + std::move(what));
}

Error unsupported(std::string what) {
  return make_error(ErrorCode::kUnsupported, ErrorOrigin::kInternal, std::move(what));
}

std::string shown_name(std::string_view name) {
  return "\"" + escape_for_terminal(name, 64) + "\"";
}

// Behind the end mark, or npos.
std::size_t skip_past(std::string_view bytes, std::size_t from, std::string_view mark) {
  const std::size_t at = bytes.find(mark, from);
  return at == std::string_view::npos ? at : at + mark.size();
}

bool is_reference(std::string_view name) {
  for (const std::string_view known : {"lt", "gt", "amp", "quot", "apos"}) {
    if (name == known) return true;
  }
  if (!name.starts_with('#')) return false;
  const bool is_hex = name.starts_with("#x");
  const std::string_view digits = name.substr(is_hex ? 2 : 1);
  return !digits.empty() &&
         digits.find_first_not_of(is_hex ? "0123456789abcdefABCDEF" : "0123456789") ==
             std::string_view::npos;
}

// What the library would let through, and what it costs: how many tags there are, and that every
// reference is one that it resolves (others it leaves as text, which "&amp;x;" is as well).
Status check_before(std::string_view bytes) {
  std::size_t tags = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t next = bytes.find_first_of("<&", at);
    if (next == std::string_view::npos) break;
    const std::string_view rest = bytes.substr(next);
    at = next + 1;
    if (rest[0] == '&') {
      const std::size_t end = rest.substr(0, 16).find(';');
      if (end == std::string_view::npos || !is_reference(rest.substr(1, end - 1))) {
        return malformed_xml("an entity that is not declared, at byte " + std::to_string(next));
      }
    } else if (rest.starts_with("<!--")) {
      at = skip_past(bytes, next + 4, "-->");
    } else if (rest.starts_with("<![CDATA[")) {
      at = skip_past(bytes, next, "]]>");
    } else if (rest.starts_with("<?")) {
      at = skip_past(bytes, next, "?>");
    } else if (rest.starts_with("<!DOCTYPE")) {
      return unsupported("has a document type declaration, which is not read");
    } else if (++tags > 2 * kMarkupNodesMax) {
      return too_large_body("has more than " + std::to_string(kMarkupNodesMax) + " elements");
    }
    if (at == std::string_view::npos) return malformed_xml("it ends inside a comment or CDATA");
  }
  return {};
}

// The document's own word for its encoding; "" where it says none.
Status check_encoding(const pugi::xml_document& document) {
  for (const pugi::xml_node& node : document.children()) {
    if (node.type() != pugi::node_declaration) continue;
    const std::string encoding = to_lower(node.attribute("encoding").value());
    if (!encoding.empty() && encoding != "utf-8" && encoding != "utf8" && encoding != "us-ascii") {
      return unsupported("is encoded as " + shown_name(encoding) + ", which is not read");
    }
  }
  return {};
}

// The one element of the document.
Result<pugi::xml_node> root_of(const pugi::xml_document& document) {
  pugi::xml_node root;
  for (const pugi::xml_node& node : document.children()) {
    if (node.type() == pugi::node_element) {
      if (root) return malformed_xml("it has a second root element");
      root = node;
    } else if (node.type() == pugi::node_pcdata || node.type() == pugi::node_cdata) {
      if (!holds_only(node.value(), kBlanks))
        return malformed_xml("text outside of its root element");
    }
  }
  if (!root) return malformed_xml("it has no root element");
  return root;
}

}  // namespace

XmlTree::XmlTree(const RuleSet& rules)
    : MarkupTree(rules), document_(std::make_unique<pugi::xml_document>()) {}

XmlTree::~XmlTree() = default;

Result<std::unique_ptr<XmlTree>> XmlTree::parse(std::string_view bytes, const RuleSet& rules) {
  std::unique_ptr<XmlTree> tree(new XmlTree(rules));
  BANYAN_RETURN_IF_ERROR(tree->read(bytes));
  return tree;
}

Status XmlTree::read(std::string_view bytes) {
  if (bytes.find('\0') != std::string_view::npos || !is_utf8(bytes)) {
    return malformed_xml("it is not UTF-8");
  }
  BANYAN_RETURN_IF_ERROR(check_before(bytes));
  constexpr unsigned kParseOptions = pugi::parse_cdata | pugi::parse_escapes | pugi::parse_eol |
                                     pugi::parse_wconv_attribute | pugi::parse_ws_pcdata |
                                     pugi::parse_declaration | pugi::parse_fragment;
  const pugi::xml_parse_result parsed =
      document_->load_buffer(bytes.data(), bytes.size(), kParseOptions, pugi::encoding_utf8);
  if (!parsed) {
    return malformed_xml(std::string(parsed.description()) + ", at byte " +
                         std::to_string(parsed.offset));
  }
  BANYAN_RETURN_IF_ERROR(check_encoding(*document_));
  const auto root = root_of(*document_);
  if (!root.ok()) return root.error();
  scopes_ = {{"", ""}, {"xml", kXmlSpace}};
  return read_element(*root, 0, -1);
}

Status XmlTree::declare(const pugi::xml_node& from) {
  for (const pugi::xml_attribute& attribute : from.attributes()) {
    const std::string_view name = attribute.name();
    const std::string_view uri = attribute.value();
    if (name == "xmlns") {
      scopes_.push_back({"", uri});
    } else if (name.starts_with("xmlns:")) {
      if (uri.empty()) return malformed_xml("the prefix " + shown_name(name) + " means nothing");
      scopes_.push_back({name.substr(6), uri});
    }
  }
  return {};
}

const std::string_view* XmlTree::uri_of(std::string_view prefix) const {
  const auto found = std::find_if(scopes_.rbegin(), scopes_.rend(),
                                  [prefix](const Scope& scope) { return scope.prefix == prefix; });
  return found == scopes_.rend() ? nullptr : &found->uri;
}

Result<XmlTree::Name> XmlTree::resolve(std::string_view name, bool is_attribute) const {
  const std::size_t colon = name.find(':');
  if (colon == std::string_view::npos) {
    // An attribute without a prefix has no namespace, whatever the default is.
    return Name{is_attribute ? std::string_view() : *uri_of(""), name};
  }
  const std::string_view local = name.substr(colon + 1);
  if (colon == 0 || local.empty() || local.find(':') != std::string_view::npos) {
    return malformed_xml(shown_name(name) + " is no name");
  }
  const std::string_view* uri = uri_of(name.substr(0, colon));
  if (uri == nullptr)
    return malformed_xml("the prefix of " + shown_name(name) + " is not declared");
  return Name{*uri, local};
}

// The type that an element says it has is a name itself.
std::string_view XmlTree::value_of(const Name& name, std::string_view value) {
  if (name.space != kSchemaInstance || name.local != "type") return value;
  const auto type = resolve(value, false);
  if (!type.ok() || type->space.empty()) return value;
  return keep("{" + std::string(type->space) + "}" + std::string(type->local));
}

Status XmlTree::read_element(const pugi::xml_node& from, std::size_t level, std::int16_t ignore) {
  const std::size_t scope = scopes_.size();
  BANYAN_RETURN_IF_ERROR(declare(from));
  const auto name = resolve(from.name(), false);
  if (!name.ok()) return name.error();
  MarkupNode node;
  node.name = name->local;
  node.space = name->space;
  const auto children = from.children();
  node.has_elements =
      std::any_of(children.begin(), children.end(),
                  [](const pugi::xml_node& child) { return child.type() == pugi::node_element; });
  const auto added = add_element(node, level, ignore);
  if (!added.ok()) return added.error();
  const MarkupIndex index = *added;
  BANYAN_RETURN_IF_ERROR(read_attributes(from, level + 1, (*this)[index].ignore));
  const bool kept_blanks = keeps_blanks_;
  if (const std::string_view space = from.attribute("xml:space").value(); !space.empty()) {
    keeps_blanks_ = space == "preserve";
  }
  BANYAN_RETURN_IF_ERROR(read_content(from, index, level + 1));
  keeps_blanks_ = kept_blanks;
  end_element(index);
  scopes_.resize(scope);
  return {};
}

Status XmlTree::read_attributes(const pugi::xml_node& from, std::size_t level,
                                std::int16_t ignore) {
  std::vector<std::pair<Name, std::string_view>> found;
  for (const pugi::xml_attribute& attribute : from.attributes()) {
    const std::string_view text = attribute.name();
    if (text == "xmlns" || text.starts_with("xmlns:")) continue;
    const auto name = resolve(text, true);
    if (!name.ok()) return name.error();
    found.emplace_back(*name, value_of(*name, attribute.value()));
  }
  const auto key = [](const auto& pair) { return std::tie(pair.first.local, pair.first.space); };
  std::sort(found.begin(), found.end(),
            [&](const auto& a, const auto& b) { return key(a) < key(b); });
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i > 0 && key(found[i]) == key(found[i - 1])) {
      return malformed_xml("the attribute " + shown_name(found[i].first.local) + " comes twice");
    }
    MarkupNode node;
    node.kind = MarkupKind::kAttribute;
    node.name = found[i].first.local;
    node.space = found[i].first.space;
    node.text = found[i].second;
    BANYAN_RETURN_IF_ERROR(add_leaf(node, level, ignore));
  }
  return {};
}

Status XmlTree::add_text(std::string& text, std::size_t level, std::int16_t ignore) {
  if (text.empty()) return {};
  MarkupNode node;
  node.kind = MarkupKind::kText;
  node.text = keep(std::exchange(text, std::string()));
  return add_leaf(node, level, ignore);
}

// Texts in a row, as CDATA and comments leave them, are one.
Status XmlTree::read_content(const pugi::xml_node& from, MarkupIndex element, std::size_t level) {
  const bool drops_blanks = (*this)[element].has_elements && !keeps_blanks_;
  const std::int16_t ignore = (*this)[element].ignore;
  std::string text;
  const auto flush = [&]() -> Status {
    if (drops_blanks && holds_only(text, kBlanks)) text.clear();
    return add_text(text, level, ignore);
  };
  for (const pugi::xml_node& child : from.children()) {
    if (child.type() == pugi::node_element) {
      BANYAN_RETURN_IF_ERROR(flush());
      BANYAN_RETURN_IF_ERROR(read_element(child, level, ignore));
    } else if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata) {
      text += child.value();
    }
  }
  return flush();
}

}  // namespace banyan::comparator
