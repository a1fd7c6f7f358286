// SPDX-License-Identifier: Apache-2.0
#include "core/net/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

namespace banyan::net {
namespace {

// An address and a port as they go over the wire.
struct Place {
  int family = AF_UNSPEC;
  std::string address;
  std::string port;

  std::string address_text() const {
    char text[INET6_ADDRSTRLEN] = {};
    inet_ntop(family, address.data(), text, sizeof text);
    return text;
  }
  std::string port_text() const {
    return std::to_string(static_cast<unsigned char>(port[0]) * 256 +
                          static_cast<unsigned char>(port[1]));
  }
};

Place place_of(std::string_view sockaddr_bytes) {
  Place place;
  sockaddr_storage storage{};
  if (sockaddr_bytes.size() < sizeof(sockaddr_in) || sockaddr_bytes.size() > sizeof storage) {
    return place;
  }
  std::memcpy(&storage, sockaddr_bytes.data(), sockaddr_bytes.size());
  if (storage.ss_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(storage);
    place = {AF_INET, raw_bytes(four.sin_addr), raw_bytes(four.sin_port)};
  } else if (storage.ss_family == AF_INET6 && sockaddr_bytes.size() >= sizeof(sockaddr_in6)) {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(storage);
    place = {AF_INET6, raw_bytes(six.sin6_addr), raw_bytes(six.sin6_port)};
  }
  return place;
}

void write_text(const Place& client, const Place& listener, bool is_known, std::string& out) {
  if (!is_known) {
    out = "PROXY UNKNOWN\r\n";
    return;
  }
  out = client.family == AF_INET ? "PROXY TCP4 " : "PROXY TCP6 ";
  out.append(client.address_text()).append(" ").append(listener.address_text()).append(" ");
  out.append(client.port_text()).append(" ").append(listener.port_text()).append("\r\n");
}

void write_binary(const Place& client, const Place& listener, bool is_known, std::string& out) {
  using V2 = ProxyV2;
  const unsigned command = is_known ? V2::kProxy : V2::kLocal;
  const unsigned transport = !is_known                  ? V2::kUnspecified
                             : client.family == AF_INET ? V2::kTcp4
                                                        : V2::kTcp6;
  out = V2::kSignature;
  out.push_back(static_cast<char>(V2::kVersion << 4 | command));
  out.push_back(static_cast<char>(transport));
  std::string body;
  if (is_known) body = client.address + listener.address + client.port + listener.port;
  out.push_back('\0');
  out.push_back(static_cast<char>(body.size()));
  out.append(body);
}

}  // namespace

void write_proxy_header(ProxyHeader version, std::string_view client, std::string_view listener,
                        std::string& out) {
  out.clear();
  const Place from = place_of(client);
  const Place to = place_of(listener);
  const bool is_known = from.family != AF_UNSPEC && from.family == to.family;
  switch (version) {
    case ProxyHeader::kNone: return;
    case ProxyHeader::kV1: return write_text(from, to, is_known, out);
    case ProxyHeader::kV2: return write_binary(from, to, is_known, out);
  }
}

}  // namespace banyan::net
