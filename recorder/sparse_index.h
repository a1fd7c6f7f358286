// SPDX-License-Identifier: Apache-2.0
//
// A place every 64 KiB of a segment: for opening at an offset or a time. Derivable; the .idx file
// is believed only if it belongs to the segment and is whole.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/file_system.h"
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

std::string index_path_of(const std::string& segment_path);
std::string encode(const SparseIndex& index, const SegmentHeader& header);
Result<SparseIndex> decode_index(std::string_view bytes, const SegmentHeader& header);

}  // namespace banyan::recorder
