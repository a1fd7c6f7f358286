// SPDX-License-Identifier: Apache-2.0
#include "recorder/log_source.h"

#include <algorithm>
#include <utility>

namespace banyan::recorder {
namespace {

constexpr auto kScanInterval = std::chrono::seconds(1);
// How long a stream of another process may wait for us to look at it.
constexpr auto kPollInterval = std::chrono::milliseconds(50);
constexpr int kInARowMax = 256;

}  // namespace

LogSource::LogSource(FileSystem& files, std::string log_directory, std::shared_ptr<Catalog> own,
                     std::shared_ptr<PublishSignal> signal, model::Cursor from, model::Fence fence)
    : files_(files),
      log_directory_(std::move(log_directory)),
      own_(std::move(own)),
      signal_(std::move(signal)),
      fence_(fence),
      from_(std::move(from)) {}

Status LogSource::open() { return find_streams(); }

bool LogSource::has_stream(std::string_view name) const {
  return std::any_of(streams_.begin(), streams_.end(),
                     [name](const auto& held) { return held->catalog().stream() == name; });
}

Status LogSource::find_streams() {
  last_scan_ = std::chrono::steady_clock::now();
  if (own_ && !has_stream(own_->stream())) {
    streams_.push_back(
        std::make_unique<StreamReader>(files_, own_, from_.next_of(own_->stream()), fence_));
  }
  for (const auto& held : streams_) {
    if (!held->catalog().is_live()) BANYAN_RETURN_IF_ERROR(held->catalog().refresh(files_));
  }
  for (const std::string& name : list_streams(files_, log_directory_)) {
    if (has_stream(name)) continue;
    auto catalog = std::make_shared<Catalog>(log_directory_ + "/" + name, name);
    BANYAN_RETURN_IF_ERROR(catalog->refresh(files_));
    streams_.push_back(
        std::make_unique<StreamReader>(files_, std::move(catalog), from_.next_of(name), fence_));
  }
  return {};
}

Result<bool> LogSource::next(model::SourcedRecord& out) {
  seen_ = signal_->count();
  if (in_a_row_ >= kInARowMax && streams_.size() > 1) {
    in_a_row_ = 0;
    current_ = (current_ + 1) % streams_.size();
  }
  for (int pass = 0; pass < 2; ++pass) {
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      const auto more = streams_[current_]->next(out);
      if (!more.ok()) return more.error();
      if (*more) {
        ++in_a_row_;
        return true;
      }
      in_a_row_ = 0;
      current_ = (current_ + 1) % streams_.size();
    }
    if (pass > 0 || std::chrono::steady_clock::now() - last_scan_ < kScanInterval) break;
    BANYAN_RETURN_IF_ERROR(find_streams());
  }
  return false;
}

model::Cursor LogSource::position() const {
  model::Cursor cursor = from_;
  for (const auto& held : streams_) cursor.set(held->catalog().stream(), held->position());
  return cursor;
}

bool LogSource::is_durable(std::string_view stream, Offset offset) const {
  if (own_ && own_->stream() == stream) return offset < own_->fence(model::Fence::kDurable);
  return true;
}

void LogSource::wait(std::chrono::milliseconds patience) {
  const bool has_foreign = !own_ || streams_.size() > 1;
  signal_->wait(seen_, has_foreign ? std::min(patience, kPollInterval) : patience, interrupted_);
}

void LogSource::interrupt() { signal_->interrupt(interrupted_); }

}  // namespace banyan::recorder
