// SPDX-License-Identifier: Apache-2.0
//
// How much findings.sqlite keeps of what grows with the traffic, and what it had no room for.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

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

// How many further rows a table takes.
class TableRoom {
 public:
  static Result<TableRoom> of(store::Database& database, std::string_view table,
                              std::int64_t rows_max, std::atomic<std::uint64_t>& left_out);
  // False, and counted, where there is none.
  bool take() {
    if (rows_ <= 0) {
      left_out_->fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    --rows_;
    return true;
  }

 private:
  TableRoom(std::int64_t rows, std::atomic<std::uint64_t>& left_out)
      : rows_(rows), left_out_(&left_out) {}
  std::int64_t rows_;
  std::atomic<std::uint64_t>* left_out_;
};

}  // namespace banyan::comparator
