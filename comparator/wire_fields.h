// SPDX-License-Identifier: Apache-2.0
//
// One level of a Protocol Buffers message as it stands on the wire. For the comparator's own
// sources. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace banyan::comparator {

inline constexpr std::uint64_t kWireNumberMax = (1U << 29) - 1;
// Groups in one another that are read; and fields in them, that each level has to pass over.
inline constexpr std::size_t kWireGroupDepthMax = 64;
inline constexpr std::size_t kWireGroupFieldsMax = 1'000'000;

enum class Wire : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kGroup = 3, kFixed32 = 5 };

struct WireField {
  std::uint64_t number = 0;
  Wire wire = Wire::kVarint;
  std::uint64_t value = 0;
  std::string_view bytes;  // of a group what stands between its tags
};

// Nullopt where it is no message, or past a bound of groups; `damaged_at` is then where the first
// field begins that cannot be read.
std::optional<std::vector<WireField>> fields_of(std::string_view message,
                                                std::size_t* damaged_at = nullptr);

}  // namespace banyan::comparator
