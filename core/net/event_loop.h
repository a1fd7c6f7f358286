// SPDX-License-Identifier: Apache-2.0
//
// One epoll loop on one thread. post() is the only door for other threads. Order within a turn:
// ready sockets (kTurnEventsMax at most; the rest have the next turn), timers, posted functions,
// then what destroy_later() collected, then turn-end hooks, those that work before those that send.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/net/socket.h"

namespace banyan::net {

class EventLoop {
 public:
  static Result<std::unique_ptr<EventLoop>> create();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs until stop(). Loop-confined from here on, but for post() and stop().
  void run();
  // Runs what is ready now and returns; for tests. Waits for readiness where `patience_ns` is
  // given.
  void run_once_for_test(std::int64_t patience_ns = 0);
  void stop();  // any thread

  // Any thread. Runs `task` on the loop, in order; what was posted before stop() still runs. False
  // once run() has ended, and past kPostedMax waiting tasks.
  static constexpr std::size_t kPostedMax = std::size_t{1} << 20;
  bool post(std::function<void()> task);

  // The object dies after the callbacks of this turn.
  template <typename T>
  void destroy_later(std::unique_ptr<T> object) {
    destroy_later_erased(std::shared_ptr<void>(std::move(object)));
  }

  // Runs `hook` at the end of every turn, for as long as the handle lives (batching). kSend: what
  // all others of the turn still gave it to send leaves in this turn too.
  class TurnEndHook;
  enum class TurnEnd { kWork, kSend };
  std::unique_ptr<TurnEndHook> at_turn_end(std::function<void()> hook,
                                           TurnEnd step = TurnEnd::kWork);

  // What waits for the end of a turn waits for so many ready sockets at most.
  static constexpr int kTurnEventsMax = 64;

  // Monotonic and wall time, read once per turn.
  Instant now() const;
  // Counts the turns, from 1: for who keeps something for one turn.
  std::uint64_t turn() const;

  // One buffer for all sockets of the loop: receive into it, use the bytes, return to the loop.
  // Nothing that is called meanwhile may receive into it.
  static constexpr std::size_t kScratchBytes = 64 * 1024;
  char* scratch();

 private:
  EventLoop();
  void destroy_later_erased(std::shared_ptr<void> object);
  struct Impl;
  std::unique_ptr<Impl> impl_;
  friend class FdWatch;
  friend class Timer;
};

// Handle of at_turn_end(). Loop-confined; dies before its loop.
class EventLoop::TurnEndHook {
 public:
  ~TurnEndHook();
  TurnEndHook(const TurnEndHook&) = delete;
  TurnEndHook& operator=(const TurnEndHook&) = delete;

 private:
  friend class EventLoop;
  struct Entry;
  explicit TurnEndHook(std::shared_ptr<Entry> entry) : entry_(std::move(entry)) {}
  std::shared_ptr<Entry> entry_;
};

// One-shot coarse timer (10 ms steps are enough for us): it may fire some milliseconds late, never
// early. Restarting is a comparison as long as the deadline only moves away, so a timer per request
// costs next to nothing. Dies quietly, also inside its own callback. Loop-confined.
class Timer {
 public:
  Timer(EventLoop& loop, std::function<void()> on_fire);
  ~Timer();
  void start(std::int64_t delay_ns);  // restarts when running
  void stop();
  bool is_running() const;

 private:
  friend class EventLoop;
  struct Impl;
  EventLoop& loop_;
  std::unique_ptr<Impl> impl_;
};

// A persistent watch on a descriptor it does not own (and must not outlive), the only one of its
// loop that wants anything of it at a time. Nothing is watched until something is wanted; then it
// calls in each turn for as long as the descriptor is ready. May die inside its own callback.
// Loop-confined.
class FdWatch {
 public:
  enum class Ready { kRead, kWrite };
  // kTold: a plain stream socket whose owner tells of each receive(). The kernel is then asked for
  // changes alone (epoll(7), edge-triggered): who has emptied a socket need not look again. What
  // the owner is called for is the same, also where it does not tell.
  enum class Receives { kUntold, kTold };
  FdWatch(EventLoop& loop, int fd, std::function<void(Ready)> on_ready,
          Receives receives = Receives::kUntold);
  ~FdWatch();
  void want_read(bool wanted);
  void want_write(bool wanted);
  // What a receive() of `asked_bytes` brought.
  void note_receive(std::size_t asked_bytes, const Received& received);

 private:
  friend class EventLoop;
  struct Impl;
  EventLoop& loop_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace banyan::net
