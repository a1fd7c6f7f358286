// SPDX-License-Identifier: Apache-2.0
#include "recorder/sparse_index.h"

#include <algorithm>

namespace banyan::recorder {

void SparseIndex::add(const BatchHeader& header, Position position) {
  end = header.end();
  last_append_wall_ns = header.append_wall_ns;
  if (entries.empty() || position.value >= entries.back().position.value + kIndexStepBytes) {
    entries.push_back(IndexEntry{header.base, position, header.append_wall_ns});
  }
}

Position SparseIndex::position_of(Offset offset) const {
  const auto after =
      std::upper_bound(entries.begin(), entries.end(), offset,
                       [](Offset wanted, const IndexEntry& entry) { return wanted < entry.base; });
  return after == entries.begin() ? Position{kSegmentHeaderBytes} : std::prev(after)->position;
}

Offset SparseIndex::offset_before(std::int64_t wall_ns, Offset fallback) const {
  const auto after = std::partition_point(
      entries.begin(), entries.end(),
      [wall_ns](const IndexEntry& entry) { return entry.append_wall_ns < wall_ns; });
  return after == entries.begin() ? fallback : std::prev(after)->base;
}

}  // namespace banyan::recorder
