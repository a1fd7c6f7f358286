// SPDX-License-Identifier: Apache-2.0
//
// Exchanges whose copy is still to come, and copies whose exchange is still open, bounded by count
// and bytes. What is pushed out is found again in the log (LateLookup). Inside the comparator only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "comparator/judge.h"

namespace banyan::comparator {

// A SHADOW that waits for its exchange to close.
struct WaitingShadow {
  RunId run;
  Place place;
  std::string encoded;  // "" where it was pushed out: to be read again
};

struct Join {
  ExchangeCase exchange;
  std::vector<WaitingShadow> shadows;

  // The table's own: what it counts for, and its neighbours by age where it is listed.
  std::size_t counted_bytes = 0;
  bool is_listed = false;
  Join* older = nullptr;
  Join* newer = nullptr;
};

class JoinTable {
 public:
  struct Bounds {
    std::size_t joins_max = 65'536;
    std::uint64_t bytes_max = 64ULL << 20;
  };
  // Joins that are kept for their room when they are done, and the largest that is.
  static constexpr std::size_t kSpareMax = 512;
  static constexpr std::size_t kSpareBytesMax = 16 * 1024;

  explicit JoinTable(Bounds bounds) : bounds_(bounds) {}

  Join* find(ExchangeId exchange);
  // A blank join, in place of one that is there. Call weigh() when it is filled.
  Join& add(ExchangeId exchange);
  // Counts the bytes of this join anew, and pushes out the oldest others beyond the bounds:
  // pointers to others do not outlive this call.
  void weigh(Join& join);
  void erase(ExchangeId exchange);
  std::size_t size() const { return joins_.size(); }
  std::uint64_t pushed_out() const { return pushed_out_; }

 private:
  using Joins = std::unordered_map<ExchangeId, Join>;

  void count(Join& join, std::size_t bytes);
  void list(Join& join);
  void unlist(Join& join);
  void strip(Join& join);

  Bounds bounds_;
  Joins joins_;
  std::vector<Joins::node_type> spare_;
  Join* oldest_ = nullptr;
  Join* newest_ = nullptr;
  std::uint64_t bytes_ = 0;
  std::uint64_t pushed_out_ = 0;
};

}  // namespace banyan::comparator
