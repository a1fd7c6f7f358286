// SPDX-License-Identifier: Apache-2.0
//
// A consumer's view of the log: one StreamReader per stream, merged by append time. See
// RecordSource.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/record_io.h"
#include "recorder/catalog.h"
#include "recorder/publish_signal.h"
#include "recorder/stream_reader.h"

namespace banyan::recorder {

class LogSource final : public model::RecordSource {
 public:
  // `own` is null for reading only; then `signal` is never published and wait() polls.
  // `keys` open the streams of other processes.
  LogSource(FileSystem& files, std::string log_directory, std::shared_ptr<const LogKeys> keys,
            std::shared_ptr<Catalog> own, std::shared_ptr<PublishSignal> signal, model::Cursor from,
            model::Fence fence);

  // Finds the streams. Before the first next().
  Status open();

  Result<bool> next(model::SourcedRecord& out) override;
  void want(model::RecordKinds kinds) override;
  model::Cursor position() const override;
  bool is_durable(std::string_view stream, Offset offset) const override;
  void wait(std::chrono::milliseconds patience) override;
  void interrupt() override;

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Stream {
    std::unique_ptr<StreamReader> reader;
    // A stream of another process that had nothing is not asked again before, while others have.
    TimePoint rests_until{};
  };

  Status find_streams();
  bool has_stream(std::string_view name) const;
  void add_stream(std::shared_ptr<Catalog> catalog);
  Result<StreamReader*> earliest();

  FileSystem& files_;
  const std::string log_directory_;
  const std::shared_ptr<const LogKeys> keys_;
  const std::shared_ptr<Catalog> own_;
  const std::shared_ptr<PublishSignal> signal_;
  const model::Fence fence_;
  model::Cursor from_;
  model::RecordKinds wanted_ = model::RecordKinds::all();
  std::vector<Stream> streams_;      // sorted by name
  StreamReader* current_ = nullptr;  // gave the last record
  std::uint64_t seen_ = 0;
  TimePoint last_scan_{};
  std::atomic<bool> interrupted_{false};
};

}  // namespace banyan::recorder
