// SPDX-License-Identifier: Apache-2.0
#include "recorder/log_source.h"

#include <algorithm>
#include <utility>

namespace banyan::recorder {
namespace {

constexpr auto kScanInterval = std::chrono::seconds(1);
// How long a stream of another process may wait for us to look at it.
constexpr auto kPollInterval = std::chrono::milliseconds(50);

}  // namespace

LogSource::LogSource(FileSystem& files, std::string log_directory,
                     std::shared_ptr<const LogKeys> keys, std::shared_ptr<Catalog> own,
                     std::shared_ptr<PublishSignal> signal, model::Cursor from, model::Fence fence)
    : files_(files),
      log_directory_(std::move(log_directory)),
      keys_(std::move(keys)),
      own_(std::move(own)),
      signal_(std::move(signal)),
      fence_(fence),
      from_(std::move(from)) {}

Status LogSource::open() { return find_streams(); }

bool LogSource::has_stream(std::string_view name) const {
  return std::any_of(streams_.begin(), streams_.end(), [name](const Stream& held) {
    return held.reader->catalog().stream() == name;
  });
}

void LogSource::add_stream(std::shared_ptr<Catalog> catalog) {
  const Offset from = from_.next_of(catalog->stream());
  const auto behind = std::upper_bound(streams_.begin(), streams_.end(), catalog->stream(),
                                       [](const std::string& name, const Stream& held) {
                                         return name < held.reader->catalog().stream();
                                       });
  Stream stream;
  stream.reader = std::make_unique<StreamReader>(files_, std::move(catalog), from, fence_);
  stream.reader->want(wanted_);
  streams_.insert(behind, std::move(stream));
}

Status LogSource::find_streams() {
  last_scan_ = std::chrono::steady_clock::now();
  if (own_ && !has_stream(own_->stream())) add_stream(own_);
  for (const Stream& held : streams_) {
    Catalog& catalog = held.reader->catalog();
    if (!catalog.is_live()) BANYAN_RETURN_IF_ERROR(catalog.refresh(files_));
  }
  for (const std::string& name : list_streams(files_, log_directory_)) {
    if (has_stream(name)) continue;
    auto catalog = std::make_shared<Catalog>(log_directory_ + "/" + name, name, keys_);
    BANYAN_RETURN_IF_ERROR(catalog->refresh(files_));
    add_stream(std::move(catalog));
  }
  return {};
}

// The stream whose next batch was appended first; null where none has any. What one stream refers
// to in another was there before it, so whoever rebuilds from both reads it first. One batch of
// each is looked at ahead; a stream that has nothing now is not waited for.
Result<StreamReader*> LogSource::earliest() {
  const bool is_single = streams_.size() == 1;
  const TimePoint now = is_single ? TimePoint() : std::chrono::steady_clock::now();
  StreamReader* best = nullptr;
  bool is_any_resting = false;
  for (Stream& held : streams_) {
    if (!is_single && now < held.rests_until) {
      is_any_resting = true;
      continue;
    }
    const auto has_more = held.reader->look();
    if (!has_more.ok()) return has_more.error();
    if (!*has_more) {
      if (!held.reader->catalog().is_live()) held.rests_until = now + kPollInterval;
      continue;
    }
    // The first by name where times are equal.
    if (best == nullptr || held.reader->append_wall_ns() < best->append_wall_ns()) {
      best = held.reader.get();
    }
  }
  if (best != nullptr || !is_any_resting) return best;
  for (Stream& held : streams_) held.rests_until = {};
  return earliest();
}

Result<bool> LogSource::next(model::SourcedRecord& out) {
  seen_ = signal_->count(fence_);
  if (current_ != nullptr && current_->has_row()) {
    current_->take(out);
    return true;
  }
  for (int pass = 0; pass < 2; ++pass) {
    const auto found = earliest();
    if (!found.ok()) return found.error();
    current_ = *found;
    if (current_ != nullptr) {
      current_->take(out);
      return true;
    }
    if (pass > 0 || std::chrono::steady_clock::now() - last_scan_ < kScanInterval) break;
    BANYAN_RETURN_IF_ERROR(find_streams());
  }
  return false;
}

void LogSource::want(model::RecordKinds kinds) {
  if (kinds == wanted_) return;
  wanted_ = kinds;
  for (Stream& held : streams_) held.reader->want(kinds);
}

model::Cursor LogSource::position() const {
  model::Cursor cursor = from_;
  for (const Stream& held : streams_) {
    cursor.set(held.reader->catalog().stream(), held.reader->position());
  }
  return cursor;
}

bool LogSource::is_durable(std::string_view stream, Offset offset) const {
  if (own_ && own_->stream() == stream) return offset < own_->fence(model::Fence::kDurable);
  return true;
}

void LogSource::wait(std::chrono::milliseconds patience) {
  const bool has_foreign = !own_ || streams_.size() > 1;
  signal_->wait(seen_, {fence_, wanted_},
                has_foreign ? std::min(patience, kPollInterval) : patience, interrupted_);
}

void LogSource::interrupt() { signal_->interrupt(interrupted_); }

}  // namespace banyan::recorder
