// SPDX-License-Identifier: Apache-2.0
//
// [systems], [[listeners]] and [admin].
#include <arpa/inet.h>

#include <algorithm>
#include <string>

#include "config/loaders.h"
#include "config/units.h"
#include "core/base/text.h"

namespace banyan::config {
namespace {

constexpr NumberRange kTimeoutRange = {1'000'000, 3600 * kSecond};

struct SocketAddress {
  std::string host;  // without brackets
  std::uint64_t port = 0;
  bool is_v6 = false;
  bool is_wildcard = false;
  bool is_loopback = false;
};

bool is_ip(const std::string& host, bool& is_v6) {
  unsigned char bytes[16];
  if (inet_pton(AF_INET, host.c_str(), bytes) == 1) return true;
  is_v6 = inet_pton(AF_INET6, host.c_str(), bytes) == 1;
  return is_v6;
}

// "127.0.0.1:8080" or "[::1]:8080".
std::optional<SocketAddress> parse_address(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  SocketAddress out;
  out.host = text.substr(0, colon);
  const auto port = parse_u64(std::string_view(text).substr(colon + 1));
  if (!port || *port > 65535) return std::nullopt;
  out.port = *port;
  const bool has_brackets =
      out.host.size() > 2 && out.host.front() == '[' && out.host.back() == ']';
  if (has_brackets) out.host = out.host.substr(1, out.host.size() - 2);
  if (!is_ip(out.host, out.is_v6) || out.is_v6 != has_brackets) return std::nullopt;
  out.is_wildcard = out.host == "0.0.0.0" || out.host == "::";
  out.is_loopback = out.host.rfind("127.", 0) == 0 || out.host == "::1";
  return out;
}

bool overlaps(const SocketAddress& a, const SocketAddress& b) {
  if (a.port == 0 || a.port != b.port) return false;
  if (a.host == b.host) return true;
  // [::] takes IPv4 too, where the system does not say otherwise.
  if (a.host == "::" || b.host == "::") return true;
  return a.is_v6 == b.is_v6 && (a.is_wildcard || b.is_wildcard);
}

std::optional<SocketAddress> read_address(TableReader& table, std::string& out) {
  if (!table.read("address", out)) return std::nullopt;
  auto address = parse_address(out);
  if (!address) {
    table.problems().error(*table.node().find("address"),
                           table.name_of_key("address") + " is not an address",
                           "an IP and a port: \"127.0.0.1:8080\", \"0.0.0.0:8080\", \"[::]:8080\"");
  }
  return address;
}

bool is_network(const std::string& text) {
  const std::size_t slash = text.find('/');
  bool is_v6 = false;
  if (!is_ip(text.substr(0, slash), is_v6)) return false;
  if (slash == std::string::npos) return true;
  const auto bits = parse_u64(std::string_view(text).substr(slash + 1));
  return bits && *bits <= (is_v6 ? 128U : 32U);
}

// "" or what is wrong with a system's URL. Never repeats the URL: it may hold a password.
std::string url_problem(const std::string& url) {
  const bool is_secure = url.rfind("https://", 0) == 0;
  if (!is_secure && url.rfind("http://", 0) != 0) {
    return "a system's URL starts with http:// or https://";
  }
  std::string rest = url.substr(is_secure ? 8 : 7);
  if (rest.find('@') != std::string::npos) return "a system's URL holds no user or password";
  if (!rest.empty() && rest.back() == '/') rest.pop_back();
  if (rest.empty()) return "a system's URL names a host";
  if (rest.find_first_of("/?# \t\r\n\\%") != std::string::npos) {
    return "a system's URL is scheme, host and port only; the client's path is kept";
  }
  const std::size_t bracket = rest.rfind(']');
  const std::size_t colon = rest.rfind(':');
  const bool has_port =
      colon != std::string::npos && (bracket == std::string::npos || colon > bracket);
  if (has_port) {
    const auto port = parse_u64(std::string_view(rest).substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) return "a port lies between 1 and 65535";
    rest.resize(colon);
  }
  if (rest.empty()) return "a system's URL names a host";
  if (rest.front() == '[') {
    bool is_v6 = false;
    if (rest.back() != ']' || !is_ip(rest.substr(1, rest.size() - 2), is_v6) || !is_v6) {
      return "not an IPv6 address in brackets";
    }
  } else if (rest.find_first_of(":[]") != std::string::npos) {
    return "an IPv6 address stands in brackets: http://[::1]:9001";
  }
  return "";
}

void load_system(TableReader table, std::vector<std::string>& urls, proxy::SystemOptions& out) {
  if (table.read_strings("urls", urls)) {
    const Node& node = *table.node().find("urls");
    if (urls.empty()) table.problems().error(node, table.name_of_key("urls") + " is empty");
    if (urls.size() > 256) table.problems().error(node, "at most 256 URLs per system");
    for (std::size_t i = 0; i < urls.size(); ++i) {
      const std::string problem = url_problem(urls[i]);
      if (!problem.empty()) table.problems().error(node.items[i], problem);
    }
  } else if (table.is_present() && table.node().find("urls") == nullptr) {
    table.problems().error(table.node(), table.path() + " needs urls",
                           "urls = [\"http://127.0.0.1:9001\"]");
  }
  TableReader timeouts = table.table("timeouts");
  timeouts.read_duration("connect", out.upstream.connect_timeout_ns, kTimeoutRange);
  timeouts.read_duration("first_byte", out.upstream.first_byte_timeout_ns, kTimeoutRange);
  timeouts.read_duration("idle", out.upstream.idle_timeout_ns, kTimeoutRange);
  timeouts.finish();
  table.read_integer("connections", out.upstream.connections_max, {1, 100'000});
  load_upstreams(table, out);
  if (table.read("host", out.host)) {
    if (out.host == "preserve") out.host.clear();
    if (out.host.find_first_of(" \t\r\n/@?#,;\"\\") != std::string::npos || out.host.size() > 255) {
      table.problems().error(*table.node().find("host"),
                             table.name_of_key("host") + " is \"preserve\" or a host name");
    }
  }
  load_system_tls(table, urls, out.tls);
  load_system_protocol(table, urls, out);
  table.finish();
}

}  // namespace

void load_systems(TableReader& root, Config& config) {
  TableReader systems = root.table("systems");
  const std::string hint =
      "[systems.legacy] and [systems.candidate], each with urls = [\"http://host:port\"]";
  for (const char* name : {"legacy", "candidate"}) {
    if (systems.is_present() && systems.node().find(name) != nullptr) continue;
    root.problems().error(systems.node(), "[systems." + std::string(name) + "] is missing", hint);
  }
  load_system(systems.table("legacy"), config.legacy_urls, config.proxy.legacy);
  load_system(systems.table("candidate"), config.candidate_urls, config.proxy.candidate);
  TableReader twin = systems.table("legacy_twin");
  if (twin.is_present()) load_system(std::move(twin), config.twin_urls, config.twin);
  systems.finish();
}

void load_listeners(TableReader& root, Config& config) {
  std::vector<TableReader> tables = root.tables("listeners");
  if (tables.empty()) {
    root.problems().error(Node(), "[[listeners]] is missing: there is nothing to listen on",
                          "[[listeners]] with address = \"0.0.0.0:8080\"");
  }
  std::vector<SocketAddress> seen;
  for (TableReader& table : tables) {
    proxy::ListenerOptions listener;
    const auto address = read_address(table, listener.address);
    if (table.node().find("address") == nullptr) {
      table.problems().error(table.node(), table.path() + " needs an address");
    }
    if (address) {
      if (std::any_of(seen.begin(), seen.end(),
                      [&](const SocketAddress& other) { return overlaps(other, *address); })) {
        table.problems().error(*table.node().find("address"),
                               "another listener takes this address already");
      }
      seen.push_back(*address);
    }
    if (table.read_strings("trusted", listener.trusted)) {
      const Node& node = *table.node().find("trusted");
      for (std::size_t i = 0; i < listener.trusted.size(); ++i) {
        if (is_network(listener.trusted[i])) continue;
        table.problems().error(node.items[i], "not a network", "for example \"10.0.0.0/8\"");
      }
    }
    table.read("via", listener.writes_via);
    load_listener_tls(table, listener);
    listener.speaks_http2 = listener.tls.has_value();
    table.read("http2", listener.speaks_http2);
    table.read("proxy_protocol", listener.has_proxy_header);
    if (listener.has_proxy_header && listener.trusted.empty()) {
      table.problems().warning(*table.node().find("proxy_protocol"),
                               "whoever connects to this listener can claim any client address",
                               "name the balancers in trusted; others are refused then");
    }
    table.finish();
    config.proxy.listeners.push_back(std::move(listener));
  }
}

void load_admin(TableReader& root, Config& config) {
  TableReader table = root.table("admin");
  auto address = read_address(table, config.admin.address);
  if (!address) address = parse_address("127.0.0.1:9901");
  if (const auto auth = table.read_name("auth", {"token", "none"})) {
    config.admin.needs_token = *auth == 0;
  }
  table.finish();
  if (!config.admin.needs_token && !address->is_loopback) {
    table.problems().error(*table.node().find("auth"),
                           "admin.auth = \"none\" is for loopback addresses only",
                           "anybody who reaches this address could shift traffic");
  }
  for (const proxy::ListenerOptions& listener : config.proxy.listeners) {
    const auto other = parse_address(listener.address);
    if (!other || !overlaps(*other, *address)) continue;
    const Node* at = table.is_present() ? table.node().find("address") : nullptr;
    table.problems().error(at != nullptr ? *at : Node(),
                           "admin.address and a listener take the same address");
  }
}

}  // namespace banyan::config
