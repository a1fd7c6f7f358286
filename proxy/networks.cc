// SPDX-License-Identifier: Apache-2.0
#include "proxy/networks.h"

#include <arpa/inet.h>

#include <cstring>
#include <optional>
#include <utility>

#include "core/base/text.h"

namespace banyan::proxy {
namespace {

constexpr std::string_view kMappedPrefix = "::ffff:";
constexpr int kMappedBits = 96;

struct Address {
  std::array<std::uint8_t, 16> bytes{};
  bool is_v4 = false;
};

// Every address as 16 bytes, IPv4 in its mapped form, so that one comparison serves both.
std::optional<Address> parse_address(std::string_view text) {
  if (text.size() > INET6_ADDRSTRLEN) return std::nullopt;
  const std::string terminated(text);
  Address address;
  in_addr v4{};
  if (inet_pton(AF_INET, terminated.c_str(), &v4) == 1) {
    address.is_v4 = true;
    address.bytes[10] = address.bytes[11] = 0xff;
    std::memcpy(&address.bytes[12], &v4, 4);
    return address;
  }
  if (inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) return address;
  return std::nullopt;
}

bool have_same_prefix(const std::array<std::uint8_t, 16>& a, const std::array<std::uint8_t, 16>& b,
                      int bits) {
  const int whole = bits / 8;
  if (std::memcmp(a.data(), b.data(), static_cast<std::size_t>(whole)) != 0) return false;
  const int rest = bits % 8;
  if (rest == 0) return true;
  const auto at = static_cast<std::size_t>(whole);
  const int mask = 0xff << (8 - rest);
  return ((a[at] ^ b[at]) & mask & 0xff) == 0;
}

}  // namespace

Result<NetworkSet> NetworkSet::parse(const std::vector<std::string>& texts) {
  NetworkSet set;
  for (const std::string& text : texts) {
    const auto wrong = [&text] {
      return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
                        "trusted network \"" + escape_for_terminal(text, 64) +
                            "\" is not an address with an optional prefix, like 10.0.0.0/8");
    };
    const std::size_t slash = text.find('/');
    const auto address = parse_address(std::string_view(text).substr(0, slash));
    if (!address) return wrong();
    const int bits_max = address->is_v4 ? 32 : 128;
    int bits = bits_max;
    if (slash != std::string::npos) {
      const auto given = parse_u64(std::string_view(text).substr(slash + 1));
      if (!given || *given > static_cast<std::uint64_t>(bits_max)) return wrong();
      bits = static_cast<int>(*given);
    }
    set.networks_.push_back(Network{address->bytes, address->is_v4 ? bits + kMappedBits : bits});
  }
  return set;
}

bool NetworkSet::contains(std::string_view address) const {
  if (networks_.empty()) return false;
  const auto parsed = parse_address(address);
  if (!parsed) return false;
  for (const Network& network : networks_) {
    if (have_same_prefix(network.bytes, parsed->bytes, network.prefix_bits)) return true;
  }
  return false;
}

bool is_address(std::string_view text) { return parse_address(text).has_value(); }

std::string unmapped_address(std::string_view address) {
  if (starts_with_ignoring_case(address, kMappedPrefix) &&
      address.find('.') != std::string_view::npos) {
    address.remove_prefix(kMappedPrefix.size());
  }
  return std::string(address);
}

}  // namespace banyan::proxy
