// SPDX-License-Identifier: Apache-2.0
//
// How rooms write to and read from the log without knowing the recorder; app wires them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/model/record.h"
#include "core/model/record_codec.h"

namespace banyan::model {

// The place of a record in its lane; 0: refused (lane full or log failed), and already counted in a
// GAP to come. Grows by one per record.
struct Ticket {
  std::uint64_t value = 0;
  bool is_refused() const { return value == 0; }
};

// Where one thread (or a few: it is locked) appends. What one sink accepts keeps its order; what
// was accepted before something else on another sink lands no later than the same cut (see
// recorder).
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  // Copies. Never blocks. `encoded` is one record by encode(). Any thread.
  virtual Ticket append(std::string_view encoded) = 0;
  // The same for a record that is not encoded yet; a sink that holds its place writes it there.
  virtual Ticket write(const Unwritten& record);
  virtual bool is_written(Ticket ticket) const = 0;
  virtual bool is_durable(Ticket ticket) const = 0;
  // Asks the recorder to sync soon and to call the sink's wake function (given at creation;
  // recorder thread) when the ticket is durable or the log failed.
  virtual void want_durable(Ticket ticket) = 0;
  // The log cannot take records now; it tries again by itself.
  virtual bool has_failed() const = 0;
};

template <typename R>
Ticket append_record(RecordSink& sink, const R& record) {
  return sink.write(Unwritten(record));
}

// Where a consumer goes on: the next offset of each stream it has read from. Streams it does not
// name are read from their start.
struct Cursor {
  struct Place {
    std::string stream;
    Offset next;
    bool operator==(const Place&) const = default;
  };
  std::vector<Place> places;  // sorted by stream
  bool operator==(const Cursor&) const = default;
  Offset next_of(std::string_view stream) const;  // 0 where it is not named
  void set(std::string_view stream, Offset next);
  // Of all streams: how far it is from another cursor, in records.
  std::uint64_t sum() const;

  // "main:1234,compare:17"
  std::string to_string() const;
  static Result<Cursor> parse(std::string_view text);
};

// One record as read. Views are valid until the source's next call of next().
struct SourcedRecord {
  enum class Kind {
    kRecord,
    kHole
  };  // kHole: offsets [offset, hole_end) are damaged or were deleted
  Kind kind = Kind::kRecord;
  std::string_view stream;
  Offset offset;
  Offset hole_end;
  std::string_view hole_cause;  // "damaged" "retention"
  std::int64_t append_wall_ns = 0;
  std::string_view encoded;
  RecordType type = RecordType::kCheckpoint;
  ExchangeId exchange;
};

// A consumer's own view of the log. One thread. Takes no lock that a writer could wait for.
class RecordSource {
 public:
  virtual ~RecordSource() = default;
  // True: `out` holds the next record. False: nothing further can be read now.
  virtual Result<bool> next(SourcedRecord& out) = 0;
  // What the reader has use for from here on: next() may pass over the rest, which position() then
  // lies behind. Holes, and what cannot be told, always come. A source may ignore it.
  virtual void want(RecordKinds kinds) { (void)kinds; }
  // Behind the last record that next() answered.
  virtual Cursor position() const = 0;
  // True if a record at this place would survive a crash (always true for a closed log).
  virtual bool is_durable(std::string_view stream, Offset offset) const = 0;
  // Waits until there may be more that want() named, or until `patience` passed.
  virtual void wait(std::chrono::milliseconds patience) = 0;
  // Wakes a wait() of this source; any thread.
  virtual void interrupt() = 0;
};

enum class Fence { kWritten, kDurable };

// What an index of the log may be asked for.
struct LogKey {
  enum class Kind { kExchange, kSession, kRoutes, kGaps };
  Kind kind = Kind::kExchange;
  ExchangeId exchange;
  std::string session;  // its keyed token

  // All records of one exchange; the REQUESTs of one session; all ROUTE or all GAP records.
  static LogKey of_exchange(ExchangeId exchange) { return {Kind::kExchange, exchange, {}}; }
  static LogKey of_session(std::string_view token) {
    return {Kind::kSession, {}, std::string(token)};
  }
  static LogKey routes() { return {Kind::kRoutes, {}, {}}; }
  static LogKey gaps() { return {Kind::kGaps, {}, {}}; }
};
// Offsets [first, end) of one stream.
struct LogSpan {
  std::string stream;
  Offset first;
  Offset end;
  bool operator==(const LogSpan&) const = default;
};

// Opens sources; any thread. Each consumer holds its own source.
class LogAccess {
 public:
  virtual ~LogAccess() = default;
  virtual Result<std::unique_ptr<RecordSource>> open_source(const Cursor& from, Fence fence) = 0;
  // The first offset of each stream that is still there / the end of what is written now.
  virtual Cursor begin() const = 0;
  virtual Cursor end() const = 0;
  // Nearest place at or before the first record appended at `wall_ns` or later.
  virtual Result<Cursor> find_time(std::int64_t wall_ns) const = 0;
  // Where records with this key may be: nowhere else, but not everywhere there. By stream and
  // offset. What was not sealed yet is one span.
  virtual Result<std::vector<LogSpan>> find_key(const LogKey& key) const = 0;
  // The longest exchange that is known to have ended at `wall_ns` or soon after, in nanoseconds:
  // how far before that time an exchange may have begun that was open then. 0 where nothing is
  // known.
  virtual std::int64_t longest_exchange_ns(std::int64_t wall_ns) const = 0;
  // Called (recorder thread) whenever more was published, until the handle dies, with the kinds of
  // what is new; all() where that is not told, and where it became durable. True where somebody had
  // waited for it, not where they are at work anyway: a log that nobody waits for is written in
  // larger steps. Must not block.
  using PublishListener = std::function<bool(RecordKinds)>;
  virtual std::shared_ptr<void> add_publish_listener(PublishListener listener) = 0;
  // A consumer's name and committed place; retention keeps what a pinning consumer still needs, and
  // lag is reported for each. Durable by the next sync of the log; any thread.
  virtual Status commit_cursor(std::string_view consumer, const Cursor& cursor, bool pins) = 0;
  virtual Result<Cursor> load_cursor(std::string_view consumer) const = 0;  // empty when unknown
};

// Hands everything on to another log, which outlives it: for who changes a part of that.
class ForwardingLog : public LogAccess {
 public:
  explicit ForwardingLog(LogAccess& log) : log_(log) {}
  Result<std::unique_ptr<RecordSource>> open_source(const Cursor& from, Fence fence) override {
    return log_.open_source(from, fence);
  }
  Cursor begin() const override { return log_.begin(); }
  Cursor end() const override { return log_.end(); }
  Result<Cursor> find_time(std::int64_t wall_ns) const override { return log_.find_time(wall_ns); }
  Result<std::vector<LogSpan>> find_key(const LogKey& key) const override {
    return log_.find_key(key);
  }
  std::int64_t longest_exchange_ns(std::int64_t wall_ns) const override {
    return log_.longest_exchange_ns(wall_ns);
  }
  std::shared_ptr<void> add_publish_listener(PublishListener listener) override {
    return log_.add_publish_listener(std::move(listener));
  }
  Status commit_cursor(std::string_view consumer, const Cursor& cursor, bool pins) override {
    return log_.commit_cursor(consumer, cursor, pins);
  }
  Result<Cursor> load_cursor(std::string_view consumer) const override {
    return log_.load_cursor(consumer);
  }

 protected:
  LogAccess& log_;
};

// The records and holes in these spans, in their order, until `on_record` answers false.
Status read_spans(LogAccess& log, const std::vector<LogSpan>& spans,
                  const std::function<bool(const SourcedRecord&)>& on_record);

// Convenience for random access: collects the CHUNKs of one side of one exchange from `from` up to
// the record that closes it, calling `on_piece` in order; stops when it answers false.
Status read_chunks(LogAccess& log, std::string_view stream, Offset from, ExchangeId exchange,
                   Side side, RunId run, const std::function<bool(const ChunkRecord&)>& on_piece);

}  // namespace banyan::model
