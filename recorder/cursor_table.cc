// SPDX-License-Identifier: Apache-2.0
#include "recorder/cursor_table.h"

#include <algorithm>
#include <utility>

#include "core/base/text.h"

namespace banyan::recorder {

Status CursorTable::commit(std::string_view consumer, const model::Cursor& cursor, bool pins) {
  if (!is_consumer_name(consumer)) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kClient,
                      "'" + escape_for_terminal(consumer, 80) +
                          "' is no name for a consumer; use letters, digits, '.', '_' and '-'");
  }
  MutexLock lock(mutex_);
  const auto held = cursors_.find(consumer);
  if (held != cursors_.end()) {
    if (held->second.cursor == cursor && held->second.pins == pins) return {};
    held->second = StoredCursor{cursor, pins};
  } else {
    if (cursors_.size() >= kConsumersMax) {
      return make_error(ErrorCode::kExhausted, ErrorOrigin::kInternal,
                        "the log has " + std::to_string(kConsumersMax) + " consumers already");
    }
    cursors_.emplace(std::string(consumer), StoredCursor{cursor, pins});
  }
  unsaved_.emplace(consumer);
  return {};
}

Result<model::Cursor> CursorTable::load(std::string_view consumer) const {
  {
    MutexLock lock(mutex_);
    const auto held = cursors_.find(consumer);
    if (held != cursors_.end()) return held->second.cursor;
  }
  if (!is_consumer_name(consumer)) return model::Cursor{};
  auto stored = load_cursor_file(files_, log_directory_, consumer);
  if (stored.ok()) return std::move(stored->cursor);
  if (stored.error().code == ErrorCode::kNotFound) return model::Cursor{};
  return stored.error();
}

bool CursorTable::has_unsaved() const {
  MutexLock lock(mutex_);
  return !unsaved_.empty();
}

Status CursorTable::save() {
  std::set<std::string> names;
  {
    MutexLock lock(mutex_);
    names.swap(unsaved_);
  }
  Status result;
  for (const std::string& name : names) {
    StoredCursor stored;
    {
      MutexLock lock(mutex_);
      stored = cursors_.find(name)->second;
    }
    auto status = store_cursor_file(files_, log_directory_, name, stored);
    if (status.ok()) continue;
    result = std::move(status);
    MutexLock lock(mutex_);
    unsaved_.insert(name);
  }
  return result;
}

std::optional<Offset> CursorTable::pinned(std::string_view stream) const {
  std::optional<Offset> least;
  const auto take = [&](const StoredCursor& stored) {
    if (!stored.pins) return;
    const Offset next = stored.cursor.next_of(stream);
    least = least ? std::min(*least, next) : next;
  };
  std::set<std::string> seen;
  {
    MutexLock lock(mutex_);
    for (const auto& [name, stored] : cursors_) {
      take(stored);
      seen.insert(name);
    }
  }
  const auto names = files_.list(log_directory_ + "/cursors");
  if (!names.ok()) return least;
  for (const std::string& name : *names) {
    if (!is_consumer_name(name) || seen.contains(name)) continue;
    const auto stored = load_cursor_file(files_, log_directory_, name);
    if (stored.ok()) take(*stored);
  }
  return least;
}

}  // namespace banyan::recorder
