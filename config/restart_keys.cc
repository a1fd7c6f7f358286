// SPDX-License-Identifier: Apache-2.0
#include "config/restart_keys.h"

#include <algorithm>
#include <map>

#include "core/base/hash.h"
#include "core/base/text.h"

namespace banyan::config {
namespace {

// Where "table.key" stands; a Node without a place where it is not written.
Node place_of(const Node& root, std::string_view name) {
  const Node* at = &root;
  for (const std::string_view key : split(name, '.')) {
    at = at->kind == Node::Kind::kTable ? at->find(key) : nullptr;
    if (at == nullptr) return Node();
  }
  return *at;
}

class Checker {
 public:
  Checker(const Node& root, Problems& problems) : root_(root), problems_(problems) {}

  void check(std::string_view key, bool differs, const std::string& from_to) {
    if (!differs) return;
    problems_.needs_restart(place_of(root_, key),
                            std::string(key) + " cannot change while Banyan runs" + from_to);
  }
  void check_value(std::string_view key, const std::string& before, const std::string& after) {
    check(key, before != after, " (" + quoted(before) + " now, " + quoted(after) + " here)");
  }

 private:
  const Node& root_;
  Problems& problems_;
};

void write_node(const Node& node, std::string& out) {
  out += static_cast<char>('0' + static_cast<int>(node.kind));
  switch (node.kind) {
    case Node::Kind::kTable: {
      // The order of keys means nothing.
      std::map<std::string, const Node*> members;
      for (const auto& [name, member] : node.members) members[name] = &member;
      for (const auto& [name, member] : members) {
        out += std::to_string(name.size()) + ":" + name + "=";
        write_node(*member, out);
      }
      break;
    }
    case Node::Kind::kArray:
      for (const Node& item : node.items) write_node(item, out);
      break;
    case Node::Kind::kString: out += std::to_string(node.text.size()) + ":" + node.text; break;
    case Node::Kind::kInteger: out += std::to_string(node.integer); break;
    case Node::Kind::kFloat: out += std::to_string(node.real); break;
    case Node::Kind::kBoolean: out += node.boolean ? "true" : "false"; break;
    case Node::Kind::kDate: break;
  }
  out += ';';
}

}  // namespace

void check_restart_keys(const Node& root, const Config& running, const Config& next,
                        Problems& problems) {
  Checker checker(root, problems);
  checker.check_value("data_dir", running.data_dir, next.data_dir);
  checker.check_value("workers", std::to_string(running.proxy.workers),
                      std::to_string(next.proxy.workers));
  checker.check_value("admin.address", running.admin.address, next.admin.address);
  checker.check_value("admin.auth", running.admin.needs_token ? "token" : "none",
                      next.admin.needs_token ? "token" : "none");
  checker.check("systems.legacy_twin", running.twin_urls.empty() != next.twin_urls.empty(),
                " between there and not there");
  checker.check("endpoints.openapi", running.endpoint_paths != next.endpoint_paths,
                " (the paths its files name)");
  checker.check("record.subject", !(running.proxy.subject == next.proxy.subject), "");
  // Says nothing about the value.
  checker.check("record.key", running.record_key != next.record_key, "");
}

std::vector<std::pair<std::string, std::uint64_t>> sections_of(const Node& root) {
  std::map<std::string, std::uint64_t> sections;
  for (const auto& [name, member] : root.members) {
    std::string text;
    write_node(member, text);
    sections[name] = xxh3_64(text);
  }
  return {sections.begin(), sections.end()};
}

std::vector<std::string> changed_sections(const Config& before, const Config& after) {
  std::vector<std::string> changed;
  for (const auto* side : {&before, &after}) {
    const auto& other = side == &before ? after.sections : before.sections;
    for (const auto& section : side->sections) {
      if (std::find(other.begin(), other.end(), section) == other.end()) {
        changed.push_back(section.first);
      }
    }
  }
  std::sort(changed.begin(), changed.end());
  changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
  return changed;
}

}  // namespace banyan::config
