// SPDX-License-Identifier: Apache-2.0
//
// The recorder thread: takes all lanes in one cut, has it written, publishes, syncs, wakes; about
// once a second it keeps house (cursors, retention). recorder/README.md draws the loop.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/base/clock.h"
#include "core/base/file_system.h"
#include "core/base/mutex.h"
#include "recorder/catalog.h"
#include "recorder/cursor_table.h"
#include "recorder/lane.h"
#include "recorder/linger.h"
#include "recorder/publish_signal.h"
#include "recorder/recorder.h"
#include "recorder/rush_gauge.h"
#include "recorder/side_thread.h"
#include "recorder/stream_writer.h"

namespace banyan::recorder {

class Sequencer final : public LaneOwner {
 public:
  using RetentionListener = std::function<void(std::string_view, Offset, Offset)>;

  Sequencer(FileSystem& files, Clock& clock, RecorderOptions options,
            std::shared_ptr<Catalog> catalog, std::shared_ptr<PublishSignal> signal,
            CursorTable& cursors);
  ~Sequencer() override { stop(); }

  // Opens the new epoch, then starts the thread.
  Status start(const Recovered& recovered);
  // What was accepted before is written and durable, if the disk lets us; then the thread ends.
  void stop();

  std::shared_ptr<Lane> add_lane(std::function<void()> wake);
  Status flush(std::int64_t patience_ns);
  StreamWriter& writer() { return writer_; }
  void set_retention_listener(RetentionListener listener);
  void reconfigure(const RecorderOptions& next);
  RecorderStats stats() const;

  // For who watches over the thread. ask_beat() makes it look up soon; beats() grows with each
  // look. While it waits for the disk it is alive, however long the disk takes.
  void ask_beat() { wake(); }
  std::uint64_t beats() const { return beats_.load(std::memory_order_acquire); }
  bool is_at_disk() const { return is_at_disk_.load(std::memory_order_acquire); }

  // LaneOwner; any thread.
  void on_append(bool filled) override;
  void on_want_durable() override;
  bool has_failed() const override { return has_failed_.load(std::memory_order_acquire); }
  Clock& clock() const override { return clock_; }
  void count_refused() override { refused_.fetch_add(1, std::memory_order_relaxed); }

 private:
  class AtDisk;
  enum class State : int { kAwake, kLingering, kIdle };
  struct Slot {
    std::shared_ptr<Lane> lane;
    std::uint16_t number = 0;                         // from 1, for batches to name
    std::vector<std::shared_ptr<BatchBuffer>> taken;  // empty but while a cut is taken
    std::shared_ptr<BatchBuffer> next;                // empty, for the lane to go on in
    std::size_t usual_bytes = 0;                      // of a buffer when it is taken
    LaneLoss loss;
    std::uint64_t ticket = 0;
  };

  void run();
  void work(bool is_stopping, bool& was_busy);
  void nap(bool was_busy);
  void adopt(const RecorderOptions& next);
  bool has_urgent_work() const;
  bool has_records();
  bool has_full_lane();
  void wake();

  bool take_lanes() BANYAN_TSA(no_thread_safety_analysis);
  void add_taken(Slot& slot, Cut& cut);
  Cut cut_of_slots();
  bool write_cut();
  Status append(Cut cut);
  void drop_closed_lanes();
  void keep_durable(bool must_wait);
  bool is_sync_due() const;
  void sync();
  void begin_sync();
  void end_sync();
  void note_sync(const Status& status, std::int64_t took_ns);
  void on_durable(const Cut& cut);
  void wake_lanes();
  void fail(const Error& error);
  void try_fail_over();
  void answer_flushes(std::uint64_t asked);
  void keep_house();
  void apply_retention();
  void remove_segment(const std::string& path);
  void finish();

  FileSystem& files_;
  Clock& clock_;
  RecorderOptions options_;  // what a reload may change: recorder thread; the rest is constant
  const std::shared_ptr<Catalog> catalog_;
  const std::shared_ptr<PublishSignal> signal_;
  CursorTable& cursors_;

  // Recorder thread only, once it runs.
  StreamWriter writer_;
  std::vector<Slot*> slots_now_;  // those of the present cut
  bool was_large_ = false;        // the last cut
  Linger linger_;
  RushGauge rush_gauge_;
  bool is_sync_wanted_ = false;         // somebody waits, and no sync began since
  std::int64_t sync_began_ns_ = 0;      // monotonic, real: of the one that runs
  std::int64_t oldest_pending_ns_ = 0;  // monotonic, real
  std::int64_t retry_at_ns_ = 0;
  std::int64_t retry_wait_ns_ = 0;
  std::int64_t last_house_ns_ = 0;

  Mutex lanes_mutex_;
  std::vector<std::unique_ptr<Slot>> slots_ GUARDED_BY(lanes_mutex_);
  std::uint16_t lanes_opened_ GUARDED_BY(lanes_mutex_) = 0;

  std::atomic<State> state_{State::kAwake};
  std::atomic<bool> is_wanted_{false};
  std::atomic<bool> is_stopping_{false};
  std::atomic<bool> has_failed_{false};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::uint64_t> beats_{0};
  std::atomic<bool> is_at_disk_{false};
  std::atomic<std::int64_t> sync_ended_ns_{0};  // 0 while one runs
  Mutex wake_mutex_;
  std::condition_variable wake_signal_;
  bool is_woken_ GUARDED_BY(wake_mutex_) = false;
  std::optional<RecorderOptions> next_options_ GUARDED_BY(wake_mutex_);

  std::atomic<std::uint64_t> flushes_asked_{0};
  std::atomic<std::uint64_t> flushes_answered_{0};
  Mutex flush_mutex_;
  std::condition_variable flush_signal_;
  bool is_flush_failed_ GUARDED_BY(flush_mutex_) = false;

  mutable Mutex stats_mutex_;
  RecorderStats stats_ GUARDED_BY(stats_mutex_);
  Mutex listener_mutex_;
  RetentionListener retention_listener_ GUARDED_BY(listener_mutex_);
  std::thread thread_;

  // A large file takes some ten milliseconds to remove; appends go on meanwhile.
  SideThread remover_{"log_remover"};
};

}  // namespace banyan::recorder
