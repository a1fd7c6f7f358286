// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace banyan::net {

// A system's URL: scheme, host and port, nothing else; the path is the client's.
struct SystemUrl {
  std::string host;  // a name, or an IP without brackets
  std::uint16_t port = 80;
  bool is_secure = false;         // https://
  bool is_literal = false;        // an IP: never resolved
  std::string authority() const;  // "name", "name:8080", "[::1]:9001": what Host says
};

// Messages never repeat a user name or password.
Result<SystemUrl> parse_system_url(std::string_view url);

}  // namespace banyan::net
