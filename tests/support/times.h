// SPDX-License-Identifier: Apache-2.0
//
// Spans of time in nanoseconds, for tests.
#pragma once

#include <cstdint>

namespace banyan {

inline constexpr std::int64_t kMs = 1'000'000;
inline constexpr std::int64_t kSecond = 1'000 * kMs;

}  // namespace banyan
