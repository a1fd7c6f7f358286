// SPDX-License-Identifier: Apache-2.0
#include "core/net/system_url.h"

#include <arpa/inet.h>

#include "core/base/text.h"

namespace banyan::net {
namespace {

constexpr std::size_t kHostBytesMax = 253;  // of a DNS name

Error bad_url(std::string_view url, std::string_view why) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
                    "\"" + escape_for_terminal(url, 200) + "\" " + std::string(why));
}

bool is_ip(const std::string& host) {
  unsigned char bytes[16];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

}  // namespace

std::string SystemUrl::authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (is_secure ? 443 : 80) ? name : name + ":" + std::to_string(port);
}

Result<SystemUrl> parse_system_url(std::string_view url) {
  SystemUrl result;
  std::string_view rest = url;
  if (starts_with_ignoring_case(rest, "http://")) {
    rest.remove_prefix(7);
  } else if (starts_with_ignoring_case(rest, "https://")) {
    rest.remove_prefix(8);
    result.is_secure = true;
    result.port = 443;
  } else {
    return bad_url(url, "is no URL of a system; write it as http://HOST:PORT or https://HOST:PORT");
  }
  if (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
  if (rest.find('@') != std::string_view::npos) {
    return bad_url("http://…", "holds a user name; a system's URL is http://HOST:PORT");
  }
  if (rest.find_first_of("/?#") != std::string_view::npos) {
    return bad_url(url, "has a path; a system's URL is http://HOST:PORT, paths stay the client's");
  }
  const auto bracket = rest.rfind(']');
  const auto colon = rest.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    const auto port = parse_u64(rest.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) return bad_url(url, "has no port in 1 to 65535");
    result.port = static_cast<std::uint16_t>(*port);
    rest = rest.substr(0, colon);
  }
  const bool has_brackets = rest.size() > 2 && rest.front() == '[' && rest.back() == ']';
  if (has_brackets) rest = rest.substr(1, rest.size() - 2);
  result.host = std::string(rest);
  result.is_literal = is_ip(result.host);
  const bool has_colon = rest.find(':') != std::string_view::npos;
  if (rest.empty() || rest.size() > kHostBytesMax || has_brackets != has_colon ||
      (has_colon && !result.is_literal) ||
      rest.find_first_of("[]% \t\r\n\\") != std::string_view::npos) {
    return bad_url(url, "names no host; write it as http://HOST:PORT or http://[IPV6]:PORT");
  }
  return result;
}

}  // namespace banyan::net
