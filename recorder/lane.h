// SPDX-License-Identifier: Apache-2.0
//
// A lane: where one thread's records wait for the sequencer. Appending is an uncontended lock and a
// copy. docs/formats/log.md says what becomes of the bytes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.h"
#include "core/base/mutex.h"
#include "core/model/record_io.h"
#include "recorder/batch_buffer.h"

namespace banyan::recorder {

inline constexpr std::size_t kLostPartsMax = 1000;

// A lane goes on in another buffer when one holds so much, so that those of a busy log are of one
// size and can be used again.
inline constexpr std::size_t kLaneBufferBytes = 1U << 20;

// What a lane refused since the last cut.
struct LaneLoss {
  std::uint64_t records = 0;
  Instant first;
  Instant last;
  bool was_failed = false;  // the log had failed, rather than the lane being full
  std::vector<model::GapRecord::Part> parts;
};

// The sequencer's side of what lanes ask for.
class LaneOwner {
 public:
  virtual ~LaneOwner() = default;
  // A record lies in a lane, and filled the buffer or not. Cheap unless the sequencer sleeps.
  virtual void on_append(bool filled) = 0;
  virtual void on_want_durable() = 0;
  virtual bool has_failed() const = 0;
  virtual Clock& clock() const = 0;
  virtual void count_refused() = 0;
};

// Shared by the sink that a worker holds and the sequencer. Methods up to close(): any thread.
class Lane {
 public:
  Lane(LaneOwner& owner, std::size_t bytes_max, std::shared_ptr<BufferPool> pool,
       std::function<void()> wake);

  model::Ticket append(std::string_view encoded);
  model::Ticket write(const model::Unwritten& record);
  bool is_written(model::Ticket ticket) const {
    return ticket.value <= written_.load(std::memory_order_acquire);
  }
  bool is_durable(model::Ticket ticket) const {
    return ticket.value <= durable_.load(std::memory_order_acquire);
  }
  void want_durable(model::Ticket ticket);
  bool has_failed() const { return owner_.has_failed(); }
  // The sink is gone: never wake it again. What it appended is still written.
  void close();

  // For the sequencer. lock() and unlock() let it take all lanes in one instant.
  void lock() BANYAN_TSA(no_thread_safety_analysis) { mutex_.lock(); }
  void unlock() BANYAN_TSA(no_thread_safety_analysis) { mutex_.unlock(); }
  // Under lock(): gives what waits, oldest first, and goes on in `next`, which is empty; answers
  // the last ticket. `out` is empty, and stays so where nothing waits.
  std::uint64_t take(std::vector<std::shared_ptr<BatchBuffer>>& out,
                     std::shared_ptr<BatchBuffer>& next, LaneLoss& loss)
      BANYAN_TSA(no_thread_safety_analysis);
  bool is_empty();
  bool has_full_buffer();
  bool is_closed() const { return is_closed_.load(std::memory_order_acquire); }
  // Recorder thread. A sync that began earlier may tell of less than was written since.
  void set_written(std::uint64_t ticket) {
    if (ticket > written_.load(std::memory_order_relaxed)) {
      written_.store(ticket, std::memory_order_release);
    }
  }
  void set_durable(std::uint64_t ticket) { durable_.store(ticket, std::memory_order_release); }
  bool has_want() const { return wanted_.load(std::memory_order_seq_cst) != 0; }
  // Calls the wake function if somebody waits and something happened since the last call.
  void wake_if_wanted(bool has_failed);

 private:
  bool fits(std::size_t bytes) const REQUIRES(mutex_);
  BatchBuffer& room() REQUIRES(mutex_);
  template <typename Record>
  bool add(const Record& record) REQUIRES(mutex_);
  [[gnu::cold]] model::Ticket refuse(std::string_view encoded) REQUIRES(mutex_);

  LaneOwner& owner_;
  const std::size_t bytes_max_;
  const std::shared_ptr<BufferPool> pool_;
  Mutex mutex_;
  std::vector<std::shared_ptr<BatchBuffer>> full_ GUARDED_BY(mutex_);
  std::size_t full_bytes_ GUARDED_BY(mutex_) = 0;
  std::shared_ptr<BatchBuffer> buffer_ GUARDED_BY(mutex_);  // being filled
  std::uint64_t accepted_ GUARDED_BY(mutex_) = 0;
  // Once one record was refused, all are until the next cut, so that a GAP has one place.
  bool is_refusing_ GUARDED_BY(mutex_) = false;
  LaneLoss loss_ GUARDED_BY(mutex_);
  alignas(64) std::atomic<std::uint64_t> written_{0};
  std::atomic<std::uint64_t> durable_{0};
  std::atomic<std::uint64_t> wanted_{0};
  std::uint64_t woken_at_ = 0;  // recorder thread: durable_ at the last wake
  std::atomic<bool> is_closed_{false};
  Mutex wake_mutex_;
  std::function<void()> wake_ GUARDED_BY(wake_mutex_);
};

// What open_lane() gives.
class LaneSink final : public model::RecordSink {
 public:
  explicit LaneSink(std::shared_ptr<Lane> lane) : lane_(std::move(lane)) {}
  ~LaneSink() override { lane_->close(); }
  model::Ticket append(std::string_view encoded) override { return lane_->append(encoded); }
  model::Ticket write(const model::Unwritten& record) override { return lane_->write(record); }
  bool is_written(model::Ticket ticket) const override { return lane_->is_written(ticket); }
  bool is_durable(model::Ticket ticket) const override { return lane_->is_durable(ticket); }
  void want_durable(model::Ticket ticket) override { lane_->want_durable(ticket); }
  bool has_failed() const override { return lane_->has_failed(); }

 private:
  const std::shared_ptr<Lane> lane_;
};

}  // namespace banyan::recorder
