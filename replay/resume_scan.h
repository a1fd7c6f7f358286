// SPDX-License-Identifier: Apache-2.0
//
// Which exchanges behind the mirror's cursor were already copied or skipped before the last stop,
// so that each gets exactly one SHADOW or SKIP. Holds the ids of those that were not, up to a
// bound; past it the rest of the log is scanned again when the mirror gets there.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_set>

#include "core/model/record_io.h"

namespace banyan::replay {

// One thread.
class ResumeScan {
 public:
  static constexpr std::size_t kIdsMax = 4'000'000;

  explicit ResumeScan(model::LogAccess& log, std::size_t ids_max = kIdsMax)
      : log_(log), ids_max_(ids_max) {}

  // Reads from `from` to what is the end now.
  Status scan(const model::Cursor& from);
  // For a REQUEST that the mirror reads (each place once, in order): false if its copy has ended
  // already. May scan again.
  Result<bool> is_due(std::string_view stream, Offset offset, ExchangeId exchange);
  // True if the record was in the log before this start: its monotonic time may be of another boot.
  bool is_of_the_past(std::string_view stream, Offset offset) const {
    return offset < end_.next_of(stream);
  }

 private:
  void on_request(const model::SourcedRecord& record);

  model::LogAccess& log_;
  const std::size_t ids_max_;
  std::unordered_set<ExchangeId> due_;    // read, and nothing has ended them yet
  std::unordered_set<ExchangeId> ended_;  // end seen, REQUEST not: another stream was read first
  bool is_full_ = false;
  model::Cursor covered_;  // due_ is exact up to here
  model::Cursor end_;      // of the log at the first scan
};

}  // namespace banyan::replay
