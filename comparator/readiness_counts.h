// SPDX-License-Identifier: Apache-2.0
//
// Compared pairs counted in memory until they are written: by endpoint, class of the legacy status
// and shape of the request. One addition for each VERDICT. For the comparator's own sources. One
// thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "core/model/record.h"

namespace banyan::comparator {

inline constexpr std::int64_t kHourNs = 3'600'000'000'000;

// What a pair of answers says about readiness: as its verdict, but where both systems fail there is
// nothing to learn.
Verdict weight_of(Verdict verdict, std::uint16_t legacy_status, std::uint16_t candidate_status);

// 1 to 5; 0 without an answer.
inline int class_of_status(std::uint16_t status) {
  return status >= 100 && status < 600 ? status / 100 : 0;
}

class ReadinessCounts {
 public:
  // Cells in memory past which it wants to be written.
  static constexpr std::size_t kCellsMax = 10'000;

  struct Cell {
    std::uint64_t name = 0;  // of LatencyCounts
    int status_class = 0;
    std::uint32_t shape = 0;
    std::array<std::int64_t, 4> counts{};              // by Verdict; a later generation takes back
    std::int64_t first_wall_ns = 0, last_wall_ns = 0;  // 0: of later generations alone
    std::uint32_t hours = 0;                           // of the day (UTC), a bit each
    ExchangeId exemplar;
  };

  void add(std::uint64_t name, const model::VerdictRecord& verdict);
  bool is_full() const { return cells_.size() >= kCellsMax; }
  void clear();
  const std::vector<Cell>& all() const { return cells_; }  // in the order of their first pair

 private:
  Cell& cell_of(std::uint64_t name, int status_class, std::uint32_t shape,
                const model::VerdictRecord& verdict);

  std::vector<Cell> cells_;
  std::unordered_map<std::uint64_t, std::size_t> index_;
  std::uint64_t last_key_ = 0;  // traffic repeats itself
  std::size_t last_ = SIZE_MAX;
};

}  // namespace banyan::comparator
