// SPDX-License-Identifier: Apache-2.0
#include "tests/support/memory_log.h"

#include <algorithm>
#include <utility>

namespace banyan::support {

class MemorySource final : public model::RecordSource {
 public:
  MemorySource(MemoryLog& log, const model::Cursor& from, model::Fence fence)
      : log_(log), position_(from), fence_(fence) {}

  Result<bool> next(model::SourcedRecord& out) override {
    if (log_.before_read) log_.before_read();
    MutexLock lock(log_.mutex_);
    if (report_retired(out)) return true;
    const std::size_t limit =
        fence_ == model::Fence::kDurable ? log_.durable_ : log_.entries_.size();
    while (index_ < limit) {
      const MemoryLog::Entry& entry = log_.entries_[index_++];
      if (entry.end <= position_.next_of(entry.stream)) continue;
      held_ = entry;
      position_.set(entry.stream, entry.end);
      fill(out);
      if (out.kind == model::SourcedRecord::Kind::kRecord && !is_wanted(out)) continue;
      return true;
    }
    return false;
  }
  void want(model::RecordKinds kinds) override { wanted_ = kinds; }

  model::Cursor position() const override { return position_; }

  bool is_durable(std::string_view stream, Offset offset) const override {
    MutexLock lock(log_.mutex_);
    for (std::size_t i = log_.durable_; i < log_.entries_.size(); ++i) {
      if (log_.entries_[i].stream == stream && log_.entries_[i].offset <= offset) return false;
    }
    return true;
  }

  void wait(std::chrono::milliseconds patience) override {
    MutexLock lock(log_.mutex_);
    const auto deadline = std::chrono::steady_clock::now() + patience;
    const auto is_done = [&]() REQUIRES(log_.mutex_) {
      return interrupted_ || log_.generation_ != seen_;
    };
    while (!is_done()) {
      const auto left = deadline - std::chrono::steady_clock::now();
      if (left.count() <= 0) break;
      lock.wait_for(log_.changed_, left);
    }
    seen_ = log_.generation_;
    interrupted_ = false;
  }

  void interrupt() override {
    MutexLock lock(log_.mutex_);
    interrupted_ = true;
    log_.changed_.notify_all();
  }

 private:
  bool report_retired(model::SourcedRecord& out) REQUIRES(log_.mutex_) {
    for (const auto& [stream, first] : log_.first_) {
      const Offset next = position_.next_of(stream);
      if (next >= first) continue;
      held_ = MemoryLog::Entry{stream, next, first, "retention", 0, nullptr};
      position_.set(stream, first);
      fill(out);
      return true;
    }
    return false;
  }

  bool is_wanted(const model::SourcedRecord& record) const {
    return model::kind_of(record.type, record.encoded).meets(wanted_);
  }

  void fill(model::SourcedRecord& out) {
    out = model::SourcedRecord{};
    out.stream = held_.stream;
    out.offset = held_.offset;
    out.hole_end = held_.end;
    out.append_wall_ns = held_.append_wall_ns;
    if (!held_.hole_cause.empty()) {
      out.kind = model::SourcedRecord::Kind::kHole;
      out.hole_cause = held_.hole_cause;
      return;
    }
    out.encoded = *held_.bytes;
    if (const auto peeked = model::peek(out.encoded); peeked.ok()) {
      out.type = peeked->type;
      out.exchange = peeked->exchange;
    }
  }

  MemoryLog& log_;
  model::Cursor position_;
  const model::Fence fence_;
  std::size_t index_ = 0;
  model::RecordKinds wanted_ = model::RecordKinds::all();
  MemoryLog::Entry held_;  // keeps the bytes of the last answer alive
  std::uint64_t seen_ GUARDED_BY(log_.mutex_) = 0;
  bool interrupted_ GUARDED_BY(log_.mutex_) = false;
};

class MemorySink final : public model::RecordSink {
 public:
  MemorySink(MemoryLog& log, std::string_view stream, std::function<void()> wake)
      : log_(log), stream_(stream), wake_(std::move(wake)) {}

  model::Ticket append(std::string_view encoded) override {
    if (has_failed()) return model::Ticket{};
    log_.append_encoded(std::string(encoded), stream_);
    MutexLock lock(log_.mutex_);
    return model::Ticket{log_.entries_.size()};
  }
  bool is_written(model::Ticket ticket) const override { return !ticket.is_refused(); }
  bool is_durable(model::Ticket ticket) const override {
    MutexLock lock(log_.mutex_);
    return ticket.value <= log_.durable_;
  }
  void want_durable(model::Ticket ticket) override {
    if (is_durable(ticket) && wake_) wake_();
  }
  bool has_failed() const override {
    MutexLock lock(log_.mutex_);
    return log_.refusing_;
  }

 private:
  MemoryLog& log_;
  const std::string stream_;
  const std::function<void()> wake_;
};

MemoryLog::~MemoryLog() = default;

Offset MemoryLog::append_encoded(std::string bytes, std::string_view stream) {
  Entry entry;
  entry.stream = std::string(stream);
  entry.bytes = std::make_shared<const std::string>(std::move(bytes));
  return append_entry(std::move(entry), 1);
}

Offset MemoryLog::append_hole(std::uint64_t count, std::string_view cause,
                              std::string_view stream) {
  Entry entry;
  entry.stream = std::string(stream);
  entry.hole_cause = std::string(cause);
  return append_entry(std::move(entry), count);
}

Offset MemoryLog::append_entry(Entry entry, std::uint64_t count) {
  auto kinds = model::RecordKinds::all();
  if (entry.bytes != nullptr) {
    const auto peeked = model::peek(*entry.bytes);
    if (peeked.ok()) kinds = model::kind_of(peeked->type, *entry.bytes);
  }
  Offset offset;
  {
    MutexLock lock(mutex_);
    Offset& next = next_[entry.stream];
    offset = next;
    entry.offset = offset;
    entry.end = Offset{offset.value + count};
    entry.append_wall_ns = clock_.wall_ns();
    next = entry.end;
    entries_.push_back(std::move(entry));
    if (!held_) durable_ = entries_.size();
  }
  published(kinds);
  return offset;
}

void MemoryLog::published(model::RecordKinds kinds) {
  std::vector<PublishListener> listeners;
  {
    MutexLock lock(mutex_);
    ++generation_;
    for (const auto& [key, listener] : listeners_) listeners.push_back(listener);
    changed_.notify_all();
  }
  for (const auto& listener : listeners) listener(kinds);
}

std::unique_ptr<model::RecordSink> MemoryLog::open_sink(std::string_view stream,
                                                        std::function<void()> wake) {
  return std::make_unique<MemorySink>(*this, stream, std::move(wake));
}

void MemoryLog::set_refusing(bool refusing) {
  MutexLock lock(mutex_);
  refusing_ = refusing;
}

void MemoryLog::hold_durable(bool held) {
  MutexLock lock(mutex_);
  held_ = held;
  if (!held_) durable_ = entries_.size();
}

void MemoryLog::make_durable() {
  {
    MutexLock lock(mutex_);
    durable_ = entries_.size();
  }
  published(model::RecordKinds::all());
}

void MemoryLog::crash() {
  MutexLock lock(mutex_);
  entries_.resize(durable_);
}

void MemoryLog::retire(std::uint64_t count, std::string_view stream) {
  MutexLock lock(mutex_);
  first_[std::string(stream)] = Offset{count};
}

std::vector<std::string> MemoryLog::records() const {
  MutexLock lock(mutex_);
  std::vector<std::string> out;
  for (const Entry& entry : entries_) {
    if (entry.bytes) out.push_back(*entry.bytes);
  }
  return out;
}

std::uint64_t MemoryLog::size() const {
  MutexLock lock(mutex_);
  return entries_.size();
}

Result<std::unique_ptr<model::RecordSource>> MemoryLog::open_source(const model::Cursor& from,
                                                                    model::Fence fence) {
  return std::unique_ptr<model::RecordSource>(std::make_unique<MemorySource>(*this, from, fence));
}

model::Cursor MemoryLog::begin() const {
  MutexLock lock(mutex_);
  model::Cursor cursor;
  for (const auto& [stream, next] : next_) {
    const auto first = first_.find(stream);
    cursor.set(stream, first == first_.end() ? Offset{} : first->second);
  }
  return cursor;
}

model::Cursor MemoryLog::end() const {
  MutexLock lock(mutex_);
  model::Cursor cursor;
  for (const auto& [stream, next] : next_) cursor.set(stream, next);
  return cursor;
}

Result<std::vector<model::LogSpan>> MemoryLog::find_key(const model::LogKey& /*key*/) const {
  const model::Cursor first = begin();
  std::vector<model::LogSpan> spans;
  for (const model::Cursor::Place& place : end().places) {
    spans.push_back({place.stream, first.next_of(place.stream), place.next});
  }
  return spans;
}

Result<model::Cursor> MemoryLog::find_time(std::int64_t wall_ns) const {
  model::Cursor cursor = end();
  MutexLock lock(mutex_);
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    if (entry->append_wall_ns >= wall_ns) cursor.set(entry->stream, entry->offset);
  }
  return cursor;
}

std::shared_ptr<void> MemoryLog::add_publish_listener(PublishListener listener) {
  MutexLock lock(mutex_);
  const std::uint64_t key = next_listener_++;
  listeners_[key] = std::move(listener);
  return std::shared_ptr<void>(this, [this, key](void*) {
    MutexLock inner(mutex_);
    listeners_.erase(key);
  });
}

Status MemoryLog::commit_cursor(std::string_view consumer, const model::Cursor& cursor,
                                bool /*pins*/) {
  MutexLock lock(mutex_);
  cursors_[std::string(consumer)] = cursor;
  return {};
}

Result<model::Cursor> MemoryLog::load_cursor(std::string_view consumer) const {
  MutexLock lock(mutex_);
  const auto found = cursors_.find(consumer);
  return found == cursors_.end() ? model::Cursor{} : found->second;
}

}  // namespace banyan::support
