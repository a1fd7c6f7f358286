// SPDX-License-Identifier: Apache-2.0
//
// The order rule of copies (design.md, section 4): a copy waits for an earlier write copy of its
// session iff that exchange had ended before this one's head arrived; what overlapped may overlap,
// and between epochs the older one goes first. There is no order between sessions.
//
// Each step costs O(log n) of one session. Loop-confined.
#pragma once

#include <cstdint>
#include <set>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace banyan::replay {

// What the order needs to know of a copy; the owner derives from it. Must outlive its stay here.
struct OrderedCopy {
  std::uint64_t session = 0;  // hash of the session token; 0: no session, no order
  std::uint64_t epoch = 0;
  std::int64_t started_mono_ns = 0;
  std::int64_t ended_mono_ns = 0;  // of the primary's answer; set before hold()
  std::uint64_t sequence = 0;      // in the order of reading; unique
  bool is_holding = false;         // owned by SessionOrder
  bool is_waiting = false;         // owned by SessionOrder
};

class SessionOrder {
 public:
  // A write copy whose primary has ended: from now on it holds back what began after that end.
  void hold(OrderedCopy& copy);
  // True while an earlier write copy holds this one back.
  bool must_wait(const OrderedCopy& copy) const;
  // Puts the copy in line; release() of the last one before it frees it.
  void wait(OrderedCopy& copy);
  // The copy ended or was given up: it neither holds nor waits any more. Copies that may go now are
  // appended to `freed` in the order in which they began.
  void release(OrderedCopy& copy, std::vector<OrderedCopy*>& freed);
  std::size_t sessions() const { return sessions_.size(); }

 private:
  // (epoch, time, sequence)
  using Key = std::tuple<std::uint64_t, std::int64_t, std::uint64_t>;
  struct ByKey {
    bool operator()(const std::pair<Key, OrderedCopy*>& a,
                    const std::pair<Key, OrderedCopy*>& b) const {
      return a.first < b.first;
    }
  };
  struct Session {
    std::set<Key> holding;                                  // by the primary's end
    std::set<std::pair<Key, OrderedCopy*>, ByKey> waiting;  // by the head's arrival
  };
  static bool is_held(const Session& session, const OrderedCopy& copy);
  static Key begin_of(const OrderedCopy& copy);
  static Key end_of(const OrderedCopy& copy);

  std::unordered_map<std::uint64_t, Session> sessions_;
};

}  // namespace banyan::replay
