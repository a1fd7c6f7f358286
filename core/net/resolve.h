// SPDX-License-Identifier: Apache-2.0
//
// Names to addresses for the command line: blocking, on a loop of its own. A server asks a Warden.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/net/endpoint.h"
#include "core/net/resolver.h"
#include "core/net/system_url.h"

namespace banyan::net {

// Where a URL's requests go if its name stands for `ip`; nullopt where that is no IP.
std::optional<UpstreamAddress> address_of(const std::string& ip, const SystemUrl& url);

// What a server with these options would find, IPv4 first; an error where there is no address, or
// none after `patience_ns`, however many servers and tries there are.
Result<std::vector<std::string>> resolve_name(const std::string& name, const DnsOptions& options,
                                              std::int64_t patience_ns);
Result<std::vector<UpstreamAddress>> resolve_url(const SystemUrl& url, const DnsOptions& options,
                                                 std::int64_t patience_ns);

}  // namespace banyan::net
