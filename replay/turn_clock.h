// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "core/base/clock.h"
#include "core/net/event_loop.h"

namespace banyan::replay {

// The time at the first question of a turn of the loop: what happens in one turn was ready when it
// began, so reading the clock for each event would cost more and say less. Loop-confined.
class TurnClock {
 public:
  TurnClock(const net::EventLoop& loop, const Clock& clock) : loop_(loop), clock_(clock) {}
  Instant now() {
    if (const std::uint64_t turn = loop_.turn(); turn != turn_) {
      turn_ = turn;
      now_ = clock_.now();
    }
    return now_;
  }

 private:
  const net::EventLoop& loop_;
  const Clock& clock_;
  std::uint64_t turn_ = 0;  // the loop's first is 1
  Instant now_;
};

}  // namespace banyan::replay
