// SPDX-License-Identifier: Apache-2.0
#include "comparator/readiness_counts.h"

#include <algorithm>

namespace banyan::comparator {
namespace {

std::size_t index_of(Verdict verdict) { return static_cast<std::size_t>(verdict); }

}  // namespace

Verdict weight_of(Verdict verdict, std::uint16_t legacy_status, std::uint16_t candidate_status) {
  return legacy_status >= 500 && candidate_status >= 500 ? Verdict::kIncomparable : verdict;
}

ReadinessCounts::Cell& ReadinessCounts::cell_of(std::uint64_t name, int status_class,
                                                std::uint32_t shape,
                                                const model::VerdictRecord& verdict) {
  const std::uint64_t key = (name << 35) | (static_cast<std::uint64_t>(status_class) << 32) | shape;
  if (key == last_key_ && last_ < cells_.size()) return cells_[last_];
  const auto [found, is_new] = index_.try_emplace(key, cells_.size());
  if (is_new) {
    Cell& cell = cells_.emplace_back();
    cell.name = name;
    cell.status_class = status_class;
    cell.shape = shape;
    cell.exemplar = verdict.exchange;
  }
  last_key_ = key;
  last_ = found->second;
  return cells_[last_];
}

void ReadinessCounts::add(std::uint64_t name, const model::VerdictRecord& verdict) {
  Cell& cell =
      cell_of(name, class_of_status(verdict.legacy_status), verdict.request_shape, verdict);
  const auto weight = [&](Verdict one) {
    return index_of(weight_of(one, verdict.legacy_status, verdict.candidate_status));
  };
  ++cell.counts[weight(verdict.verdict)];
  // Traffic was then, not when somebody compared it again.
  if (verdict.has_previous) {
    --cell.counts[weight(verdict.previous)];
    return;
  }
  const std::int64_t wall = verdict.at.wall_ns;
  cell.first_wall_ns = cell.first_wall_ns == 0 ? wall : std::min(cell.first_wall_ns, wall);
  cell.last_wall_ns = std::max(cell.last_wall_ns, wall);
  cell.hours |= 1U << (static_cast<std::uint64_t>(wall) / kHourNs % 24);
}

void ReadinessCounts::clear() {
  cells_.clear();
  index_.clear();
  last_ = SIZE_MAX;
}

}  // namespace banyan::comparator
