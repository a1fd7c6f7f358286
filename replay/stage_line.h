// SPDX-License-Identifier: Apache-2.0
//
// The copies of one stage, by key. Nearly all of them come in the order of their keys and are
// linked at the end at the cost of two pointers; one that comes late goes into a map, so that the
// worst order costs O(log n) too. Loop-confined.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "replay/linked_list.h"

namespace banyan::replay {

using LineKey = std::pair<std::int64_t, std::uint64_t>;

// What a line keeps in its items, as T::place.
struct LinePlace {
  LineKey key;  // unique within a line
  bool is_late = false;
};

template <typename T, Link<T> T::*kLink>
class StageLine {
 public:
  bool empty() const { return in_order_.empty() && late_.empty(); }
  std::size_t size() const { return in_order_.size() + late_.size(); }

  // The least key; nullptr where empty.
  T* front() const {
    T* const first = in_order_.front();
    if (late_.empty()) return first;
    T* const late = late_.begin()->second;
    return first == nullptr || late->place.key < first->place.key ? late : first;
  }
  void insert(T& item, LineKey key) {
    const T* const last = in_order_.back();
    item.place.key = key;
    item.place.is_late = last != nullptr && key < last->place.key;
    if (item.place.is_late) {
      late_.emplace(key, &item);
    } else {
      in_order_.push_back(item);
    }
  }
  void erase(T& item) {
    if (item.place.is_late) {
      late_.erase(item.place.key);
    } else {
      in_order_.erase(item);
    }
  }
  // In no order between the two parts. `on_item` must leave the line as it is.
  template <typename F>
  void for_each(F on_item) const {
    for (const auto& [key, item] : late_) on_item(*item);
    for (T* item = in_order_.front(); item != nullptr; item = in_order_.after(*item))
      on_item(*item);
  }

 private:
  LinkedList<T, kLink> in_order_;
  std::map<LineKey, T*> late_;
};

}  // namespace banyan::replay
