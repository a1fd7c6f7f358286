// SPDX-License-Identifier: Apache-2.0
//
// Durations in nanoseconds and sizes in bytes, for the ranges of keys.
#pragma once

#include <cstdint>

namespace banyan::config {

inline constexpr std::int64_t kMillisecond = 1'000'000;
inline constexpr std::int64_t kSecond = 1000 * kMillisecond;
inline constexpr std::int64_t kDay = 86'400 * kSecond;
inline constexpr std::int64_t kKiB = 1024;
inline constexpr std::int64_t kMiB = 1024 * kKiB;
inline constexpr std::int64_t kTiB = 1024 * 1024 * kMiB;

}  // namespace banyan::config
