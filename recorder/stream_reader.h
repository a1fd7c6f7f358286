// SPDX-License-Identifier: Apache-2.0
//
// Reads one stream from an offset up to a fence: from the tail in memory where it holds the place,
// else from the segments.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>

#include "core/model/record_io.h"
#include "recorder/catalog.h"
#include "recorder/segment_reader.h"
#include "recorder/tail.h"

namespace banyan::recorder {

// Looking is apart from taking, so that a source can choose between streams. One thread.
class StreamReader {
 public:
  StreamReader(FileSystem& files, std::shared_ptr<Catalog> catalog, Offset from, model::Fence fence)
      : files_(files), catalog_(std::move(catalog)), next_(from), fence_kind_(fence) {}

  // Makes what comes next ready; false: nothing can be read now. Ends the views of what was taken
  // before, unless has_row().
  Result<bool> look();
  // More records of the batch at hand are ready, without look().
  bool has_row() {
    if (hole_ || row_ == nullptr) return false;
    if (wanted_ != model::RecordKinds::all()) pass_unwanted();
    return next_ < row_->end();
  }
  // Records of other kinds are passed over, where that costs less than giving them.
  void want(model::RecordKinds kinds) { wanted_ = kinds; }
  // Of what look() made ready; a hole counts as no later than what was taken last.
  std::int64_t append_wall_ns() { return has_row() ? row_->append_wall_ns : taken_wall_ns_; }
  // Gives what is ready. The view holds until the next look() or take().
  void take(model::SourcedRecord& out);

  // Behind what was taken last.
  Offset position() const { return next_; }
  Catalog& catalog() { return *catalog_; }
  const Catalog& catalog() const { return *catalog_; }

 private:
  enum class Step { kNothing, kAgain };
  struct Hole {
    Offset end;
    std::string_view cause;
  };

  void pass_unwanted();
  void become_follower();
  bool follow_tail();
  bool pass_spans();
  bool fill_row();
  void give_hole(model::SourcedRecord& out, Offset end, std::string_view cause);
  Result<Step> enter_segment();
  void make_way();
  Result<Step> read_batch();
  Result<Step> next_batch();
  Result<Step> begin_batch(const SegmentReader::Batch& batch);
  Result<Step> pass_damage();

  FileSystem& files_;
  const std::shared_ptr<Catalog> catalog_;
  Offset next_;
  const model::Fence fence_kind_;
  Offset fence_;  // as last seen
  model::RecordKinds wanted_ = model::RecordKinds::all();
  std::int64_t taken_wall_ns_ = std::numeric_limits<std::int64_t>::min();
  // What is ready: a hole, then the rest of a row.
  std::optional<Hole> hole_;
  const RecordRow* row_ = nullptr;  // tail_batch_ or file_row_

  std::shared_ptr<const TailBatch> tail_batch_;
  std::unique_ptr<TailPlace> place_;  // once it had come to the end; dies before the catalog

  std::shared_ptr<Segment> segment_;
  std::unique_ptr<SegmentReader> reader_;
  // The batch of the file that is being delivered row by row; `at_` is behind file_row_.
  PayloadReader payload_;
  Offset at_;
  Offset batch_end_;
  RecordRow file_row_;
  std::int64_t worked_ns_ = 0;  // reading files, since the last rest for the writer
};

}  // namespace banyan::recorder
