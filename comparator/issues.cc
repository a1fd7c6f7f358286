// SPDX-License-Identifier: Apache-2.0
#include "comparator/issues.h"

#include <algorithm>
#include <array>
#include <optional>

#include "comparator/endpoint_name.h"
#include "core/base/hash.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

// Where in an answer a difference stands, by name.
struct NamedPlace {
  std::string_view part;        // "body", "header", "trailer", "status"
  std::string leaf, container;  // with "[]" behind the name of what is an array; "" where unnamed
  std::size_t depth = 0;        // names
};

// Words that unrelated causes bring about as well: they join only what stands in the same thing.
// clang-format off
constexpr std::array<std::string_view, 15> kCommonTransitions = {
    "", "off by one", "off by one day", "true→false", "false→true", "emptied", "filled",
    "rows missing", "rows extra", "rows replaced", "paging boundary",
    "null→string", "string→null", "null→number", "number→null"};
// clang-format on

// What wraps an answer says nothing of what it is.
constexpr std::array<std::string_view, 16> kWrappers = {
    "data",    "items",   "results", "result",   "content", "contents", "value",     "values",
    "entries", "records", "list",    "response", "payload", "body",     "_embedded", "rows"};

bool is_wrapper(std::string_view name) {
  name = name.substr(0, name.find('['));
  return std::find(kWrappers.begin(), kWrappers.end(), name) != kWrappers.end();
}

bool is_common(std::string_view transition) {
  return std::find(kCommonTransitions.begin(), kCommonTransitions.end(), transition) !=
         kCommonTransitions.end();
}

// Adds one named step of a path.
void enter(NamedPlace& place, std::string name) {
  place.container = std::move(place.leaf);
  place.leaf = std::move(name);
  ++place.depth;
}

// "$.items[]['odd name']": what the differ writes. Anything else ends it.
void read_json_path(std::string_view path, NamedPlace& place) {
  path.remove_prefix(std::min<std::size_t>(1, path.size()));
  while (!path.empty()) {
    if (path.starts_with("[]")) {
      if (!place.leaf.empty()) place.leaf += "[]";
      path.remove_prefix(2);
    } else if (path.starts_with("['")) {
      std::string name;
      std::size_t at = 2;
      for (; at < path.size() && path[at] != '\''; ++at) {
        if (path[at] == '\\' && at + 1 < path.size()) ++at;
        name.push_back(path[at]);
      }
      path.remove_prefix(std::min(at + 2, path.size()));
      enter(place, std::move(name));
    } else if (path.front() == '.') {
      const std::size_t end = std::min(path.find_first_of(".[", 1), path.size());
      enter(place, std::string(path.substr(1, end - 1)));
      path.remove_prefix(end);
    } else {
      return;
    }
  }
}

void read_xml_path(std::string_view path, NamedPlace& place) {
  for (const std::string_view name : split(path.substr(1), '/')) enter(place, std::string(name));
}

NamedPlace named_place(std::string_view path) {
  const std::size_t colon = path.find(':');
  NamedPlace place;
  place.part = path.substr(0, colon);
  if (colon == std::string_view::npos) return place;
  const std::string_view rest = path.substr(colon + 1);
  if (place.part != "body") {
    place.leaf = to_lower(rest);
  } else if (rest.starts_with('$')) {
    read_json_path(rest, place);
  } else if (rest.starts_with('/')) {
    read_xml_path(rest, place);
  }
  return place;
}

// What the body as a whole is: the operation, or the last word of the path. "" where none says it.
std::string_view resource_of(std::string_view endpoint) {
  const std::size_t slash = endpoint.find(" /");
  if (slash == std::string_view::npos) return {};
  std::string_view path = endpoint.substr(slash + 2);
  if (const std::size_t space = path.find(' '); space != std::string_view::npos) {
    return path.substr(space + 1);
  }
  std::string_view word;
  for (const std::string_view segment : split(path, '/')) {
    const bool is_word = !segment.empty() && segment != "*" && !is_version(segment) &&
                         segment.find("{}") == std::string_view::npos;
    if (is_word) word = segment;
  }
  return word;
}

// 404→500 is another thing at every endpoint; 200→201 is a custom.
bool is_same_class(std::string_view transition) {
  constexpr std::string_view kArrow = "→";
  const std::size_t arrow = transition.find(kArrow);
  return arrow != std::string_view::npos && arrow + kArrow.size() < transition.size() &&
         transition.front() == transition[arrow + kArrow.size()];
}

// What it has in common with findings of its cause; nothing where that cannot be told.
std::optional<std::vector<std::string>> cause_of(const FindingNames& finding) {
  const NamedPlace place = named_place(finding.path);
  std::vector<std::string> cause = {std::string(finding.kind), std::string(finding.transition),
                                    std::string(place.part), place.leaf};
  const bool is_untold = finding.transition == "not localised" ||
                         finding.transition == "not listed" || finding.transition == "not aligned";
  if (finding.kind == "no_answer" || finding.kind == "unparseable" || is_untold) {
    return std::nullopt;
  }
  if (finding.kind == "encoding" && !finding.transition.empty()) return cause;
  if (place.part == "status") {
    if (!is_same_class(finding.transition)) return std::nullopt;
    return cause;
  }
  // Of all cookies the path is one.
  if (place.leaf.empty() || place.leaf == "set-cookie") return std::nullopt;
  const bool is_gone_or_new = finding.kind == "missing" || finding.kind == "extra";
  if (finding.transition.empty() && !is_gone_or_new) return std::nullopt;
  if (place.part != "body" || !is_common(finding.transition)) return cause;
  const bool is_top = place.depth == 1 || (place.depth == 2 && is_wrapper(place.container));
  const std::string_view container =
      is_top ? resource_of(finding.endpoint) : std::string_view(place.container);
  if (container.empty()) return std::nullopt;
  cause.emplace_back(container);
  return cause;
}

}  // namespace

std::string issue_id(const FindingNames& finding) {
  const auto cause = cause_of(finding);
  if (!cause) return kIssueMark + std::string(finding.id);
  std::string key;
  for (const std::string& part : *cause) {
    key += std::to_string(part.size());
    key += ':';
    key += part;
  }
  return kIssueMark + hex_of_u64(xxh3_64(key)).substr(0, 12);
}

std::string issue_label(const FindingNames& finding) {
  const NamedPlace place = named_place(finding.path);
  const std::size_t colon = finding.path.find(':');
  std::string out(place.part);
  if (place.part == "body" && !place.leaf.empty()) {
    out = place.leaf;
  } else if (place.part != "body" && colon != std::string_view::npos) {
    out += ' ';
    out += finding.path.substr(colon + 1);
  }
  out += ": ";
  out += finding.transition.empty() ? finding.kind : finding.transition;
  return out;
}

}  // namespace banyan::comparator
