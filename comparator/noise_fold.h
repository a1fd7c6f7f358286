// SPDX-License-Identifier: Apache-2.0
//
// Pairs what witnesses answered with what their exchange had shown, in memory and within bounds:
// what is lost there, or by a restart, is counted (as far as anybody can) and missing from the
// counts, which stay right. Inside of findings.h; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "comparator/noise.h"
#include "comparator/noise_sides.h"
#include "core/model/record.h"

namespace banyan::comparator {

// What stands for every transition of a path and kind: counted beside each one, since noise that
// has many is seen best together, and a fault whose transition noise never has, apart.
inline constexpr std::string_view kEveryTransition = "*";

// A place in answers of one route; endpoint "*" for header fields, as findings have it.
struct NoiseKey {
  std::string route, endpoint, path, kind, transition;
  auto operator<=>(const NoiseKey&) const = default;
};

class NoiseFold {
 public:
  static constexpr std::size_t kRecent = 65'536;    // live VERDICTs that are remembered
  static constexpr std::size_t kWaitingMax = 8192;  // exchanges with witnesses to be paired
  static constexpr std::size_t kPathsMax = 256;     // of one exchange; more are left out
  static constexpr std::size_t kRacesMax = 8192;    // exchanges that overlapped a write

  struct Path {
    std::string path, kind, transition;
    auto operator<=>(const Path&) const = default;
  };
  using Paths = std::set<Path>;
  // The path with its transition, and with every one.
  static void add(Paths& paths, std::string path, std::string kind, std::string transition);

  // All witnesses of one exchange are there.
  struct Complete {
    ExchangeId exchange;
    WitnessReason reason = WitnessReason::kConfirmation;
    std::string route, endpoint;
    unsigned asked = 1;
    // In how many answers each differed from the recorded one.
    std::map<Path, unsigned> same_system;  // of the system that answered the client, or its twin
    std::map<Path, unsigned> other_system;
    // Of a confirmation: the write that the exchange overlapped, and by path what the last answer
    // of each system differed in from the recorded one, as text; none where it did not.
    model::Race race;
    std::map<std::string, std::string> same_last, other_last;
    // Whether the last answers of both systems were the same there.
    bool agreed_at(const std::string& path) const;
  };

  // A live VERDICT was folded. Not usable: nothing is to be learnt from it. The control that waited
  // for it, if any. What overlapped a write is no control pair: both systems may have been right.
  std::optional<Complete> note_live(ExchangeId exchange, bool is_usable,
                                    const model::Race& race = {});
  // `endpoint`: its learned name. The exchange, where this was the last that was missing.
  std::optional<Complete> add(const model::VerdictRecord& witness, std::string_view endpoint);

  // Counts since clear_counts().
  NoiseCounts& at(const NoiseKey& key) { return counts_[key]; }
  std::uint64_t& pairs_of(const std::string& route, const std::string& endpoint) {
    return pairs_[{route, endpoint}];
  }
  const std::map<NoiseKey, NoiseCounts>& counts() const { return counts_; }
  const std::map<std::pair<std::string, std::string>, std::uint64_t>& pairs() const {
    return pairs_;
  }
  // Live comparisons of an endpoint, and those that overlapped a write.
  struct Overlaps {
    std::uint64_t watched = 0, overlapped = 0;
  };
  // `name`: of the endpoint, in LatencyCounts; valid as long as its names are.
  void watch(std::uint64_t name, bool is_overlapped) {
    if (overlaps_.size() <= name) overlaps_.resize(name + 1);
    ++overlaps_[name].watched;
    overlaps_[name].overlapped += is_overlapped ? 1 : 0;
  }
  const std::vector<Overlaps>& overlaps() const { return overlaps_; }
  // Whether what is shown of both sides has shapes: values, and lists in another order.
  static bool has_shapes(const model::Difference& one);
  // Shapes of values by place, in every transition; past the bound of places none are added.
  static constexpr std::size_t kShapePlacesMax = 20'000;
  void add_shapes(const model::VerdictRecord& live);
  void add_shapes_again(const model::VerdictRecord& witness, std::string_view endpoint);
  const std::map<NoiseKey, ShapeTally>& shapes() const { return shapes_; }
  void clear_counts();
  void clear();
  void count_unpaired() { ++unpaired_; }
  std::uint64_t unpaired() const { return unpaired_; }

 private:
  struct Waiting {
    Complete so_far;
    bool is_spoiled = false;  // one of them says nothing
    std::set<std::uint64_t> runs;
  };

  using ShapePlace = std::pair<std::string, DifferenceKind>;  // by path
  ShapeTally* shapes_at(std::string_view route, std::string_view endpoint, const ShapePlace& place);
  void note_race(ExchangeId exchange, const model::Race& race);
  std::uint64_t mark_of(ExchangeId exchange) const;
  Waiting& waiting_of(ExchangeId exchange);

  std::unique_ptr<std::array<std::uint64_t, kRecent>> recent_;
  std::map<std::pair<ExchangeId, int>, Waiting> waiting_;
  std::deque<std::pair<ExchangeId, int>> order_;
  std::unordered_map<ExchangeId, model::Race> races_;
  std::deque<ExchangeId> races_order_;
  std::map<NoiseKey, NoiseCounts> counts_;
  std::vector<Overlaps> overlaps_;  // by name
  std::map<NoiseKey, ShapeTally> shapes_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> pairs_;
  std::uint64_t unpaired_ = 0;
};

}  // namespace banyan::comparator
