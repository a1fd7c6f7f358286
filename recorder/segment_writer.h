// SPDX-License-Identifier: Apache-2.0
//
// The segment that cuts are written to. Recorder thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/base/file_system.h"
#include "recorder/catalog.h"
#include "recorder/cut.h"
#include "recorder/format.h"

namespace banyan::recorder {

// Of the newest segment, kept in the page cache for readers behind the tail; up to twice as much.
inline constexpr std::uint64_t kCachedBytes = 16U << 20;

class SegmentWriter {
 public:
  // Creates the file and claims `reserve_bytes` of disk; the directory is synced. Batches are
  // chained where `header.chain` says so, by the keys in force.
  static Result<std::unique_ptr<SegmentWriter>> create(FileSystem& files,
                                                       const std::string& stream_directory,
                                                       SegmentHeader header,
                                                       std::shared_ptr<const LogKeys> keys,
                                                       std::uint64_t reserve_bytes);

  // One write. After a failure of write or sync this object must only be dropped.
  Status write(Cut& cut);
  Status sync();
  // The same in two steps, for who syncs file() on another thread between them: what is written
  // meanwhile is not covered.
  void begin_sync();
  void end_sync();
  const std::shared_ptr<File>& file() const { return file_; }
  // For the segment's footer: null unless every record was noted. Nothing is written behind this.
  std::unique_ptr<SegmentNotes> take_notes();
  // Cuts off the disk space that was claimed and not used. After sync().
  void seal();

  const std::shared_ptr<Segment>& segment() const { return segment_; }
  std::uint64_t bytes() const { return at_.value; }
  // Large cuts go around the page cache.
  bool is_direct() const { return is_direct_; }
  // Of the last batch that was synced; meaningless where batches are not chained.
  const Chain& durable_chain() const { return durable_chain_; }

 private:
  SegmentWriter(std::shared_ptr<File> file, std::shared_ptr<Segment> segment,
                std::shared_ptr<const crypto::KeyedHash> chain_key, bool is_direct,
                std::uint64_t reserved_bytes);
  void stamp(Cut& cut);

  void forget_cached();

  const std::shared_ptr<File> file_;
  const std::shared_ptr<Segment> segment_;
  const std::uint64_t seed_;
  const std::shared_ptr<const crypto::KeyedHash> chain_key_;  // null: not chained
  const bool is_direct_;
  const std::uint64_t reserved_bytes_;
  Position at_{kSegmentHeaderBytes};
  Position durable_;
  Position syncing_;
  Position forgotten_;  // What lies before it is no longer in the page cache.
  std::uint64_t previous_hash_ = 0;
  Chain chain_{};
  Chain syncing_chain_{};
  Chain durable_chain_{};
};

}  // namespace banyan::recorder
