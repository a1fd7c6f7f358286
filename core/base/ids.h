// SPDX-License-Identifier: Apache-2.0
//
// Distinct integers get distinct types.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace banyan {

// The number of a record in its stream. Starts at 0, never reused, also not after a crash.
struct Offset {
  std::uint64_t value = 0;
  auto operator<=>(const Offset&) const = default;
  Offset next() const { return Offset{value + 1}; }
};

// A byte in a file.
struct Position {
  std::uint64_t value = 0;
  auto operator<=>(const Position&) const = default;
};

// One start of the writing process on this data directory; 1 at the first.
struct Epoch {
  std::uint64_t value = 0;
  auto operator<=>(const Epoch&) const = default;
};

// 128 bits, unique over the life of a fleet: node (16) | epoch (48) and lane (16) | counter (48).
struct ExchangeId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  auto operator<=>(const ExchangeId&) const = default;

  static ExchangeId make(std::uint16_t node, Epoch epoch, std::uint16_t lane,
                         std::uint64_t counter);
  Epoch epoch() const { return Epoch{high & 0xffff'ffff'ffffULL}; }
  bool is_null() const { return high == 0 && low == 0; }

  // 32 lower-case hex digits.
  std::string to_string() const;
  static std::optional<ExchangeId> parse(std::string_view text);
};

// Why a witness was sent: a copy of a safe request, sent only to learn how stable answers are.
enum class WitnessReason : std::uint8_t {
  kConfirmation = 0,  // the exchange's VERDICT was `different`: both systems are asked again
  kControl = 1,       // chosen without regard to the verdict
};
enum class WitnessOf : std::uint8_t { kLegacy = 0, kCandidate = 1, kTwin = 2 };
// Against the recorded answer, which is the primary's: of the same system, or of the other one.
enum class WitnessSide : std::uint8_t { kSame = 0, kOther = 1 };

// Names a replay or reconcile run; the live mirror is run 0. A range above all runs names
// witnesses: reason (4 bits), side (1), whom was asked (3), the number of the question from 0 (4),
// and of how many (4). Below 2^53, so that every reader of JSON keeps it exact.
struct RunId {
  static constexpr std::uint64_t kWitnesses = 1ULL << 40;
  static constexpr std::uint64_t kWitnessesEnd = kWitnesses + (1ULL << 16);
  static constexpr unsigned kQuestionsMax = 15;

  std::uint64_t value = 0;
  auto operator<=>(const RunId&) const = default;
  bool is_live() const { return value == 0; }
  bool is_witness() const { return value >= kWitnesses && value < kWitnessesEnd; }

  // `number` < `of` <= kQuestionsMax.
  static constexpr RunId confirmation(WitnessOf whom, WitnessSide side, unsigned number,
                                      unsigned of) {
    return witness(WitnessReason::kConfirmation, whom, side, number, of);
  }
  static constexpr RunId control(WitnessOf whom) {
    return witness(WitnessReason::kControl, whom, WitnessSide::kSame, 0, 1);
  }
  // Of a witness.
  WitnessReason reason() const { return static_cast<WitnessReason>((value >> 12) & 15); }
  WitnessSide side() const { return static_cast<WitnessSide>((value >> 11) & 1); }
  WitnessOf whom() const { return static_cast<WitnessOf>((value >> 8) & 7); }
  unsigned number() const { return static_cast<unsigned>((value >> 4) & 15); }
  unsigned of() const { return static_cast<unsigned>(value & 15); }

 private:
  static constexpr RunId witness(WitnessReason why, WitnessOf whom, WitnessSide side,
                                 unsigned number, unsigned of) {
    return RunId{kWitnesses | static_cast<std::uint64_t>(why) << 12 |
                 static_cast<std::uint64_t>(side) << 11 | static_cast<std::uint64_t>(whom) << 8 |
                 static_cast<std::uint64_t>(number & 15) << 4 | (of & 15)};
  }
};

}  // namespace banyan

// Neighbours of one lane stay neighbours: the exchanges of one moment count up, and their places in
// a table share cache lines instead of being strewn over it. Lanes lie apart.
template <>
struct std::hash<banyan::ExchangeId> {
  std::size_t operator()(const banyan::ExchangeId& id) const noexcept {
    return static_cast<std::size_t>(id.low + (id.high + (id.low >> 48)) * 0x9E3779B97F4A7C15ULL);
  }
};
