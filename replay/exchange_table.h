// SPDX-License-Identifier: Apache-2.0
//
// Finds items by their exchange. The chains run through the items, so that putting in and taking
// out cost no memory but the doubling of the table. It owns nothing. Loop-confined.
#pragma once

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "core/base/ids.h"

namespace banyan::replay {

// T has `ExchangeId exchange`, unique in the table and fixed while it is in, and `T* chained`.
template <typename T>
class ExchangeTable {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  T* find(ExchangeId exchange) const {
    if (size_ == 0) return nullptr;
    T* item = chains_[place_of(exchange)];
    while (item != nullptr && item->exchange != exchange) item = item->chained;
    return item;
  }
  void insert(T& item) {
    if (size_ == chains_.size()) grow();
    chain(item);
    ++size_;
  }
  // It must be in.
  void erase(T& item) {
    T** at = &chains_[place_of(item.exchange)];
    while (*at != &item) at = &(*at)->chained;
    *at = item.chained;
    --size_;
  }

 private:
  static constexpr std::size_t kFirstSize = 256;  // and doubled: a power of two

  std::size_t place_of(ExchangeId exchange) const {
    return std::hash<ExchangeId>()(exchange) & (chains_.size() - 1);
  }
  void chain(T& item) {
    T*& first = chains_[place_of(item.exchange)];
    item.chained = std::exchange(first, &item);
  }
  void grow() {
    const std::size_t size = chains_.empty() ? kFirstSize : 2 * chains_.size();
    const std::vector<T*> before = std::exchange(chains_, std::vector<T*>(size));
    for (T* item : before) {
      while (item != nullptr) chain(*std::exchange(item, item->chained));
    }
  }

  std::vector<T*> chains_;
  std::size_t size_ = 0;
};

}  // namespace banyan::replay
