// SPDX-License-Identifier: Apache-2.0
#include "recorder/log_access.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "core/obs/log.h"
#include "recorder/log_source.h"
#include "recorder/recorder.h"

namespace banyan::recorder {

LogDirectory::LogDirectory(FileSystem& files, std::string log_directory,
                           std::shared_ptr<const LogKeys> keys, std::shared_ptr<Catalog> own,
                           std::shared_ptr<PublishSignal> signal, CursorTable* cursors)
    : files_(files),
      log_directory_(std::move(log_directory)),
      keys_(std::move(keys)),
      own_(std::move(own)),
      signal_(std::move(signal)),
      cursors_(cursors) {}

Result<std::shared_ptr<Catalog>> LogDirectory::catalog_of(const std::string& stream) const {
  if (own_ && stream == own_->stream()) return own_;
  auto catalog = std::make_shared<Catalog>(log_directory_ + "/" + stream, stream, keys_);
  BANYAN_RETURN_IF_ERROR(catalog->refresh(files_));
  return catalog;
}

std::vector<std::shared_ptr<Catalog>> LogDirectory::catalogs() const {
  std::vector<std::shared_ptr<Catalog>> found;
  if (own_) found.push_back(own_);
  for (const std::string& name : list_streams(files_, log_directory_)) {
    if (own_ && name == own_->stream()) continue;
    auto catalog = catalog_of(name);
    if (!catalog.ok()) {
      obs::log_warning("recorder", catalog.error().message);
      continue;
    }
    found.push_back(*std::move(catalog));
  }
  return found;
}

Result<std::unique_ptr<model::RecordSource>> LogDirectory::open_source(const model::Cursor& from,
                                                                       model::Fence fence) {
  auto source =
      std::make_unique<LogSource>(files_, log_directory_, keys_, own_, signal_, from, fence);
  BANYAN_RETURN_IF_ERROR(source->open());
  return std::unique_ptr<model::RecordSource>(std::move(source));
}

model::Cursor LogDirectory::begin() const {
  model::Cursor cursor;
  for (const auto& catalog : catalogs()) cursor.set(catalog->stream(), catalog->begin());
  return cursor;
}

model::Cursor LogDirectory::end() const {
  model::Cursor cursor;
  for (const auto& catalog : catalogs()) {
    const auto end = catalog->end(files_);
    if (end.ok()) {
      cursor.set(catalog->stream(), *end);
    } else {
      obs::log_warning("recorder", end.error().message);
    }
  }
  return cursor;
}

Result<model::Cursor> LogDirectory::find_time(std::int64_t wall_ns) const {
  model::Cursor cursor;
  for (const auto& catalog : catalogs()) {
    const auto place = catalog->find_time(files_, wall_ns);
    if (!place.ok()) return place.error();
    cursor.set(catalog->stream(), *place);
  }
  return cursor;
}

Result<std::vector<model::LogSpan>> LogDirectory::find_key(const model::LogKey& key) const {
  std::vector<model::LogSpan> spans;
  for (const auto& catalog : catalogs()) {
    auto found = catalog->find_key(files_, key);
    if (!found.ok()) return found.error();
    spans.insert(spans.end(), found->begin(), found->end());
  }
  return spans;
}

std::int64_t LogDirectory::longest_exchange_ns(std::int64_t wall_ns) const {
  std::int64_t longest = 0;
  for (const auto& catalog : catalogs()) {
    longest = std::max(longest, catalog->longest_exchange_ns(files_, wall_ns));
  }
  return longest;
}

std::shared_ptr<void> LogDirectory::add_publish_listener(PublishListener listener) {
  return signal_->add_listener(std::move(listener));
}

Status LogDirectory::commit_cursor(std::string_view consumer, const model::Cursor& cursor,
                                   bool pins) {
  if (cursors_ != nullptr) return cursors_->commit(consumer, cursor, pins);
  CursorTable table(files_, log_directory_);
  BANYAN_RETURN_IF_ERROR(table.commit(consumer, cursor, pins));
  return table.save();
}

Result<model::Cursor> LogDirectory::load_cursor(std::string_view consumer) const {
  if (cursors_ != nullptr) return cursors_->load(consumer);
  return CursorTable(files_, log_directory_).load(consumer);
}

Result<std::int64_t> LogDirectory::oldest_append_ns() const {
  constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::max();
  std::int64_t oldest = kNone;
  for (const std::string& name : list_streams(files_, log_directory_)) {
    const auto catalog = catalog_of(name);
    if (!catalog.ok()) return catalog.error();
    const auto found = (*catalog)->oldest(files_);
    if (!found.ok()) return found.error();
    oldest = std::min(oldest, found->append_wall_ns);
  }
  return oldest == kNone ? 0 : oldest;
}

Result<std::unique_ptr<model::LogAccess>> open_log(FileSystem& files, const std::string& directory,
                                                   std::shared_ptr<const LogKeys> keys) {
  if (const auto names = files.list(directory); !names.ok()) {
    return make_error(names.error().code, ErrorOrigin::kDisk,
                      "there is no log to read: " + names.error().message);
  }
  for (const std::string& name : list_streams(files, directory)) {
    // Says so now, rather than at the first read, where the log is of another version.
    Catalog catalog(directory + "/" + name, name, keys);
    BANYAN_RETURN_IF_ERROR(catalog.refresh(files));
  }
  return std::unique_ptr<model::LogAccess>(std::make_unique<LogDirectory>(
      files, directory, std::move(keys), nullptr, std::make_shared<PublishSignal>(), nullptr));
}

}  // namespace banyan::recorder
