// SPDX-License-Identifier: Apache-2.0
//
// The writing half of the log: worker lanes and one sequencer thread. Owns one stream (one lock).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/file_system.h"
#include "core/base/ids.h"
#include "core/model/record_io.h"
#include "recorder/options.h"

namespace banyan::recorder {

// What recovery found at start.
struct RecoveryReport {
  bool was_unclean = false;
  Epoch previous_epoch;
  std::uint64_t records_kept = 0;     // in the segment that was scanned
  std::uint64_t torn_tail_bytes = 0;  // cut, and kept aside in quarantine/
  std::uint64_t damaged_ranges = 0;   // inside what was durable: never truncated, reported as holes
  std::uint64_t seconds_ms = 0;
};

struct RecorderStats {
  std::uint64_t records_appended = 0, bytes_appended = 0, batches = 0, syncs = 0;
  std::uint64_t records_refused = 0;  // lane full or log failed; all of them in GAPs
  std::uint64_t write_failures = 0, sync_failures = 0;
  std::int64_t last_sync_ns = 0, max_sync_ns = 0;
  std::uint64_t accepted = 0, written_offset = 0, durable_offset = 0;
  std::uint64_t segments = 0, log_bytes = 0, oldest_append_wall_ns = 0;
  std::uint64_t segments_removed = 0;
  // Got a footer since the start; wait for one, or stay without.
  std::uint64_t segments_sealed = 0, segments_unsealed = 0;
  // The tail in memory: what it takes, cuts that readers took from it, and how often one had fallen
  // behind it and read the file.
  std::uint64_t tail_bytes = 0, tail_hits = 0, tail_misses = 0;
  // How long readers of files made way for the writer.
  std::int64_t readers_rested_ns = 0;
  bool has_failed = false;
  bool is_direct = false;  // large writes go around the page cache
  std::string failure;
};

class Recorder {
 public:
  // Takes the stream's lock (kAlreadyExists with a clear message while another process holds it),
  // recovers, starts a fresh segment with a CHECKPOINT, starts the recorder thread.
  static Result<std::unique_ptr<Recorder>> open(FileSystem& files, Clock& clock,
                                                RecorderOptions options);
  ~Recorder();  // stop()s

  Epoch epoch() const;
  std::uint16_t node() const;
  const std::string& log_uuid() const;
  const RecoveryReport& recovery() const;

  // A new lane. `wake` runs on the recorder thread (must not block) when a wanted ticket is durable
  // or the log failed. Any thread; the sink must die before the recorder.
  std::unique_ptr<model::RecordSink> open_lane(std::function<void()> wake = {});
  // Numbers lanes for exchange ids: 1, 2, …
  std::uint16_t next_lane_number();
  // What the CHECKPOINT of a new segment says.
  void set_checkpoint_state(std::uint64_t routing_epoch, std::uint64_t rules_version);

  // Reading beside the writer, in this process.
  model::LogAccess& access();
  RecorderStats stats() const;
  // Of all records that are left in this stream; those of older epochs are gone for good. Other
  // streams count epochs of their own, and only who serves clients seals: into its own stream.
  // kDamaged where that cannot be told. Reads the folder. Any thread.
  Result<Epoch> oldest_epoch() const;
  // Wall time before which no record was appended that is left in the log, in any stream; 0 where
  // none is. kDamaged or kUnsupported where that cannot be told. Reads the folders. Any thread.
  Result<std::int64_t> oldest_append_ns() const;
  // Before retention deletes a segment: called on the recorder thread with its offsets, so that the
  // owner of pending copies can account for them (drop: retention). Set before open_lane.
  void set_retention_listener(
      std::function<void(std::string_view stream, Offset first, Offset end)> listener);

  // Takes over, soon, what of the options can change while the log is written: segment_bytes (of
  // the next segment), flush_interval_ns, retention and compression. Checked as open() does. Any
  // thread.
  Status reconfigure(const RecorderOptions& next);

  // Liveness of the recorder thread, for a watchdog: ask, and later see whether beats() has grown
  // or the thread waits for a disk (which no restart would heal). Any thread.
  void ask_beat();
  std::uint64_t beats() const;
  bool is_at_disk() const;

  // Blocks until everything accepted so far is durable or the log failed. Any thread but its own.
  Status flush(std::int64_t patience_ns);
  // Writes, syncs and ends. Marks the stop as clean.
  void stop();

 private:
  Recorder();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Reading without writing: offline, or beside another process (there up to what is whole on disk).
// `keys` open what is encrypted; a segment whose key is missing fails the read that comes to it.
Result<std::unique_ptr<model::LogAccess>> open_log(
    FileSystem& files, const std::string& directory,
    std::shared_ptr<const LogKeys> keys = LogKeys::none());

// `log verify`: checks every byte of every stream.
struct VerifyReport {
  struct Problem {
    std::string file;
    std::uint64_t position = 0;
    Offset first, end;
    std::string what;
  };
  std::uint64_t segments = 0, batches = 0, records = 0, bytes = 0;
  std::uint64_t torn_tail_bytes = 0;
  std::uint64_t broken_footers = 0;  // no record is concerned: the next start writes them anew
  std::vector<Problem> problems;
  // Of each stream whose last segment is chained: the head of its chain.
  struct Head {
    std::string stream;
    Offset end;         // behind the last record it vouches for
    std::string chain;  // 32 bytes
  };
  std::vector<Head> heads;
  std::uint64_t chained_batches = 0;
  // Segments beside chained ones that are not: from before the chain was on, or mended.
  std::uint64_t unchained_segments = 0;
  std::uint64_t unread_batches = 0;  // encrypted by a key that was not given: checksums only
};
struct VerifyOptions {
  std::shared_ptr<const LogKeys> keys = LogKeys::none();
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  // bytes
  // A head that was noted earlier, elsewhere: the log must still hold it.
  std::optional<VerifyReport::Head> anchor;
};
Result<VerifyReport> verify_log(FileSystem& files, const std::string& directory,
                                const VerifyOptions& options);

}  // namespace banyan::recorder
