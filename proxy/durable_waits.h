// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>

#include "core/model/record_io.h"
#include "core/net/event_loop.h"
#include "core/obs/metrics.h"

namespace banyan::proxy {

class DurableWaiter {
 public:
  virtual ~DurableWaiter() = default;
  // False: the patience ended or the log failed. Called once for each add().
  virtual void on_durable(bool is_durable) = 0;
};

// Exchanges of one worker that wait for a record to be durable, in the order of their tickets: one
// sync releases many. Bounded by the connections of the worker. Loop-confined.
class DurableWaits {
 public:
  DurableWaits(net::EventLoop& loop, model::RecordSink& sink, std::int64_t patience_ns,
               obs::Histogram& waited);

  // One wait a waiter; it must cancel() before it dies. `already_ns`: of its patience, used up
  // before.
  void add(model::Ticket ticket, DurableWaiter& waiter, std::int64_t already_ns);
  void cancel(const DurableWaiter& waiter);
  // Of waits from now on.
  void set_patience(std::int64_t patience_ns) { patience_ns_ = patience_ns; }
  // Something became durable, or the log failed.
  void check();

  std::uint64_t waits() const { return waits_.load(std::memory_order_relaxed); }
  std::uint64_t timeouts() const { return timeouts_.load(std::memory_order_relaxed); }

 private:
  struct Entry {
    model::Ticket ticket;
    std::int64_t since_ns = 0;
    std::int64_t deadline_ns = 0;
    DurableWaiter* waiter = nullptr;  // null: cancelled or told
  };
  void tell(std::size_t index, bool is_durable);
  void drop_told();
  void expire();
  void arm();

  net::EventLoop& loop_;
  model::RecordSink& sink_;
  std::int64_t patience_ns_;
  obs::Histogram& waited_;
  net::Timer timer_;
  std::deque<Entry> entries_;
  std::int64_t next_expiry_ns_ = 0;
  std::atomic<std::uint64_t> waits_{0};
  std::atomic<std::uint64_t> timeouts_{0};
};

}  // namespace banyan::proxy
