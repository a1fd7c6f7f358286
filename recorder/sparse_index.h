// SPDX-License-Identifier: Apache-2.0
//
// A place every 64 KiB of a segment: for opening at an offset or a time. Part of the footer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "recorder/format.h"

namespace banyan::recorder {

inline constexpr std::uint64_t kIndexStepBytes = 64U << 10;

struct IndexEntry {
  Offset base;
  Position position;
  std::int64_t append_wall_ns = 0;
  bool operator==(const IndexEntry&) const = default;
};

struct SparseIndex {
  std::vector<IndexEntry> entries;  // in order
  Offset end;                       // behind the last record
  std::int64_t last_append_wall_ns = 0;
  bool operator==(const SparseIndex&) const = default;

  // Notes a batch if the last entry is a step away.
  void add(const BatchHeader& header, Position position);
  // Where to begin reading for this offset: the last entry at or before it.
  Position position_of(Offset offset) const;
  // Where to begin for the first record appended at `wall_ns` or later.
  Offset offset_before(std::int64_t wall_ns, Offset fallback) const;
};

}  // namespace banyan::recorder
