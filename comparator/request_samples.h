// SPDX-License-Identifier: Apache-2.0
//
// Where some REQUESTs of each endpoint lie, whatever their verdict: of every day the kEach with the
// lowest draw, which is a hash of the exchange, so that a fold that is repeated draws the same, and
// what two endpoints drew can be put together. One comparison for each VERDICT. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/ids.h"

namespace banyan::comparator {

class RequestSamples {
 public:
  static constexpr std::size_t kEach = 100;  // of one endpoint and day
  static constexpr std::size_t kGroupsMax =
      5'000;  // endpoints in memory; past it all are forgotten

  struct Sample {
    std::int64_t draw = 0;
    ExchangeId exchange;
    std::string stream;
    Offset offset;
    int status_class = 0;
  };
  // Of one endpoint.
  struct Group {
    std::int64_t day = -1;         // since 1970 (UTC); -1: nothing is known of it
    std::set<std::int64_t> drawn;  // that day, at most kEach
    bool is_closed = false;        // no room for another endpoint
    std::vector<Sample> waiting;   // drawn and not written
    bool wants(std::int64_t draw) const {
      return !is_closed && (drawn.size() < kEach || draw < *drawn.rbegin());
    }
    void take(Sample sample);
  };
  using Key = std::pair<std::string, std::string>;  // route, endpoint

  static std::int64_t day_of(std::int64_t wall_ns) { return wall_ns / 86'400'000'000'000; }
  static std::int64_t draw_of(ExchangeId exchange);

  // By its number in LatencyCounts, whose names are cleared together with forget_numbers().
  Group& group(std::uint64_t number, std::string_view route, std::string_view endpoint);
  void forget_numbers() { by_number_.clear(); }
  void clear();
  std::map<Key, Group>& groups() { return groups_; }

 private:
  std::map<Key, Group> groups_;
  std::vector<Group*> by_number_;
};

}  // namespace banyan::comparator
