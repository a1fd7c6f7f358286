// SPDX-License-Identifier: Apache-2.0
//
// What readers may know of one stream: its segments and how far each fence has come. The sequencer
// moves it for its own stream; for a stream of another process it is refreshed from the folder.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/file_system.h"
#include "core/base/mutex.h"
#include "core/model/record_io.h"
#include "recorder/format.h"
#include "recorder/log_keys.h"
#include "recorder/rush_gauge.h"
#include "recorder/segment_footer.h"
#include "recorder/segment_reader.h"
#include "recorder/sparse_index.h"
#include "recorder/tail.h"

namespace banyan::recorder {

// For so long the writer counts as rushed: until the next window of a rush (RushGauge) surely
// ended.
inline constexpr std::int64_t kRushNs = 2 * kRushWindowNs;

inline constexpr std::uint64_t kOpenEnd = std::numeric_limits<std::uint64_t>::max();

// One segment file. Shared by the catalog and whoever reads it, so that a reader finishes a segment
// that retention has deleted. Any thread.
class Segment {
 public:
  Segment(std::string path, SegmentHeader header, std::shared_ptr<const LogKeys> keys)
      : path_(std::move(path)), header_(std::move(header)), keys_(std::move(keys)) {}

  const std::string& path() const { return path_; }
  const SegmentHeader& header() const { return header_; }
  Offset base() const { return header_.base; }
  // Behind the last offset that is to be read here; kOpenEnd while it grows.
  Offset end() const { return Offset{end_.load(std::memory_order_acquire)}; }
  void set_end(Offset end) { end_.store(end.value, std::memory_order_release); }
  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  void set_bytes(std::uint64_t bytes) { bytes_.store(bytes, std::memory_order_relaxed); }

  // One file shared by all readers, kept open while one uses it.
  Result<std::shared_ptr<const File>> open(FileSystem& files);
  // A reader of that file, at its first batch. kPermissionDenied where it is encrypted by a key
  // that was not given.
  Result<std::unique_ptr<SegmentReader>> open_reader(FileSystem& files);
  // The writer lends its own file while it writes.
  void lend(std::shared_ptr<const File> file);

  // For the writer, per batch, then per cut; and what was noted, once the last was written.
  void note_batch(const BatchHeader& header, Position position);
  void note_records(const RecordRow& cut);
  std::unique_ptr<SegmentNotes> take_notes();
  SparseIndex index_snapshot() const;
  // From what was noted, the footer, or a scan of the headers.
  Result<SparseIndex> index(FileSystem& files);
  Result<Position> position_of(FileSystem& files, Offset offset);
  // What SegmentFooter::find() says, of a segment that is written here now; nullopt of others.
  std::optional<std::vector<std::pair<Offset, Offset>>> find_noted(const model::LogKey& key) const;
  // kNotFound where there is none: it still grows, it was never sealed, or is of an older format.
  // kDamaged where it does not fit.
  Result<SegmentFooter> footer(FileSystem& files);
  // Null where it is not encrypted; kPermissionDenied where its key was not given.
  Result<std::shared_ptr<const DataKey>> data_key();

 private:
  Status load_index(FileSystem& files);

  const std::string path_;
  const SegmentHeader header_;
  const std::shared_ptr<const LogKeys> keys_;
  std::atomic<std::uint64_t> end_{kOpenEnd};
  std::atomic<std::uint64_t> bytes_{0};
  mutable Mutex mutex_;
  std::weak_ptr<const File> file_ GUARDED_BY(mutex_);
  SparseIndex index_ GUARDED_BY(mutex_);
  bool has_index_ GUARDED_BY(mutex_) = false;
  // While it is written here.
  bool is_written_here_ GUARDED_BY(mutex_) = false;
  std::unique_ptr<SegmentNotes> notes_ GUARDED_BY(mutex_);
  Offset noted_ GUARDED_BY(mutex_);  // records before it were noted
  std::shared_ptr<const DataKey> data_key_ GUARDED_BY(mutex_);
};

class Catalog {
 public:
  Catalog(std::string directory, std::string stream, std::shared_ptr<const LogKeys> keys)
      : directory_(std::move(directory)), stream_(std::move(stream)), keys_(std::move(keys)) {}

  const std::string& directory() const { return directory_; }  // of the stream
  const std::string& stream() const { return stream_; }

  // Reads the segment headers of the folder; keeps what is known already. For a foreign stream at
  // any time, for our own only before the first add(). Damaged headers of segments are left out.
  Status refresh(FileSystem& files);
  void add(std::shared_ptr<Segment> segment);
  void remove(const Segment& segment);
  std::vector<std::shared_ptr<Segment>> segments() const;

  // Where to go on reading for `offset`.
  struct Place {
    std::shared_ptr<Segment> segment;  // null: nothing there yet
    Offset offset;                     // the same, or behind a jump of the numbering
    // What lies between and is gone: [hole_begin, offset), where has_hole.
    bool has_hole = false;
    Offset hole_begin;
    std::string_view hole_cause;
  };
  Place locate(Offset offset) const;

  // Fences; a foreign stream has none, readers go as far as whole batches do.
  bool is_live() const { return is_live_; }
  void set_live(Offset end, std::uint64_t tail_bytes_max);
  Offset fence(model::Fence fence) const {
    const auto& value = fence == model::Fence::kWritten ? written_ : durable_;
    return Offset{value.load(std::memory_order_acquire)};
  }
  void set_written(Offset end) { written_.store(end.value, std::memory_order_release); }
  void set_durable(Offset end) { durable_.store(end.value, std::memory_order_release); }

  // The writer has much to do just now; who reads files makes way for it.
  void note_rush(std::int64_t mono_ns) {
    rush_until_ns_.store(mono_ns + kRushNs, std::memory_order_relaxed);
  }
  bool is_rushed(std::int64_t mono_ns) const {
    return mono_ns < rush_until_ns_.load(std::memory_order_relaxed);
  }
  void count_rest(std::int64_t ns) { rested_ns_.fetch_add(ns, std::memory_order_relaxed); }
  // How long readers have rested for that, all together.
  std::int64_t rested_ns() const { return rested_ns_.load(std::memory_order_relaxed); }

  // The newest cuts of a live stream; of another one it is empty.
  Tail& tail() { return tail_; }

  Offset begin() const;
  // Behind the last whole batch.
  Result<Offset> end(FileSystem& files) const;
  Result<Offset> find_time(FileSystem& files, std::int64_t wall_ns) const;
  // The ranges of offsets outside of which no record has that key.
  Result<std::vector<model::LogSpan>> find_key(FileSystem& files, const model::LogKey& key) const;
  std::int64_t longest_exchange_ns(FileSystem& files, std::int64_t wall_ns) const;
  // Of all records that are left; none is older. kNotFound where there are none, kDamaged where a
  // file that nobody can read may hold older ones.
  struct Oldest {
    Epoch epoch;
    std::int64_t append_wall_ns = 0;
  };
  Result<Oldest> oldest(FileSystem& files) const;

 private:
  const std::string directory_;
  const std::string stream_;
  const std::shared_ptr<const LogKeys> keys_;
  bool is_live_ = false;  // set once, before the catalog is shared
  alignas(64) std::atomic<std::uint64_t> written_{kOpenEnd};
  std::atomic<std::uint64_t> durable_{kOpenEnd};
  std::atomic<std::int64_t> rush_until_ns_{0};
  std::atomic<std::int64_t> rested_ns_{0};
  Tail tail_;
  // Held for a few instructions only; readers take it when they change segments.
  mutable Mutex mutex_;
  std::vector<std::shared_ptr<Segment>> segments_ GUARDED_BY(mutex_);
};

// Streams of a log folder, sorted.
std::vector<std::string> list_streams(FileSystem& files, const std::string& log_directory);

}  // namespace banyan::recorder
