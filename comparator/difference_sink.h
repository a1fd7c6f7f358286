// SPDX-License-Identifier: Apache-2.0
//
// Collects the differences of one comparison within its bounds. For the comparator's own sources.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/options.h"
#include "core/model/record.h"

namespace banyan::comparator {

class DifferenceSink {
 public:
  explicit DifferenceSink(const ComparatorOptions& options) : options_(options) {}

  // False past differences_max: what is added then is counted alone.
  bool has_room() const { return differences_.size() < options_.differences_max; }
  // True there, and counted, so that nobody need describe it.
  bool omits(std::string_view rule);
  // Cuts what is shown; omits past the bound. Drops what differs by the key of a token alone.
  void add(model::Difference difference);

  std::size_t shown_bytes_max() const { return options_.shown_bytes_max; }
  // True once two tokens of different keys met, which is no difference and no equality either.
  bool has_other_key() const { return has_other_key_; }
  // True once a difference came that no rule covers.
  bool has_uncovered() const { return has_uncovered_; }
  // All of them; those past the bound as one.
  std::vector<model::Difference> take();

 private:
  const ComparatorOptions& options_;
  std::vector<model::Difference> differences_;
  std::uint64_t omitted_ = 0;
  bool has_uncovered_ = false;
  bool has_other_key_ = false;
  bool has_uncovered_omitted_ = false;
};

// At most `bytes_max` bytes, cut before a UTF-8 sequence, with an ellipsis where cut.
std::string cut_shown(std::string_view text, std::size_t bytes_max);

}  // namespace banyan::comparator
