// SPDX-License-Identifier: Apache-2.0
#include "core/base/ids.h"

#include "core/base/text.h"

namespace banyan {

ExchangeId ExchangeId::make(std::uint16_t node, Epoch epoch, std::uint16_t lane,
                            std::uint64_t counter) {
  constexpr std::uint64_t kLow48 = 0xffff'ffff'ffffULL;
  return ExchangeId{(std::uint64_t{node} << 48) | (epoch.value & kLow48),
                    (std::uint64_t{lane} << 48) | (counter & kLow48)};
}

std::string ExchangeId::to_string() const { return hex_of_u64(high) + hex_of_u64(low); }

std::optional<ExchangeId> ExchangeId::parse(std::string_view text) {
  if (text.size() != 32) return std::nullopt;
  const auto high = u64_of_hex(text.substr(0, 16));
  const auto low = u64_of_hex(text.substr(16));
  if (!high || !low) return std::nullopt;
  return ExchangeId{*high, *low};
}

}  // namespace banyan
