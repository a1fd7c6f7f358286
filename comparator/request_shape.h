// SPDX-License-Identifier: Apache-2.0
//
// The shape of a request beside its endpoint: which parameters its query names, whatever their
// values, order and number. Two requests of one shape probably run the same code. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace banyan::comparator {

// More names than these are one shape of their own.
inline constexpr std::size_t kShapeNamesMax = 32;
inline constexpr std::uint32_t kManyNamesShape = 1;

// 0 where the target has no query. What stands behind a "[" of a name is an index and no name. What
// cannot be a programmer's name (without "=", odd bytes, very long) may be data of a person: all of
// it counts as one name.
std::uint32_t request_shape(std::string_view target);

}  // namespace banyan::comparator
