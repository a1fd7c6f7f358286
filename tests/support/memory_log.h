// SPDX-License-Identifier: Apache-2.0
//
// A log in memory, for tests of everything that reads or appends records: the same seams as the
// recorder, with the durable mark, damage, refusals and crashes under the test's control. Any
// thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.h"
#include "core/base/mutex.h"
#include "core/model/record_io.h"

namespace banyan::support {

class MemoryLog final : public model::LogAccess {
 public:
  // The clock stamps append_wall_ns.
  explicit MemoryLog(const Clock& clock) : clock_(clock) {}
  ~MemoryLog() override;

  // Appends one record; what this answers is its offset in `stream`.
  template <typename R>
  Offset append(const R& record, std::string_view stream = "main") {
    std::string bytes;
    model::encode(record, bytes);
    return append_encoded(std::move(bytes), stream);
  }
  Offset append_encoded(std::string bytes, std::string_view stream = "main");
  // `count` offsets that readers meet as one hole.
  Offset append_hole(std::uint64_t count, std::string_view cause, std::string_view stream = "main");

  // A sink as the recorder gives it out; it must die before the log.
  std::unique_ptr<model::RecordSink> open_sink(std::string_view stream = "main",
                                               std::function<void()> wake = {});
  // While set, sinks answer refused tickets and has_failed() is true.
  void set_refusing(bool refusing);

  // By default everything is durable at once. Held: only what make_durable() covered.
  void hold_durable(bool held);
  void make_durable();
  // Loses what was not durable; the lost offsets are not reused.
  void crash();
  // Called before each record that a source gives, on the source's thread: a log that is slow to
  // read. To be set before there are sources.
  std::function<void()> before_read;
  // Forgets the first `count` offsets of a stream, as retention does.
  void retire(std::uint64_t count, std::string_view stream = "main");

  // Every whole record so far, encoded, in append order.
  std::vector<std::string> records() const;
  std::uint64_t size() const;
  // Decodes every record of type R; views live in `storage`.
  template <typename R>
  std::vector<R> all(std::vector<std::string>& storage) const {
    storage = records();
    std::vector<R> out;
    for (const std::string& bytes : storage) {
      auto record = model::decode(bytes);
      if (record.ok()) {
        if (const R* wanted = std::get_if<R>(&record.value())) out.push_back(*wanted);
      }
    }
    return out;
  }

  Result<std::unique_ptr<model::RecordSource>> open_source(const model::Cursor& from,
                                                           model::Fence fence) override;
  model::Cursor begin() const override;
  model::Cursor end() const override;
  Result<model::Cursor> find_time(std::int64_t wall_ns) const override;
  // Everything: it has no index.
  Result<std::vector<model::LogSpan>> find_key(const model::LogKey& key) const override;
  std::int64_t longest_exchange_ns(std::int64_t /*wall_ns*/) const override { return 0; }
  std::shared_ptr<void> add_publish_listener(PublishListener listener) override;
  Status commit_cursor(std::string_view consumer, const model::Cursor& cursor, bool pins) override;
  Result<model::Cursor> load_cursor(std::string_view consumer) const override;

 private:
  friend class MemorySource;
  friend class MemorySink;

  struct Entry {
    std::string stream;
    Offset offset;
    Offset end;              // of a hole: behind its last offset; else offset.next()
    std::string hole_cause;  // "" for a record
    std::int64_t append_wall_ns = 0;
    std::shared_ptr<const std::string> bytes;
  };
  Offset append_entry(Entry entry, std::uint64_t count);
  void published(model::RecordKinds kinds);

  const Clock& clock_;
  mutable Mutex mutex_;
  std::condition_variable changed_;
  std::vector<Entry> entries_ GUARDED_BY(mutex_);  // of all streams, in append order
  std::map<std::string, Offset, std::less<>> next_ GUARDED_BY(mutex_);
  std::map<std::string, Offset, std::less<>> first_ GUARDED_BY(mutex_);
  std::size_t durable_ GUARDED_BY(mutex_) = 0;  // entries below this index
  bool held_ GUARDED_BY(mutex_) = false;
  bool refusing_ GUARDED_BY(mutex_) = false;
  std::uint64_t generation_ GUARDED_BY(mutex_) = 0;
  std::map<std::string, model::Cursor, std::less<>> cursors_ GUARDED_BY(mutex_);
  std::map<std::uint64_t, PublishListener> listeners_ GUARDED_BY(mutex_);
  std::uint64_t next_listener_ GUARDED_BY(mutex_) = 0;
};

}  // namespace banyan::support
