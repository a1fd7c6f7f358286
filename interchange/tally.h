// SPDX-License-Identifier: Apache-2.0
//
// Counts what a format could not hold or a file did not give, by a sentence for people. The same
// few sentences come again and again, so that the list stays short.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace banyan::interchange {

class Tally {
 public:
  void count(std::string_view what, std::uint64_t by = 1) {
    if (by == 0) return;
    for (auto& [known, number] : entries_) {
      if (known != what) continue;
      number += by;
      return;
    }
    entries_.emplace_back(std::string(what), by);
  }
  void add(const Tally& other) {
    for (const auto& [what, number] : other.entries_) count(what, number);
  }
  std::uint64_t of(std::string_view what) const {
    for (const auto& [known, number] : entries_) {
      if (known == what) return number;
    }
    return 0;
  }
  // In the order in which they were met first.
  const std::vector<std::pair<std::string, std::uint64_t>>& entries() const { return entries_; }

 private:
  std::vector<std::pair<std::string, std::uint64_t>> entries_;
};

}  // namespace banyan::interchange
