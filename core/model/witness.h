// SPDX-License-Identifier: Apache-2.0
//
// Which exchanges get a control (docs/noise.md): drawn by their id alone, so without regard to
// their answers, and the same in every room that has to know.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_set>

#include "core/base/hash.h"
#include "core/base/ids.h"
#include "core/model/types.h"

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

// Which endpoints legacy was seen to answer differently from itself. They get more controls, since
// there a fault is only told from noise by rates. What is known of an endpoint depends on earlier
// exchanges alone, so a draw is without regard to the verdict still. One thread.
class NoisyEndpoints {
 public:
  static constexpr std::size_t kMax = 4096;  // past it all are quiet again
  static constexpr double kFactor = 10;      // of the share of controls …
  static constexpr double kShareMax = 0.2;   // … up to that

  // A VERDICT of a witness: legacy, asked again, against what it had answered.
  void note(RunId run, Verdict verdict, std::string_view route, std::string_view endpoint) {
    if (!run.is_witness() || verdict != Verdict::kDifferent) return;
    if (run.whom() == WitnessOf::kCandidate || run.side() != WitnessSide::kSame) return;
    if (known_.size() >= kMax) known_.clear();
    known_.insert(key_of(route, endpoint));
  }
  bool knows(std::string_view route, std::string_view endpoint) const {
    return !known_.empty() && known_.count(key_of(route, endpoint)) > 0;
  }
  // More of them, where there is room for them: beyond those of is_control().
  static bool is_further_control(ExchangeId exchange, double share) {
    return !is_control(exchange, share) &&
           is_control(exchange, std::min(share * kFactor, kShareMax));
  }

 private:
  static std::uint64_t key_of(std::string_view route, std::string_view endpoint) {
    return xxh3_64(endpoint, xxh3_64(route));
  }
  std::unordered_set<std::uint64_t> known_;
};

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
