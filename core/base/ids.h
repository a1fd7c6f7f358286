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

// Names a replay or reconcile run; the live mirror is run 0.
struct RunId {
  std::uint64_t value = 0;
  auto operator<=>(const RunId&) const = default;
  bool is_live() const { return value == 0; }
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
