// SPDX-License-Identifier: Apache-2.0
//
// [routing] and [[routes]].
#include <algorithm>
#include <string>

#include "config/loaders.h"
#include "core/base/text.h"
#include "core/http/char_classes.h"
#include "routing/routing_table.h"

namespace banyan::config {
namespace {

constexpr std::size_t kRoutesMax = 1000;
constexpr std::size_t kRouteNameBytesMax = 100;

bool is_route_name(std::string_view name) {
  return !name.empty() && name.size() <= kRouteNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

// { X-Tenant = "acme", X-Debug = true }: a value, or true for "present".
void read_fields(TableReader table, std::vector<routing::MatchOptions::Field>& out) {
  if (!table.is_present()) return;
  for (const auto& [name, value] : table.node().members) {
    const Node* node = table.take(name);
    if (node->kind == Node::Kind::kBoolean && node->boolean) {
      out.push_back({name, ""});
    } else if (node->kind == Node::Kind::kString && !node->text.empty()) {
      const auto text = table.resolve(*node);
      if (text) out.push_back({name, *text});
    } else {
      table.problems().error(*node, table.name_of_key(name) +
                                        " must be a string, or true for "
                                        "\"present\"");
    }
  }
}

routing::MatchOptions read_match(TableReader table) {
  routing::MatchOptions match;
  table.read("path", match.path);
  table.read_strings("methods", match.methods);
  table.read("host", match.host);
  read_fields(table.table("header"), match.headers);
  read_fields(table.table("query"), match.query);
  table.finish();
  if (!table.is_present()) return match;
  const Status status = routing::check_match(match);
  if (!status.ok()) {
    const Node* path = table.node().find("path");
    routing::MatchOptions only_path;
    only_path.path = match.path;
    const bool is_path = path != nullptr && !routing::check_match(only_path).ok();
    table.problems().error(is_path ? *path : table.node(),
                           table.path() + ": " + status.error().message,
                           is_path ? "for example \"/orders/**\" or \"/stock/*\"" : "");
  }
  for (const std::string& method : match.methods) {
    if (method != to_lower(method)) continue;
    table.problems().error(*table.node().find("methods"),
                           table.path() + ": methods are written in capitals, \"" +
                               escape_for_terminal(method, 40) + "\" would never match");
    break;
  }
  return match;
}

// name or name/version (RFC 9110 section 7.8).
bool is_protocol(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return http::is_token(text);
  return http::is_token(text.substr(0, slash)) && http::is_token(text.substr(slash + 1));
}

void read_upgrades(TableReader& table, routing::RouteOptions& route) {
  std::vector<std::string> names;
  if (!table.read_strings("upgrades", names)) return;
  const Node& node = *table.node().find("upgrades");
  route.upgrades.clear();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string name = to_lower(names[i]);
    if (name == "h2c" || name == "h2" || name.rfind("http/", 0) == 0) {
      table.problems().error(node.items[i], "HTTP/2 is not reached by an upgrade",
                             "see http2 of a listener");
    } else if (!is_protocol(name)) {
      table.problems().error(node.items[i], "not the name of a protocol",
                             "for example \"websocket\"");
    } else {
      route.upgrades.push_back(name);
    }
  }
}

void read_sticky(TableReader& table, routing::RouteOptions& route) {
  std::string text;
  if (!table.read("sticky", text) || text == "client_ip") return;
  const std::size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  const std::string name = colon == std::string::npos ? "" : text.substr(colon + 1);
  routing::MatchOptions probe;
  probe.headers = {{name, ""}};
  if ((kind != "cookie" && kind != "header") || !routing::check_match(probe).ok()) {
    table.problems().error(*table.node().find("sticky"),
                           table.name_of_key("sticky") + " is not a sticky key",
                           "\"cookie:NAME\", \"header:NAME\" or \"client_ip\"");
    return;
  }
  route.sticky = kind == "cookie" ? routing::StickyKind::kCookie : routing::StickyKind::kHeader;
  route.sticky_name = name;
}

routing::RouteOptions read_route(TableReader& table, Config& config) {
  routing::RouteOptions route;
  table.read("name", route.name);
  if (!route.name.empty()) {
    table.set_path("route \"" + escape_for_terminal(route.name, kRouteNameBytesMax) + "\"");
  }
  route.match = read_match(table.table("match"));
  table.read_percent("candidate_percent", route.dials.candidate_share);
  table.read_percent("mirror_percent", route.dials.mirror_share);
  table.read("mirror_writes", route.dials.mirror_writes);
  read_sticky(table, route);
  if (const auto level =
          table.read_name("durability", {"none", "interval", "response", "request"})) {
    route.durability = static_cast<Durability>(*level);
  }
  if (const auto which = table.read_name("on_failure", {"fail_open", "fail_closed"})) {
    route.on_failure = static_cast<OnFailure>(*which);
  }
  if (const auto mode = table.read_name("record", {"full", "head", "off"})) {
    route.record = static_cast<RecordMode>(*mode);
  }
  if (const auto as = table.read_name("treat_as", {"read", "write"})) {
    route.treat_as_write = *as == 1;
  }
  route.falls_back_to_legacy = table.read_name("fallback", {"legacy"}).has_value();
  read_upgrades(table, route);
  load_route_readiness(table, route.name, config);
  table.finish();
  return route;
}

void check_name(TableReader& table, const std::string& name) {
  const Node* node = table.node().find("name");
  if (node == nullptr) {
    table.problems().error(table.node(), table.path() + " needs a name", "name = \"orders\"");
  } else if (node->kind == Node::Kind::kString && name.empty() && !node->text.empty()) {
    return;  // A reference that was reported already.
  } else if (node->kind == Node::Kind::kString && !is_route_name(name)) {
    table.problems().error(*node,
                           "a route's name has 1 to 100 letters, digits, \"_\", \"-\", \".\"");
  } else if (name == routing::kUnmatched) {
    table.problems().error(*node, "\"unmatched\" is the name of what no route matches");
  }
}

}  // namespace

void load_routes(TableReader& root, Config& config) {
  TableReader general = root.table("routing");
  if (general.read("salt", config.routing.salt) && config.routing.salt.size() > 256) {
    general.problems().error(*general.node().find("salt"), "routing.salt has at most 256 bytes");
  }
  general.finish();
  std::vector<TableReader> tables = root.tables("routes");
  if (tables.size() > kRoutesMax) {
    root.problems().error(tables[kRoutesMax].node(), "at most 1000 routes");
    while (tables.size() > kRoutesMax) tables.pop_back();
  }
  const routing::RouteOptions* all = nullptr;
  config.routing.routes.reserve(tables.size());
  for (TableReader& table : tables) {
    routing::RouteOptions route = read_route(table, config);
    check_name(table, route.name);
    for (const routing::RouteOptions& earlier : config.routing.routes) {
      if (route.name.empty() || earlier.name != route.name) continue;
      table.problems().error(*table.node().find("name"),
                             "another route is named \"" + route.name + "\" already");
      break;
    }
    if (all != nullptr) {
      table.problems().error(table.node(),
                             table.path() + " is never reached: route \"" + all->name +
                                 "\" before it matches everything",
                             "the first match wins; put the general route last");
    }
    config.routing.routes.push_back(std::move(route));
    const auto& added = config.routing.routes.back();
    if (all == nullptr && routing::matches_everything(added.match)) all = &added;
  }
}

}  // namespace banyan::config
