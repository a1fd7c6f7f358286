// SPDX-License-Identifier: Apache-2.0
#include "proxy/durable_waits.h"

#include <algorithm>
#include <utility>

namespace banyan::proxy {

DurableWaits::DurableWaits(net::EventLoop& loop, model::RecordSink& sink, std::int64_t patience_ns,
                           obs::Histogram& waited)
    : loop_(loop), sink_(sink), patience_ns_(patience_ns), waited_(waited), timer_(loop, [this] {
        expire();
      }) {}

void DurableWaits::add(model::Ticket ticket, DurableWaiter& waiter, std::int64_t already_ns) {
  const std::int64_t now = loop_.now().mono_ns;
  entries_.push_back(Entry{ticket, now, now + patience_ns_ - already_ns, &waiter});
  waits_.fetch_add(1, std::memory_order_relaxed);
  sink_.want_durable(ticket);
  arm();
}

void DurableWaits::cancel(const DurableWaiter& waiter) {
  for (Entry& entry : entries_) {
    if (entry.waiter == &waiter) entry.waiter = nullptr;
  }
}

void DurableWaits::check() {
  const bool has_failed = sink_.has_failed();
  // What a callback adds stands behind `end`; a later wake serves it.
  const std::size_t end = entries_.size();
  for (std::size_t i = 0; i < end; ++i) {
    if (entries_[i].waiter == nullptr) continue;
    const bool is_durable = sink_.is_durable(entries_[i].ticket);
    if (!is_durable && !has_failed) break;
    tell(i, is_durable);
  }
  drop_told();
}

void DurableWaits::tell(std::size_t index, bool is_durable) {
  Entry& entry = entries_[index];
  DurableWaiter* const waiter = std::exchange(entry.waiter, nullptr);
  waited_.observe_ns(loop_.now().mono_ns - entry.since_ns);
  if (!is_durable) timeouts_.fetch_add(1, std::memory_order_relaxed);
  waiter->on_durable(is_durable);
}

void DurableWaits::drop_told() {
  while (!entries_.empty() && entries_.front().waiter == nullptr) entries_.pop_front();
}

void DurableWaits::expire() {
  const std::int64_t now = loop_.now().mono_ns;
  const std::size_t end = entries_.size();
  for (std::size_t i = 0; i < end; ++i) {
    if (entries_[i].waiter == nullptr || entries_[i].deadline_ns > now) continue;
    // The wake for it may be on its way: what is durable by now is no timeout.
    tell(i, sink_.is_durable(entries_[i].ticket));
  }
  drop_told();
  next_expiry_ns_ = 0;
  arm();
}

// The timer runs for the earliest deadline. Deadlines nearly follow the order of entry, so the
// whole line is only looked through when the timer fires.
void DurableWaits::arm() {
  if (entries_.empty()) return;
  std::int64_t earliest = entries_.back().deadline_ns;
  if (next_expiry_ns_ == 0) {
    for (const Entry& entry : entries_) {
      if (entry.waiter != nullptr) earliest = std::min(earliest, entry.deadline_ns);
    }
  } else if (timer_.is_running() && next_expiry_ns_ <= earliest) {
    return;
  }
  next_expiry_ns_ = earliest;
  timer_.start(std::max<std::int64_t>(earliest - loop_.now().mono_ns, 1'000'000));
}

}  // namespace banyan::proxy
