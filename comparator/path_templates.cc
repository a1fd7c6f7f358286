// SPDX-License-Identifier: Apache-2.0
#include "comparator/path_templates.h"

#include <algorithm>
#include <set>
#include <utility>

#include "comparator/endpoint_name.h"
#include "core/base/hash.h"
#include "core/base/text.h"

namespace banyan::comparator {
namespace {

constexpr std::string_view kGrpc = "gRPC";

// As a VERDICT names it: a word of the specification with a digit in it is {} there.
std::string as_named(std::string_view segment) {
  if (segment.find('{') != std::string_view::npos) return std::string(kAnySegment);
  return endpoint_of("GET", "/" + std::string(segment)).substr(5);
}

}  // namespace

struct PathTemplates::Node {
  std::map<std::string, std::unique_ptr<Node>, std::less<>> words;
  std::unique_ptr<Node> any;
  bool ends = false;
};

PathTemplates::PathTemplates(const std::vector<std::string>& paths)
    : root_(std::make_unique<Node>()) {
  const std::set<std::string> sorted(paths.begin(), paths.end());
  std::string all;
  for (const std::string& path : sorted) {
    all += path + "\n";
    add(path);
  }
  if (count_ > 0) signature_ = xxh3_64(all);
}

PathTemplates::~PathTemplates() = default;
PathTemplates::PathTemplates(PathTemplates&&) noexcept = default;
PathTemplates& PathTemplates::operator=(PathTemplates&&) noexcept = default;

void PathTemplates::add(std::string_view path) {
  if (!path.starts_with('/') || count_ == kTemplatesMax) return;
  const auto segments = split(path.substr(1), '/');
  if (segments.size() > kSegmentsMax) return;
  Node* node = root_.get();
  for (const std::string_view segment : segments) {
    const std::string name = as_named(segment);
    auto& next = name == kAnySegment ? node->any : node->words[name];
    if (!next) next = std::make_unique<Node>();
    node = next.get();
  }
  node->ends = true;
  ++count_;
}

// The tree has each path once, so that no place of it is visited twice.
bool PathTemplates::match(const Node& node, const std::vector<std::string_view>& segments,
                          std::size_t at, std::string& out) {
  if (at == segments.size()) return node.ends;
  const std::size_t length = out.size();
  const auto word = node.words.find(segments[at]);
  if (word != node.words.end()) {
    out += '/';
    out += segments[at];
    if (match(*word->second, segments, at + 1, out)) return true;
    out.resize(length);
  }
  // A parameter is never empty: /users/ is not /users/{id}.
  if (!node.any || segments[at].empty()) return false;
  out += '/';
  out += kAnySegment;
  if (match(*node.any, segments, at + 1, out)) return true;
  out.resize(length);
  return false;
}

const std::string* PathTemplates::name_of(std::string_view endpoint) {
  if (is_empty()) return nullptr;
  key_ = endpoint;
  const auto known = known_.find(key_);
  if (known != known_.end()) return known->second.empty() ? nullptr : &known->second;
  if (known_.size() >= kKnownMax) known_.clear();
  std::string& name = known_[key_];
  const std::size_t space = endpoint.find(' ');
  const std::string_view method = endpoint.substr(0, space);
  if (space == std::string_view::npos || method == kGrpc) return nullptr;
  std::string_view path = endpoint.substr(space + 1);
  if (!path.starts_with('/')) return nullptr;
  const std::size_t behind = path.find(' ');
  const std::string_view operation =
      behind == std::string_view::npos ? std::string_view() : path.substr(behind);
  const auto segments =
      split(path.substr(1, behind == std::string_view::npos ? behind : behind - 1), '/');
  std::string out = std::string(method) + " ";
  if (segments.size() > kSegmentsMax || !match(*root_, segments, 0, out)) return nullptr;
  name = out + std::string(operation);
  return &name;
}

}  // namespace banyan::comparator
