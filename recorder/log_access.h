// SPDX-License-Identifier: Apache-2.0
//
// LogAccess beside the writer (own stream live, others by their files) or offline (all by files).
#pragma once

#include <memory>
#include <string>

#include "core/model/record_io.h"
#include "recorder/catalog.h"
#include "recorder/cursor_table.h"
#include "recorder/publish_signal.h"

namespace banyan::recorder {

class LogDirectory final : public model::LogAccess {
 public:
  // `own` and `cursors` null: offline; commits are then written at once.
  LogDirectory(FileSystem& files, std::string log_directory, std::shared_ptr<const LogKeys> keys,
               std::shared_ptr<Catalog> own, std::shared_ptr<PublishSignal> signal,
               CursorTable* cursors);

  Result<std::unique_ptr<model::RecordSource>> open_source(const model::Cursor& from,
                                                           model::Fence fence) override;
  model::Cursor begin() const override;
  model::Cursor end() const override;
  Result<model::Cursor> find_time(std::int64_t wall_ns) const override;
  Result<std::vector<model::LogSpan>> find_key(const model::LogKey& key) const override;
  std::int64_t longest_exchange_ns(std::int64_t wall_ns) const override;
  std::shared_ptr<void> add_publish_listener(PublishListener listener) override;
  Status commit_cursor(std::string_view consumer, const model::Cursor& cursor, bool pins) override;
  Result<model::Cursor> load_cursor(std::string_view consumer) const override;
  // Wall time before which no record was appended that is still there, in any stream; 0 where there
  // is none.
  Result<std::int64_t> oldest_append_ns() const;

 private:
  // Of a stream as it is now.
  Result<std::shared_ptr<Catalog>> catalog_of(const std::string& stream) const;
  // Of each stream; what cannot be read is logged and left out.
  std::vector<std::shared_ptr<Catalog>> catalogs() const;

  FileSystem& files_;
  const std::string log_directory_;
  const std::shared_ptr<const LogKeys> keys_;
  const std::shared_ptr<Catalog> own_;
  const std::shared_ptr<PublishSignal> signal_;
  CursorTable* const cursors_;
};

}  // namespace banyan::recorder
