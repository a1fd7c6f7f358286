// SPDX-License-Identifier: Apache-2.0
//
// How the addresses of a system are found, checked and judged: part of [systems.X], and [dns].
#include <algorithm>
#include <optional>
#include <string>

#include "config/loaders.h"
#include "config/units.h"
#include "core/base/text.h"

namespace banyan::config {
namespace {

constexpr std::int64_t kHour = 3600 * kSecond;
constexpr std::size_t kHealthPathBytesMax = 2048;
constexpr std::size_t kDnsServersMax = 8;
constexpr std::size_t kStatusesMax = 32;

// "2xx", "204" or "200-399".
std::optional<net::HealthOptions::Statuses> parse_statuses(std::string_view text) {
  net::HealthOptions::Statuses range;
  if (text.size() == 3 && equal_ignoring_case(text.substr(1), "xx") && text[0] >= '1' &&
      text[0] <= '5') {
    range.from = (text[0] - '0') * 100;
    range.to = range.from + 99;
    return range;
  }
  const auto parts = split(text, '-');
  if (parts.empty() || parts.size() > 2) return std::nullopt;
  const auto from = parse_u64(trim(parts.front()));
  const auto to = parse_u64(trim(parts.back()));
  if (!from || !to || *from < 100 || *to > 599 || *from > *to) return std::nullopt;
  range.from = static_cast<int>(*from);
  range.to = static_cast<int>(*to);
  return range;
}

bool is_path(const std::string& text) {
  return !text.empty() && text.front() == '/' && text.size() <= kHealthPathBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; }) &&
         text.find('#') == std::string::npos;
}

void load_statuses(TableReader& table, net::HealthOptions& out) {
  std::vector<std::string> texts;
  if (!table.read_strings("statuses", texts)) return;
  const Node& node = *table.node().find("statuses");
  if (texts.empty() || texts.size() > kStatusesMax) {
    table.problems().error(node, table.name_of_key("statuses") + " has 1 to " +
                                     std::to_string(kStatusesMax) + " entries");
  }
  out.statuses.clear();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (const auto range = parse_statuses(texts[i])) {
      out.statuses.push_back(*range);
    } else {
      table.problems().error(node.items[i], "not a status or a range of them",
                             "for example \"2xx\", \"204\" or \"200-399\"");
    }
  }
}

void load_health(TableReader table, net::HealthOptions& out) {
  if (!table.is_present()) return;
  if (table.read("path", out.path)) {
    if (!is_path(out.path)) {
      table.problems().error(*table.node().find("path"), table.name_of_key("path") + " is no path",
                             "it starts with \"/\" and holds no blanks: \"/health\"");
    }
  } else if (table.node().find("path") == nullptr) {
    table.problems().error(table.node(), table.path() + " needs a path",
                           "health = { path = \"/health\" }");
  }
  table.read_duration("interval", out.interval_ns, {100 * kMillisecond, kHour});
  table.read_duration("timeout", out.timeout_ns, {10 * kMillisecond, kHour});
  table.read_integer("healthy", out.healthy, {1, 100});
  table.read_integer("unhealthy", out.unhealthy, {1, 100});
  load_statuses(table, out);
  table.finish();
}

// A time that grows, and its end.
void load_growing_time(TableReader& table, std::int64_t& time_ns, std::int64_t& time_max_ns) {
  table.read_duration("time", time_ns, {100 * kMillisecond, kHour});
  const bool has_max =
      table.read_duration("time_max", time_max_ns, {100 * kMillisecond, 24 * kHour});
  if (time_max_ns >= time_ns) return;
  if (!has_max) {
    time_max_ns = time_ns;
  } else {
    table.problems().error(*table.node().find("time_max"),
                           table.name_of_key("time_max") + " is shorter than time");
  }
}

void load_judgement(TableReader& table, net::EndpointsOptions& out) {
  table.read_duration("slow_start", out.slow_start_ns, {0, kHour});
  TableReader ejection = table.table("ejection");
  ejection.read_integer("failures", out.failures_max, {0, 1'000'000});
  ejection.read("gateway_errors", out.counts_gateway_errors);
  load_growing_time(ejection, out.ejection_ns, out.ejection_max_ns);
  ejection.read_integer("share_max", out.ejected_percent_max, {0, 100});
  ejection.finish();
  TableReader circuit = table.table("circuit");
  circuit.read_integer("failures", out.circuit.failures_max, {0, 1'000'000});
  load_growing_time(circuit, out.circuit.open_ns, out.circuit.open_max_ns);
  circuit.finish();
}

}  // namespace

void load_upstreams(TableReader& system, proxy::SystemOptions& out) {
  system.read_integer("requests", out.upstream.calls_max, {1, 1'000'000});
  system.read_integer("waiting", out.upstream.waiting_max, {1, 1'000'000});
  load_health(system.table("health"), out.health);
  load_judgement(system, out.judgement);
}

void load_dns(TableReader& root, Config& config) {
  TableReader table = root.table("dns");
  net::DnsOptions& out = config.dns;
  if (table.read_strings("servers", out.servers)) {
    const Node& node = *table.node().find("servers");
    if (out.servers.size() > kDnsServersMax) {
      table.problems().error(node, "at most " + std::to_string(kDnsServersMax) + " DNS servers");
    }
    for (std::size_t i = 0; i < out.servers.size(); ++i) {
      const std::string problem = net::Resolver::problem_with_server(out.servers[i]);
      if (!problem.empty()) table.problems().error(node.items[i], problem);
    }
  }
  table.read_duration("timeout", out.timeout_ns, {10 * kMillisecond, 60 * kSecond});
  table.read_integer("tries", out.tries, {1, 10});
  table.read_duration("ttl_min", out.ttl_min_ns, {100 * kMillisecond, kHour});
  const bool has_max = table.read_duration("ttl_max", out.ttl_max_ns, {kSecond, 24 * kHour});
  if (out.ttl_max_ns < out.ttl_min_ns) {
    const Node& at = has_max ? *table.node().find("ttl_max") : *table.node().find("ttl_min");
    table.problems().error(at, "dns.ttl_max is shorter than dns.ttl_min");
  }
  table.read_integer("addresses_max", out.addresses_max, {1, 240});
  table.finish();
}

}  // namespace banyan::config
