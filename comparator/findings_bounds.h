// SPDX-License-Identifier: Apache-2.0
//
// How much findings.sqlite keeps of what grows with the traffic, and what it had no room for.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "core/base/error.h"
#include "core/store/database.h"

namespace banyan::comparator {

// Rows of each table. Past it what is there already goes on, and what is new is left out: places
// stay `suspect`, shapes and samples say less, and readiness counts under one name for all others.
struct FindingsBounds {
  std::int64_t places = 20'000;     // of noise: a path with its kind of difference and transition
  std::int64_t races = 20'000;      // of them, those that overlapped a write
  std::int64_t shapes = 100'000;    // of values, by place
  std::int64_t standings = 40'000;  // that are kept (hysteresis)
  std::int64_t readiness = 20'000;  // of route, endpoint, status class and shape of request
  std::int64_t samples = 100'000;   // requests per endpoint and day
};

// What was left out of each since the file was opened: counts of changes, not of rows. Samples:
// endpoints on a day.
struct FindingsLeftOut {
  std::uint64_t places = 0, races = 0, shapes = 0, standings = 0, readiness = 0, samples = 0;
};

// How many further rows a table takes. Its rows are counted when the first one is asked for.
class TableRoom {
 public:
  TableRoom(store::Database& database, const char* table, std::int64_t rows_max,
            std::atomic<std::uint64_t>& left_out)
      : database_(database), table_(table), rows_max_(rows_max), left_out_(left_out) {}
  // False, and counted, where there is none.
  Result<bool> take();
  // `write` with `update`, and where there was no such row with `insert`, if there is room.
  template <typename Write>
  Status update_or_insert(store::Statement& update, store::Statement& insert, const Write& write) {
    BANYAN_RETURN_IF_ERROR(write(update));
    if (database_.changes() > 0) return {};
    const auto has_room = take();
    if (!has_room.ok()) return has_room.error();
    return *has_room ? write(insert) : Status();
  }

 private:
  store::Database& database_;
  const char* const table_;
  const std::int64_t rows_max_;
  std::atomic<std::uint64_t>& left_out_;
  std::optional<std::int64_t> room_;
};

}  // namespace banyan::comparator
