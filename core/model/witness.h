// SPDX-License-Identifier: Apache-2.0
//
// Which exchanges get a control (docs/noise.md): drawn by their id alone, so without regard to
// their answers, and the same in every room that has to know.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/hash.h"
#include "core/base/ids.h"

namespace banyan::model {

// Evenly spread; other seeds, other draws.
inline std::uint64_t draw_of(ExchangeId exchange, std::uint64_t seed) {
  const std::uint64_t words[2] = {exchange.high, exchange.low};
  return xxh3_64(std::string_view(reinterpret_cast<const char*>(words), sizeof words), seed);
}

inline bool is_control(ExchangeId exchange, double share) {
  constexpr std::uint64_t kSeed = 0x636f6e74726f6c;
  return static_cast<double>(draw_of(exchange, kSeed) >> 11) * 0x1p-53 < share;
}

inline std::string_view to_string(WitnessReason reason) {
  return reason == WitnessReason::kControl ? "control" : "confirmation";
}
inline std::string_view to_string(WitnessOf whom) {
  switch (whom) {
    case WitnessOf::kLegacy: return "legacy";
    case WitnessOf::kCandidate: return "candidate";
    case WitnessOf::kTwin: return "legacy_twin";
  }
  return "unknown";
}

}  // namespace banyan::model
