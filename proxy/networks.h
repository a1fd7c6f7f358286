// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace banyan::proxy {

// Networks in CIDR form, IPv4 and IPv6. An IPv4 address mapped into IPv6 counts as IPv4. Immutable.
class NetworkSet {
 public:
  // "10.0.0.0/8", "2001:db8::/32", or one address.
  static Result<NetworkSet> parse(const std::vector<std::string>& texts);
  // False for what is no address.
  bool contains(std::string_view address) const;
  bool is_empty() const { return networks_.empty(); }

 private:
  struct Network {
    std::array<std::uint8_t, 16> bytes{};
    int prefix_bits = 0;  // of 128
  };
  std::vector<Network> networks_;
};

bool is_address(std::string_view text);
// "::ffff:192.0.2.1" as "192.0.2.1"; other addresses as they are.
std::string unmapped_address(std::string_view address);

}  // namespace banyan::proxy
