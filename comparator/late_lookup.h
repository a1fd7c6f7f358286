// SPDX-License-Identifier: Apache-2.0
//
// Finds the REQUEST and the closing record of exchanges that are no longer in memory, by reading
// the log again: one pass for many. Replays ask in log order, so a pass begins where the last one
// found its first. Inside the comparator only. One thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "comparator/join_table.h"

namespace banyan::comparator {

// One copy whose exchange is wanted.
struct LateCopy {
  ExchangeCase exchange;
  WaitingShadow shadow;
};

class LateLookup {
 public:
  static constexpr std::size_t kCopiesMax = 4096;
  static constexpr std::uint64_t kBytesMax = 32ULL << 20;

  explicit LateLookup(model::LogAccess& log) : log_(log) {}
  void add(LateCopy copy);
  bool is_empty() const { return copies_.empty(); }
  // Somebody but witnesses waits.
  bool is_urgent() const;
  bool is_full() const { return copies_.size() >= kCopiesMax || bytes_ >= kBytesMax; }
  std::size_t size() const { return copies_.size(); }
  // Everything that was added, as complete as the log has it.
  Result<std::vector<LateCopy>> resolve(ChunkStarts& chunk_starts);

 private:
  Status pass(const model::Cursor& from, ChunkStarts& chunk_starts);

  model::LogAccess& log_;
  std::vector<LateCopy> copies_;
  std::uint64_t bytes_ = 0;
  model::Cursor hint_;
};

// Fills what an encoded REQUEST, RESPONSE, OUTCOME or GAP says about this exchange. Of `record` the
// head is decoded; the rest of it is where that is needed.
void note_request(ExchangeCase& exchange, model::RequestRecord& record,
                  const model::SourcedRecord& sourced);
void note_gap(ExchangeCase& exchange, std::uint8_t sides);

}  // namespace banyan::comparator
