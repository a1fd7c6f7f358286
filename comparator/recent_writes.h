// SPDX-License-Identifier: Apache-2.0
//
// Writes of the last while, and which reads they may have raced with (docs/noise.md): a write spans
// the time from its beginning until both systems have done it, a read that from its first answer's
// beginning to the end of its last one. Where the spans meet, the two systems may have answered the
// read from different states, and nobody is wrong. Only a write on the same thing counts (one path
// leads to the other, by whole segments) or one of the same session. Bounded; the oldest go. Inside
// the comparator only; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>
#include <unordered_map>

#include "core/model/record.h"

namespace banyan::comparator {

class RecentWrites {
 public:
  static constexpr std::size_t kWritesMax = 8192;
  static constexpr std::size_t kSegmentsMax =
      8;                                        // of a path; below them only the whole path counts
  static constexpr std::size_t kLooksMax = 32;  // writes of one thing that one read is held against
  // Who writes more often than that in kKeptNs is not one person (an address that many share, say):
  // of such a session only paths count.
  static constexpr std::size_t kSessionWritesMax = 32;
  // A write whose end nobody told, and any write, is forgotten after that.
  static constexpr std::int64_t kKeptNs = 60'000'000'000;
  // What is not copied reaches the other system, if ever, by a road of its own, within that.
  static constexpr std::int64_t kOtherRoadNs = 1'000'000'000;

  struct Read {
    ExchangeId exchange;
    std::string_view target;
    std::uint64_t session = 0;                // session_of()
    std::int64_t began_ns = 0, ended_ns = 0;  // wall time, of both answers
    std::int64_t answered_ns = 0;             // the client
  };

  // 0 for none.
  static std::uint64_t session_of(std::string_view token);

  void begin(const model::RequestRecord& write);
  bool knows(ExchangeId write) const { return numbers_.count(write) > 0; }
  // The client has its answer, or will get none.
  void on_answered(ExchangeId write, std::int64_t wall_ns);
  // The copy was answered, or there will be none.
  void on_copied(ExchangeId write, std::int64_t wall_ns);

  // The write that began nearest to the client's answer; none for most.
  model::Race race_of(const Read& read) const;

  bool is_empty() const { return writes_.empty(); }
  // Somebody's end is awaited.
  bool has_open() const { return open_ > 0; }
  std::size_t size() const { return writes_.size(); }
  // Writes that went for want of room: what raced with them is not called so.
  std::uint64_t pushed_out() const { return pushed_out_; }

 private:
  // What a read can be found by, and the write before that has the same.
  struct Link {
    std::uint64_t key = 0;
    std::uint64_t before = 0;  // its number
  };
  static constexpr std::size_t kLinksMax = kSegmentsMax + 2;
  static constexpr std::int64_t kOpen = -1;
  struct Write {
    ExchangeId exchange;
    std::int64_t began_ns = 0, answered_ns = kOpen, copied_ns = kOpen;
    bool has_copy = false;
    std::uint64_t session = 0;
    std::array<Link, kLinksMax> links{};
    std::size_t links_count = 0;
  };

  Write* find(ExchangeId exchange);
  const Write& at(std::uint64_t number) const { return writes_[number - first_]; }
  void link(Write& write, std::uint64_t number, std::uint64_t key);
  void drop_oldest();
  static bool is_open(const Write& write);
  static bool meets(const Write& write, const Read& read);
  void look(const Read& read, std::uint64_t key, model::Race& nearest) const;

  std::deque<Write> writes_;
  std::uint64_t first_ = 1;                                  // number of writes_.front()
  std::unordered_map<std::uint64_t, std::uint64_t> latest_;  // number, by key
  std::unordered_map<ExchangeId, std::uint64_t> numbers_;
  std::unordered_map<std::uint64_t, std::size_t> sessions_;  // their writes
  std::size_t open_ = 0;
  std::uint64_t pushed_out_ = 0;
};

}  // namespace banyan::comparator
