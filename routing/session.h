// SPDX-License-Identifier: Apache-2.0
//
// Which session an exchange belongs to, and where the session falls in [0, 100) percent.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/http/message.h"
#include "routing/options.h"

namespace banyan::routing {

inline constexpr std::uint32_t kShareWhole = 10000;  // hundredths of a percent

// The value of the sticky key as the client sent it; it may be a secret and is never logged.
struct StickyKey {
  std::string_view value;
  bool is_present = false;  // false: the connection is the session
};
StickyKey find_sticky_key(StickyKind kind, std::string_view name, const http::HeaderList* fields,
                          std::string_view client_address);

// First value of a cookie; empty where absent.
std::string_view find_cookie(const http::HeaderList& fields, std::string_view name);

// Two independent hashes over the key itself rather than over its token: tokens are keyed per data
// directory, and a fleet that shares a salt must agree on where a session falls.
class Buckets {
 public:
  explicit Buckets(std::string_view salt);
  std::uint32_t answer(std::string_view key) const;  // in [0, kShareWhole)
  std::uint32_t mirror(std::string_view key) const;

 private:
  std::uint64_t answer_seed_;
  std::uint64_t mirror_seed_;
};

std::string percent_text(std::uint32_t hundredths);  // 2500 → "25.00"
// "cookie session", "header X-Tenant", "client_ip".
std::string sticky_text(StickyKind kind, std::string_view name);

}  // namespace banyan::routing
