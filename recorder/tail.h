// SPDX-License-Identifier: Apache-2.0
//
// The newest cuts of the live stream in memory, indexed once for all readers. Who stands there
// reads without the disk, and for followers the tail waits within a bound; who has fallen behind
// all the same reads the file until the tail holds its place again.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <string_view>
#include <vector>

#include "core/base/ids.h"
#include "core/base/mutex.h"
#include "core/model/record.h"
#include "core/model/record_codec.h"
#include "recorder/batch_buffer.h"

namespace banyan::recorder {

struct IndexedRecord {
  std::string_view encoded;  // empty where it is no record that we can read
  model::RecordType type = model::RecordType::kCheckpoint;
  model::RecordKinds kind = model::RecordKinds::all();
  ExchangeId exchange;
};
IndexedRecord index_record(std::string_view encoded);

// Records in a row, all of one append time, ready to be delivered.
struct RecordRow {
  Offset base;
  std::int64_t append_wall_ns = 0;
  std::vector<IndexedRecord> records;
  // Of all its records, so that who has no use for any need not look at them.
  model::RecordKinds kinds;

  void add(IndexedRecord record) {
    kinds = kinds | record.kind;
    records.push_back(record);
  }
  void clear() {
    records.clear();
    kinds = {};
  }
  Offset end() const { return Offset{base.value + records.size()}; }
};

// What kinds of records a batch holds: left of it when its bytes are not held any more.
struct KindSpan {
  Offset begin;
  Offset end;
  model::RecordKinds kinds;
};

// One cut, and what keeps its records' bytes. Immutable once it is shared: what a failed write
// stamps anew are headers, which no reader looks at.
struct TailBatch : RecordRow {
  std::vector<std::shared_ptr<const BatchBuffer>> buffers;
  std::vector<KindSpan> spans;  // its batches, in a row

  std::size_t memory_bytes() const;
};

class Tail;

// Where one follower stands in a tail. It may die on any thread, and not after the tail.
class TailPlace {
 public:
  TailPlace(Tail& tail, Offset at);
  ~TailPlace();
  TailPlace(const TailPlace&) = delete;
  TailPlace& operator=(const TailPlace&) = delete;

  // What lies before `offset` is not needed any more.
  void move_to(Offset offset) { at_.store(offset.value, std::memory_order_relaxed); }
  Offset at() const { return Offset{at_.load(std::memory_order_relaxed)}; }

 private:
  Tail& tail_;
  std::atomic<std::uint64_t> at_;
};

class Tail {
 public:
  // Some half minute of a busy log; 400 KB.
  static constexpr std::size_t kSpansMax = 16'384;
  // So many times `bytes_max` are held for followers that still need them.
  static constexpr std::uint64_t kHeldTimes = 4;

  // Nothing is held unless this was called. Before the tail is shared.
  void set_bytes_max(std::uint64_t bytes_max) { bytes_max_ = bytes_max; }

  // For the recorder thread. `batch` lies behind all before it; the oldest give way to it where a
  // bound asks for it: what every follower in the tail has passed, or more. Before the written
  // fence moves over it.
  void add(std::shared_ptr<const TailBatch> batch);
  // Retention took what lies before `offset`.
  void forget_before(Offset offset);

  // Any thread. The batch that holds `offset`; null where the tail does not (any more). The mutex
  // is held for the look-up of a pointer.
  std::shared_ptr<const TailBatch> find(Offset offset);

  // Any thread. From `at` over batches that were pushed out and hold nothing of what is `wanted`:
  // where the next one begins that does, or is not known, or lies at `fence`. So who looks for few
  // records and fell behind gets back here without reading the rest. `at` where there is none.
  Offset pass_over(Offset at, model::RecordKinds wanted, Offset fence);

  struct Stats {
    std::uint64_t bytes = 0;
    std::uint64_t hits = 0;    // batches that readers took from here
    std::uint64_t misses = 0;  // looks of readers that had fallen behind
    std::uint64_t pushed_out = 0;
    std::uint64_t spans = 0;  // of batches that were pushed out
  };
  Stats stats() const;

 private:
  friend class TailPlace;
  static constexpr std::uint64_t kNowhere = std::numeric_limits<std::uint64_t>::max();
  bool must_let_go() const REQUIRES(mutex_);
  std::shared_ptr<const TailBatch> pop_oldest() REQUIRES(mutex_);

  std::uint64_t bytes_max_ = 0;
  // So that a reader far behind does not touch the mutex.
  std::atomic<std::uint64_t> begin_{kNowhere};
  std::atomic<std::uint64_t> hits_{0};
  std::atomic<std::uint64_t> misses_{0};
  mutable Mutex mutex_;
  std::deque<std::shared_ptr<const TailBatch>> batches_ GUARDED_BY(mutex_);
  // The newest kSpansMax of what was pushed out; ends where batches_ begins.
  std::deque<KindSpan> spans_ GUARDED_BY(mutex_);
  std::vector<const TailPlace*> places_ GUARDED_BY(mutex_);
  std::uint64_t bytes_ GUARDED_BY(mutex_) = 0;
  std::uint64_t pushed_out_ GUARDED_BY(mutex_) = 0;
};

}  // namespace banyan::recorder
