// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.h"
#include "core/net/socket.h"
#include "core/net/upstream.h"

namespace banyan::net {
namespace {

Error bad_url(std::string_view url, std::string_view why) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
                    "\"" + escape_for_terminal(url, 200) + "\" " + std::string(why));
}

}  // namespace

Result<std::vector<UpstreamAddress>> resolve_url(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (starts_with_ignoring_case(url, "https://")) {
    return make_error(ErrorCode::kUnsupported, ErrorOrigin::kConfig,
                      "\"" + escape_for_terminal(url, 200) +
                          "\" asks for TLS, which this version does not speak yet; use http://");
  }
  if (!starts_with_ignoring_case(url, kScheme)) {
    return bad_url(url, "is no URL of a system; write it as http://HOST:PORT");
  }
  std::string authority(url.substr(kScheme.size()));
  if (!authority.empty() && authority.back() == '/') authority.pop_back();
  if (authority.find('@') != std::string::npos) {
    return bad_url("http://…", "holds a user name; a system's URL is http://HOST:PORT");
  }
  if (authority.find_first_of("/?#") != std::string::npos) {
    return bad_url(url, "has a path; a system's URL is http://HOST:PORT, paths stay the client's");
  }
  const auto bracket = authority.rfind(']');
  const auto colon = authority.rfind(':');
  const bool has_port =
      colon != std::string::npos && (bracket == std::string::npos ? true : colon > bracket);
  if (!has_port) authority += ":80";

  auto resolved = resolve_host_port(authority, false);
  if (!resolved.ok()) return resolved.error();
  std::vector<UpstreamAddress> addresses;
  for (auto& address : *resolved) {
    addresses.push_back(UpstreamAddress{address.text(), std::move(address.bytes)});
  }
  return addresses;
}

}  // namespace banyan::net
