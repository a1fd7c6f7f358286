// SPDX-License-Identifier: Apache-2.0
//
// A consumer's view of the log: one StreamReader per stream, interleaved. See RecordSource.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/record_io.h"
#include "recorder/catalog.h"
#include "recorder/publish_signal.h"
#include "recorder/segment_reader.h"

namespace banyan::recorder {

// Reads one stream from an offset up to a fence. One thread.
class StreamReader {
 public:
  StreamReader(FileSystem& files, std::shared_ptr<Catalog> catalog, Offset from, model::Fence fence)
      : files_(files), catalog_(std::move(catalog)), next_(from), fence_kind_(fence) {}

  Result<bool> next(model::SourcedRecord& out);
  Offset position() const { return next_; }
  Catalog& catalog() { return *catalog_; }
  const Catalog& catalog() const { return *catalog_; }

 private:
  enum class Step { kDelivered, kNothing, kAgain };

  bool deliver_record(model::SourcedRecord& out);
  void deliver_hole(model::SourcedRecord& out, Offset end, std::string_view cause);
  Result<Step> enter_segment(model::SourcedRecord& out);
  Result<Step> read_batch(model::SourcedRecord& out);
  Result<Step> begin_batch(const SegmentReader::Batch& batch, model::SourcedRecord& out);
  Result<Step> pass_damage(model::SourcedRecord& out);

  FileSystem& files_;
  const std::shared_ptr<Catalog> catalog_;
  Offset next_;
  const model::Fence fence_kind_;
  Offset fence_;  // as last seen
  std::shared_ptr<Segment> segment_;
  std::optional<SegmentReader> reader_;
  // The batch being delivered; `at_` is the offset of the next record of payload_.
  PayloadReader payload_;
  BatchHeader batch_;
  Offset at_;
  bool is_in_batch_ = false;
};

class LogSource final : public model::RecordSource {
 public:
  // `own` is null for reading only; then `signal` is never published and wait() polls.
  LogSource(FileSystem& files, std::string log_directory, std::shared_ptr<Catalog> own,
            std::shared_ptr<PublishSignal> signal, model::Cursor from, model::Fence fence);

  // Finds the streams. Before the first next().
  Status open();

  Result<bool> next(model::SourcedRecord& out) override;
  model::Cursor position() const override;
  bool is_durable(std::string_view stream, Offset offset) const override;
  void wait(std::chrono::milliseconds patience) override;
  void interrupt() override;

 private:
  Status find_streams();
  bool has_stream(std::string_view name) const;

  FileSystem& files_;
  const std::string log_directory_;
  const std::shared_ptr<Catalog> own_;
  const std::shared_ptr<PublishSignal> signal_;
  const model::Fence fence_;
  model::Cursor from_;
  std::vector<std::unique_ptr<StreamReader>> streams_;
  std::size_t current_ = 0;
  int in_a_row_ = 0;
  std::uint64_t seen_ = 0;
  std::chrono::steady_clock::time_point last_scan_{};
  std::atomic<bool> interrupted_{false};
};

}  // namespace banyan::recorder
