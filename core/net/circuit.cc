// SPDX-License-Identifier: Apache-2.0
#include "core/net/circuit.h"

#include <algorithm>

namespace banyan::net {

// Whoever moves `until` ahead is the probe: one at a time, and a lost one is replaced.
bool Circuit::admits_probe(std::int64_t now_ns) {
  std::int64_t until = until_ns_.load(std::memory_order_relaxed);
  if (now_ns < until) return false;
  const std::int64_t next = now_ns + open_ns_.load(std::memory_order_relaxed);
  if (!until_ns_.compare_exchange_strong(until, next, std::memory_order_relaxed)) return false;
  State expected = State::kOpen;
  state_.compare_exchange_strong(expected, State::kHalfOpen, std::memory_order_relaxed);
  return true;
}

bool Circuit::reset() {
  failures_in_a_row_.store(0, std::memory_order_relaxed);
  open_ns_.store(0, std::memory_order_relaxed);
  return state_.exchange(State::kClosed, std::memory_order_relaxed) != State::kClosed;
}

bool Circuit::failed(std::int64_t now_ns, const Options& options) {
  const std::uint32_t failures = failures_in_a_row_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (options.failures_max == 0 || failures < options.failures_max) return false;
  State before = State::kClosed;
  bool has_opened = state_.compare_exchange_strong(before, State::kOpen, std::memory_order_relaxed);
  if (!has_opened) {
    // Those under way when it opened say nothing new; the probe does.
    if (before != State::kHalfOpen) return false;
    before = State::kHalfOpen;
    if (!state_.compare_exchange_strong(before, State::kOpen, std::memory_order_relaxed)) {
      return false;
    }
  }
  const std::int64_t last = open_ns_.load(std::memory_order_relaxed);
  const std::int64_t next = last == 0 ? options.open_ns : std::min(last * 2, options.open_max_ns);
  open_ns_.store(next, std::memory_order_relaxed);
  until_ns_.store(now_ns + next, std::memory_order_relaxed);
  if (has_opened) openings_.fetch_add(1, std::memory_order_relaxed);
  return has_opened;
}

std::string_view to_string(Circuit::State state) {
  switch (state) {
    case Circuit::State::kClosed: return "closed";
    case Circuit::State::kOpen: return "open";
    case Circuit::State::kHalfOpen: return "half_open";
  }
  return "unknown";
}

}  // namespace banyan::net
