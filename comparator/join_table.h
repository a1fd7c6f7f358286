// SPDX-License-Identifier: Apache-2.0
//
// Exchanges whose copy is still to come, and copies whose exchange is still open, bounded by count and
// bytes. What is pushed out is found again in the log (LateLookup). Inside the comparator only.
#pragma once

#include <cstdint>
#include <deque>
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
};

class JoinTable {
 public:
  struct Bounds {
    std::size_t joins_max = 65'536;
    std::uint64_t bytes_max = 64ULL << 20;
  };
  explicit JoinTable(Bounds bounds) : bounds_(bounds) {}

  Join* find(ExchangeId exchange);
  // The oldest joins are pushed out beyond the bounds. The pointer is valid until the next call.
  Join* add(Join join);
  void erase(ExchangeId exchange);
  // Call after a join took more bytes.
  void grew(std::size_t bytes) { bytes_ += bytes; }
  std::size_t size() const { return joins_.size(); }
  std::uint64_t pushed_out() const { return pushed_out_; }

  static std::size_t bytes_of(const Join& join);

 private:
  void make_room(ExchangeId keep);
  void strip(Join& join);
  void trim_order();

  Bounds bounds_;
  std::unordered_map<ExchangeId, Join> joins_;
  std::deque<ExchangeId> order_;  // by age; may name joins that are gone
  std::uint64_t bytes_ = 0;
  std::uint64_t pushed_out_ = 0;
};

}  // namespace banyan::comparator
