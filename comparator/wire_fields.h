// SPDX-License-Identifier: Apache-2.0
//
// One level of a Protocol Buffers message as it stands on the wire. For the comparator's own
// sources. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace banyan::comparator {

inline constexpr std::uint64_t kWireNumberMax = (1U << 29) - 1;

enum class Wire : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct WireField {
  std::uint64_t number = 0;
  Wire wire = Wire::kVarint;
  std::uint64_t value = 0;
  std::string_view bytes;
};

// Nullopt where it is no message, or has groups, which nobody writes any more.
std::optional<std::vector<WireField>> fields_of(std::string_view message);

}  // namespace banyan::comparator
