// SPDX-License-Identifier: Apache-2.0
//
// Exchanges that have their VERDICT and are about to be asked for again (docs/noise.md): kept a
// while, so that the answers of witnesses are compared without reading the log again. Bounded; the
// oldest go. Inside the comparator only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "comparator/judge.h"

namespace banyan::comparator {

class RestedCases {
 public:
  static constexpr std::size_t kCasesMax = 8192;
  static constexpr std::size_t kBytesMax = 32U << 20;

  // `exchange` with its RESPONSE.
  void add(ExchangeCase exchange) {
    const ExchangeId id = exchange.exchange;
    const std::size_t bytes = bytes_of(exchange);
    if (bytes > kBytesMax || !cases_.try_emplace(id, std::move(exchange)).second) return;
    order_.push_back(id);
    bytes_ += bytes;
    while (order_.size() > kCasesMax || bytes_ > kBytesMax) {
      const auto oldest = cases_.find(order_.front());
      bytes_ -= bytes_of(oldest->second);
      cases_.erase(oldest);
      order_.pop_front();
    }
  }
  // Valid until the next add().
  const ExchangeCase* find(ExchangeId exchange) const {
    const auto found = cases_.find(exchange);
    return found == cases_.end() ? nullptr : &found->second;
  }
  std::size_t size() const { return cases_.size(); }

 private:
  static std::size_t bytes_of(const ExchangeCase& one) {
    return sizeof(ExchangeCase) + one.response.size() + one.target.size() +
           one.operation.name.size();
  }

  std::unordered_map<ExchangeId, ExchangeCase> cases_;
  std::deque<ExchangeId> order_;
  std::size_t bytes_ = 0;
};

}  // namespace banyan::comparator
