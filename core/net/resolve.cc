// SPDX-License-Identifier: Apache-2.0
#include "core/net/resolve.h"

#include <arpa/inet.h>

#include <utility>

#include "core/base/text.h"
#include "core/net/event_loop.h"
#include "core/net/socket.h"
#include "core/net/upstream.h"

namespace banyan::net {
namespace {

UpstreamAddress made_of(SocketAddress socket_address, const SystemUrl& url) {
  UpstreamAddress made;
  made.text = socket_address.text();
  made.socket_address = std::move(socket_address.bytes);
  made.host = url.host;
  made.is_secure = url.is_secure;
  return made;
}

}  // namespace

std::optional<UpstreamAddress> address_of(const std::string& ip, const SystemUrl& url) {
  SocketAddress socket_address;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET, ip.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(url.port);
    socket_address.bytes = raw_bytes(v4);
  } else if (inet_pton(AF_INET6, ip.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(url.port);
    socket_address.bytes = raw_bytes(v6);
  } else {
    return std::nullopt;
  }
  return made_of(std::move(socket_address), url);
}

Result<std::vector<std::string>> resolve_name(const std::string& name, const DnsOptions& options,
                                              std::int64_t patience_ns) {
  auto loop = EventLoop::create();
  if (!loop.ok()) return loop.error();
  NameAnswer answers[2];
  int waits_for = 2;
  std::string why;
  Resolver resolver(**loop, options);
  Timer patience(**loop, [&] { (*loop)->stop(); });
  patience.start(patience_ns);
  for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    resolver.resolve(name, family, [&, family](NameAnswer answer) {
      if (why.empty()) why = answer.message;
      answers[static_cast<int>(family)] = std::move(answer);
      if (--waits_for == 0) (*loop)->stop();
    });
  }
  (*loop)->run();
  std::vector<std::string> addresses = std::move(answers[0].addresses);
  for (std::string& address : answers[1].addresses) addresses.push_back(std::move(address));
  if (!addresses.empty()) return addresses;
  if (why.empty()) why = "no answer of DNS in " + format_duration_ns(patience_ns);
  return make_error(ErrorCode::kUnavailable, ErrorOrigin::kConfig,
                    "cannot resolve " + escape_for_terminal(name, 200) + ": " + why);
}

Result<std::vector<UpstreamAddress>> resolve_url(const SystemUrl& url, const DnsOptions& options,
                                                 std::int64_t patience_ns) {
  std::vector<std::string> ips{url.host};
  if (!url.is_literal) {
    auto found = resolve_name(url.host, options, patience_ns);
    if (!found.ok()) return found.error();
    ips = *std::move(found);
  }
  std::vector<UpstreamAddress> addresses;
  for (const std::string& ip : ips) {
    if (auto address = address_of(ip, url)) addresses.push_back(*std::move(address));
  }
  return addresses;
}

Result<std::vector<UpstreamAddress>> resolve_url(std::string_view url) {
  const auto parsed = parse_system_url(url);
  if (!parsed.ok()) return parsed.error();
  const bool is_v6 = parsed->host.find(':') != std::string::npos;
  auto resolved = resolve_host_port(
      (is_v6 ? "[" + parsed->host + "]" : parsed->host) + ":" + std::to_string(parsed->port),
      false);
  if (!resolved.ok()) return resolved.error();
  std::vector<UpstreamAddress> addresses;
  for (auto& address : *resolved) addresses.push_back(made_of(std::move(address), *parsed));
  return addresses;
}

}  // namespace banyan::net
