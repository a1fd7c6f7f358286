// SPDX-License-Identifier: Apache-2.0
//
// Cuts, and the segment they are written to. Recorder thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/file_system.h"
#include "recorder/catalog.h"
#include "recorder/format.h"
#include "recorder/lane.h"
#include "recorder/options.h"

namespace banyan::recorder {

// One cut of all lanes as batches. It is kept until it is durable, so that it can be written again
// elsewhere: the headers are stamped by each write.
class Cut {
 public:
  void begin(Offset base, std::int64_t append_wall_ns, std::uint64_t seed,
             RecorderOptions::Compression compression);
  // Adds what a lane held; further batches if it has splits.
  void add(const LaneBuffer& buffer);
  void clear();

  bool empty() const { return batches_.empty(); }
  Offset base() const { return base_; }
  Offset end() const { return end_; }
  std::uint64_t records() const { return end_.value - base_.value; }
  std::uint64_t bytes() const { return bytes_.size(); }
  std::size_t batch_count() const { return batches_.size(); }

  // The last tickets that this cut holds.
  std::vector<std::pair<std::shared_ptr<Lane>, std::uint64_t>> lane_ends;

 private:
  friend class SegmentWriter;
  struct Batch {
    std::size_t at;  // in bytes_
    BatchHeader header;
  };
  void add_batch(std::string_view payload, std::uint32_t records);

  Offset base_;
  Offset end_;
  std::int64_t append_wall_ns_ = 0;
  std::uint64_t seed_ = 0;
  RecorderOptions::Compression compression_ = RecorderOptions::Compression::kNone;
  std::string bytes_;
  std::vector<Batch> batches_;
};

class SegmentWriter {
 public:
  // Creates the file and claims `reserve_bytes` of disk; the directory is synced.
  static Result<std::unique_ptr<SegmentWriter>> create(FileSystem& files,
                                                       const std::string& stream_directory,
                                                       SegmentHeader header,
                                                       std::uint64_t reserve_bytes);

  // One write. After a failure of write or sync this object must only be dropped.
  Status write(Cut& cut);
  Status sync();
  // Cuts off the disk space that was claimed and not used, and writes the .idx file. After sync().
  void seal(FileSystem& files);

  const std::shared_ptr<Segment>& segment() const { return segment_; }
  std::uint64_t bytes() const { return at_.value; }

 private:
  SegmentWriter(std::shared_ptr<File> file, std::shared_ptr<Segment> segment);

  const std::shared_ptr<File> file_;
  const std::shared_ptr<Segment> segment_;
  const std::uint64_t seed_;
  Position at_{kSegmentHeaderBytes};
  Position durable_;
  std::uint64_t previous_hash_ = 0;
};

}  // namespace banyan::recorder
