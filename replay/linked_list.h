// SPDX-License-Identifier: Apache-2.0
//
// A list whose links lie in its items: putting in and taking out cost no memory. It owns nothing;
// an item is in at most one list per link and outlives its stay.
#pragma once

#include <cstddef>

namespace banyan::replay {

template <typename T>
struct Link {
  T* previous = nullptr;
  T* next = nullptr;
};

template <typename T, Link<T> T::*kLink>
class LinkedList {
 public:
  bool empty() const { return first_ == nullptr; }
  std::size_t size() const { return size_; }
  T* front() const { return first_; }
  T* back() const { return last_; }
  static T* after(const T& item) { return (item.*kLink).next; }

  void push_back(T& item) {
    item.*kLink = Link<T>{last_, nullptr};
    (last_ == nullptr ? first_ : (last_->*kLink).next) = &item;
    last_ = &item;
    ++size_;
  }
  void erase(T& item) {
    const Link<T> link = item.*kLink;
    (link.previous == nullptr ? first_ : (link.previous->*kLink).next) = link.next;
    (link.next == nullptr ? last_ : (link.next->*kLink).previous) = link.previous;
    --size_;
  }

 private:
  T* first_ = nullptr;
  T* last_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace banyan::replay
