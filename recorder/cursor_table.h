// SPDX-License-Identifier: Apache-2.0
//
// Consumers' cursors in memory, written out by the recorder thread. Any thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "core/base/file_system.h"
#include "core/base/mutex.h"
#include "recorder/meta.h"

namespace banyan::recorder {

inline constexpr std::size_t kConsumersMax = 1000;

class CursorTable {
 public:
  CursorTable(FileSystem& files, std::string log_directory)
      : files_(files), log_directory_(std::move(log_directory)) {}

  Status commit(std::string_view consumer, const model::Cursor& cursor, bool pins);
  // What was committed last here, else what the folder holds; an empty cursor where neither.
  Result<model::Cursor> load(std::string_view consumer) const;
  bool has_unsaved() const;
  // Writes what changed; what could not be written stays to be tried again.
  Status save();
  // The smallest offset of `stream` that a pinning consumer still needs, here or by its file (of
  // another process).
  std::optional<Offset> pinned(std::string_view stream) const;

 private:
  FileSystem& files_;
  const std::string log_directory_;
  mutable Mutex mutex_;
  std::map<std::string, StoredCursor, std::less<>> cursors_ GUARDED_BY(mutex_);
  std::set<std::string> unsaved_ GUARDED_BY(mutex_);
};

}  // namespace banyan::recorder
