// SPDX-License-Identifier: Apache-2.0
#include "core/net/socket.h"
#include "core/net/system_url.h"
#include "core/net/upstream.h"

namespace banyan::net {

Result<std::vector<UpstreamAddress>> resolve_url(std::string_view url) {
  const auto parsed = parse_system_url(url);
  if (!parsed.ok()) return parsed.error();
  const bool is_v6 = parsed->host.find(':') != std::string::npos;
  auto resolved = resolve_host_port(
      (is_v6 ? "[" + parsed->host + "]" : parsed->host) + ":" + std::to_string(parsed->port),
      false);
  if (!resolved.ok()) return resolved.error();
  std::vector<UpstreamAddress> addresses;
  for (auto& address : *resolved) {
    UpstreamAddress made;
    made.text = address.text();
    made.socket_address = std::move(address.bytes);
    made.host = parsed->host;
    made.is_secure = parsed->is_secure;
    addresses.push_back(std::move(made));
  }
  return addresses;
}

}  // namespace banyan::net
