// SPDX-License-Identifier: Apache-2.0
//
// The circuit breaker of one system as a whole, for those who can wait (the mirror's copies): after
// many failures in a row, whatever the address, it opens, lets one request through from time to
// time, and closes at the first that is answered. Primaries never ask it. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

namespace banyan::net {

class Circuit {
 public:
  enum class State : int { kClosed, kOpen, kHalfOpen };

  struct Options {
    std::uint32_t failures_max = 10;  // in a row; 0: never opens
    std::int64_t open_ns = 1'000'000'000;
    std::int64_t open_max_ns = 30'000'000'000;  // it doubles up to here
  };

  State state() const { return state_.load(std::memory_order_relaxed); }
  // Half open, one request gets in; if nothing is heard of it, another one after a while.
  bool admits(std::int64_t now_ns) { return state() == State::kClosed || admits_probe(now_ns); }
  // True if this closed it.
  bool succeeded() {
    if (failures_in_a_row_.load(std::memory_order_relaxed) == 0) return false;
    return reset();
  }
  // True if this opened it.
  bool failed(std::int64_t now_ns, const Options& options);
  std::int64_t opens_again_ns() const { return until_ns_.load(std::memory_order_relaxed); }
  std::uint64_t openings() const { return openings_.load(std::memory_order_relaxed); }

 private:
  bool admits_probe(std::int64_t now_ns);
  bool reset();

  std::atomic<State> state_{State::kClosed};
  std::atomic<std::uint32_t> failures_in_a_row_{0};
  std::atomic<std::int64_t> until_ns_{0};
  std::atomic<std::int64_t> open_ns_{0};  // how long it opened last
  std::atomic<std::uint64_t> openings_{0};
};

std::string_view to_string(Circuit::State state);

}  // namespace banyan::net
