// SPDX-License-Identifier: Apache-2.0
//
// Turns cuts into segments of one stream: numbering, rolling, syncing, and going on in a new
// segment after a failure. Knows no lanes and no threads; the sequencer's thread only.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/file_system.h"
#include "recorder/batch_buffer.h"
#include "recorder/catalog.h"
#include "recorder/cut.h"
#include "recorder/options.h"
#include "recorder/recovery.h"
#include "recorder/sealer.h"
#include "recorder/segment_writer.h"
#include "recorder/side_thread.h"

namespace banyan::recorder {

// Not yet durable bytes beyond which a sync does not wait for the flush interval.
inline constexpr std::uint64_t kUnsyncedBytesMax = 4ULL << 20;
// So many times as much may be written while the disk syncs; then writing waits for it.
inline constexpr std::uint64_t kUnsyncedTimesMax = 2;
// A cut from which on its records are indexed while it is written: lanes fill fast then.
inline constexpr std::uint64_t kLargeCutBytes = 1U << 20;
// What who waits for a sync waits for on the recorder thread itself.
inline constexpr std::uint64_t kSmallSyncBytes = 256U << 10;

class StreamWriter {
 public:
  StreamWriter(FileSystem& files, Clock& clock, const RecorderOptions& options,
               std::shared_ptr<Catalog> catalog)
      : files_(files),
        clock_(clock),
        options_(options),
        catalog_(std::move(catalog)),
        sealer_(files) {}

  // The next epoch: meta, a first segment with CHECKPOINT and, after an unclean stop, a GAP;
  // durable when it returns. The catalog is live then.
  Status start(const Recovered& recovered);

  // The present segment is full or old: sync(), then roll(), before the next begin_cut().
  bool is_roll_due() const;
  Status roll();
  // An empty cut at the next offset.
  Cut begin_cut();
  // Writes the cut, gives it to the tail and publishes it. It is kept until it is durable, also
  // when this fails; then only fail_over() helps.
  Status append(Cut cut);
  // Syncs what was written, and waits for it; `on_durable` sees each cut that became so. While no
  // other sync runs.
  using OnDurable = std::function<void(const Cut&)>;
  Status sync(const OnDurable& on_durable);
  // The same on a thread of its own, of what is written now, which is something; `on_end` is called
  // there, and then end_sync() does not wait.
  void begin_sync(std::function<void()> on_end);
  bool is_syncing() const { return syncing_cuts_ > 0; }
  Status end_sync(const OnDurable& on_durable);
  // After a failure of any of the above: all that is not durable goes to a new segment, and is
  // durable when this succeeds. May be tried again for ever.
  Status fail_over(const OnDurable& on_durable);
  // Seals and marks the stop as clean. After a sync().
  Status finish();
  // Any thread.
  Sealer::Stats sealer_stats() const { return sealer_.stats(); }

  std::uint64_t pending_bytes() const { return pending_bytes_; }
  // Of the records that the last append() published.
  model::RecordKinds published_kinds() const { return published_kinds_; }
  // Any thread.
  bool is_direct() const { return is_direct_.load(std::memory_order_relaxed); }
  std::uint64_t batches() const { return batches_; }
  const StreamMeta& meta() const { return meta_; }
  // Where lanes get their buffers; any thread.
  BufferPool& buffers() { return *buffers_; }
  void set_checkpoint_state(std::uint64_t routing_epoch, std::uint64_t rules_version) {
    routing_epoch_.store(routing_epoch, std::memory_order_relaxed);
    rules_version_.store(rules_version, std::memory_order_relaxed);
  }

 private:
  // `replaces` a segment that failed: it will hold the same batches.
  Status create_segment(Offset base, Offset previous_end, bool replaces);
  void set_keys(SegmentHeader& header, bool replaces);
  bool has_other_keys(const SegmentHeader& header) const;
  void tell_chain() const;
  void tell_way() const;
  Status reserve_offsets(Offset end);
  Status clear_the_way(Offset base);
  Status write_pending(Cut& cut);
  Status write_large(Cut& cut);
  void give_to_tail(Cut& cut);
  void hold(Cut cut);
  void settle(std::size_t cuts, const OnDurable& on_durable);
  Cut cut_of(const std::vector<std::string>& records);
  std::string checkpoint_record() const;
  std::int64_t append_time();

  FileSystem& files_;
  Clock& clock_;
  const RecorderOptions& options_;
  const std::shared_ptr<Catalog> catalog_;
  const std::shared_ptr<BufferPool> buffers_ = std::make_shared<BufferPool>();
  StreamMeta meta_;
  std::unique_ptr<SegmentWriter> writer_;
  Sealer sealer_;
  SideThread side_thread_{"log_writer"};
  std::size_t syncing_cuts_ = 0;  // of pending_, from its front: what a sync that runs will cover
  Status sync_status_;            // of the last one, when sync_thread_ is done with it
  SideThread sync_thread_{"log_sync"};
  // Of the present segment.
  std::shared_ptr<const LogKeys> keys_ = LogKeys::none();
  std::shared_ptr<const DataKey> data_key_;  // null: not encrypted
  bool is_chaining_ = false;
  Chain chain_{};            // of what is durable and lies before it
  Offset next_;              // of the next record
  std::deque<Cut> pending_;  // not durable, in order
  std::uint64_t pending_bytes_ = 0;
  bool has_pending_checkpoint_ = false;  // the last of pending_ opens the segment to come
  std::int64_t last_append_wall_ns_ = 0;
  std::uint64_t batches_ = 0;
  model::RecordKinds published_kinds_;
  std::atomic<bool> is_direct_{false};
  std::atomic<std::uint64_t> routing_epoch_{0};
  std::atomic<std::uint64_t> rules_version_{0};
};

}  // namespace banyan::recorder
