// SPDX-License-Identifier: Apache-2.0
//
// How much legacy may be asked besides its own traffic, and when it had better be left alone. Plain
// values; one thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace banyan::replay {

// A bucket of questions: a share of the live safe exchanges, and a few a second in any case.
class WitnessBudget {
 public:
  // What may be saved up: so many questions, or those of one second of traffic if that is more.
  static constexpr double kSavedMin = 20;

  void configure(double share, double floor_per_second);
  void on_exchange(std::int64_t now_ns);  // a live safe one
  void on_time(std::int64_t now_ns);
  // Both of them on_time() first. A control leaves half of the bucket to confirmations.
  bool may_take(unsigned questions) const { return tokens_ >= questions; }
  bool may_take_control() const { return tokens_ >= 1 + saved_max_ / 2; }
  void take(unsigned questions) { tokens_ -= questions; }

 private:
  double share_ = 0, floor_ = 0;
  double tokens_ = kSavedMin, saved_max_ = kSavedMin;
  std::int64_t at_ns_ = -1;
  std::uint64_t exchanges_ = 0;  // of the second that began at second_ns_
  std::int64_t second_ns_ = 0;
};

// Is the 99th percentile of legacy's times a fifth above what it usually is? Looks at the last 512
// answers, once a second; what is usual follows slowly, so that a lasting change becomes usual.
class SlowWatch {
 public:
  static constexpr std::size_t kAnswers = 512;
  static constexpr std::size_t kAnswersMin = 100;  // fewer say nothing
  static constexpr double kSlower = 1.2;
  static constexpr double kSlackNs = 5e6;  // times of few milliseconds jump by more than a fifth

  void add(std::int64_t duration_ns);
  void on_time(std::int64_t now_ns);
  bool is_slow() const { return is_slow_; }

 private:
  std::array<std::int64_t, kAnswers> last_{};
  std::size_t count_ = 0;
  std::size_t fresh_ = 0;  // since the last look
  std::int64_t looked_ns_ = 0;
  double usual_ns_ = 0;
  bool is_slow_ = false;
};

// What differs on each page would have all questions to itself: of one set of differences the first
// kFree exchanges are asked again, then ever fewer.
class FairShare {
 public:
  static constexpr std::uint32_t kFree = 6;
  static constexpr std::size_t kSetsMax = 4096;  // past it all are new again

  // `draw`: evenly spread.
  bool is_due(std::uint64_t set, std::uint64_t draw) const {
    const auto found = asked_.find(set);
    return found == asked_.end() || found->second < kFree ||
           draw % (found->second / kFree + 1) == 0;
  }
  void note(std::uint64_t set) {
    if (asked_.size() >= kSetsMax && asked_.find(set) == asked_.end()) asked_.clear();
    ++asked_[set];
  }

 private:
  std::unordered_map<std::uint64_t, std::uint32_t> asked_;
};

}  // namespace banyan::replay
