// SPDX-License-Identifier: Apache-2.0
#include "ledger/ledger.h"

#include <atomic>
#include <chrono>
#include <utility>

#include "core/base/mutex.h"
#include "core/model/follower_thread.h"
#include "core/model/import_stream.h"
#include "core/model/record_codec.h"
#include "core/obs/log.h"
#include "ledger/checkpoint.h"

namespace banyan::ledger {
namespace {

constexpr std::uint64_t kCheckpointBytesMax = 1ULL << 30;
constexpr std::size_t kBatch = 512;               // records between two looks at the place
constexpr std::chrono::milliseconds kPace{10};    // between two drains of a busy log
constexpr std::chrono::milliseconds kIdle{1000};  // patience where nothing happens
constexpr std::int64_t kCheckpointEveryNs = 5'000'000'000;
constexpr std::string_view kConsumer = "ledger";

std::string path_in(const std::string& state_directory) { return state_directory + "/ledger"; }

// An empty checkpoint where there is none or it cannot be used; then `warnings` says so.
Checkpoint load_checkpoint(FileSystem& files, const std::string& state_directory,
                           std::vector<std::string>& warnings) {
  Checkpoint fresh;
  fresh.fold = std::make_unique<LedgerFold>();
  const std::string path = path_in(state_directory);
  if (!files.exists(path)) return fresh;
  auto bytes = files.read_file(path, kCheckpointBytesMax);
  if (!bytes.ok()) {
    warnings.push_back("ledger: " + bytes.error().message + "; folding the whole log again");
    return fresh;
  }
  auto checkpoint = decode_checkpoint(*bytes);
  if (!checkpoint.ok()) {
    warnings.push_back(checkpoint.error().message + " (" + path +
                       "); folding the whole log again, refused counts start at 0");
    return fresh;
  }
  return std::move(checkpoint).value();
}

// Reads records for a fold, decodes of them what it needs, and gives them to `apply(sourced,
// record)`. Whoever shares the fold locks inside `apply` alone: reading may hang on a disk, and a
// snapshot must not.
class Feeder {
 public:
  // At most `records_max`. True while there may be more.
  template <typename Apply>
  Result<bool> feed(model::RecordSource& source, const Apply& apply, std::size_t records_max) {
    model::SourcedRecord sourced;
    for (std::size_t i = 0; i < records_max; ++i) {
      auto more = source.next(sourced);
      if (!more.ok()) return more.error();
      if (!*more) return false;
      if (model::is_imported(sourced.stream)) continue;
      if (sourced.kind == model::SourcedRecord::Kind::kRecord) {
        if (!LedgerFold::wants(sourced.type) || give(sourced, apply)) continue;
        // Whole by its checksum, but not a record we know: as good as a hole.
        sourced.kind = model::SourcedRecord::Kind::kHole;
      }
      apply(sourced, none_);
    }
    return true;
  }

 private:
  template <typename Apply>
  bool give(const model::SourcedRecord& sourced, const Apply& apply) {
    switch (sourced.type) {
      case model::RecordType::kRequest: return give_head(sourced, request_, apply);
      case model::RecordType::kResponse: return give_head(sourced, response_, apply);
      case model::RecordType::kShadow: return give_head(sourced, shadow_, apply);
      case model::RecordType::kVerdict: return give_head(sourced, verdict_, apply);
      default: break;
    }
    const auto record = model::decode(sourced.encoded);
    if (!record.ok()) return false;
    apply(sourced, *record);
    return true;
  }
  template <typename Record, typename Apply>
  bool give_head(const model::SourcedRecord& sourced, Record& record, const Apply& apply) {
    if (!model::decode_head(sourced.encoded, record).ok()) return false;
    apply(sourced, record);
    return true;
  }

  const model::AnyRecord none_ = model::CheckpointRecord{};
  model::RequestRecord request_;
  model::ResponseRecord response_;
  model::ShadowRecord shadow_;
  model::VerdictRecord verdict_;
};

}  // namespace

struct Ledger::Impl {
  Impl(FileSystem& files_in, Clock& clock_in, model::LogAccess& log_in)
      : files(files_in), clock(clock_in), log(log_in) {}

  FileSystem& files;
  Clock& clock;
  model::LogAccess& log;
  std::string state_directory;
  std::unique_ptr<model::RecordSource> source;  // of the following thread; of open() before it
  model::FollowerThread thread;
  std::atomic<std::uint64_t> failures{0};
  Feeder feeder;
  std::int64_t checkpointed_mono_ns = 0;
  bool is_dirty = false;  // folded something since the checkpoint

  mutable Mutex mutex;
  std::unique_ptr<LedgerFold> fold GUARDED_BY(mutex);
  std::map<int, std::uint64_t> refused GUARDED_BY(mutex);
  bool refused_changed GUARDED_BY(mutex) = false;

  Status drain() {
    for (;;) {
      const model::Cursor before = source->position();
      const auto apply = [this](const model::SourcedRecord& sourced, const auto& record) {
        MutexLock lock(mutex);
        fold->apply(sourced, record);
      };
      auto more = feeder.feed(*source, apply, kBatch);
      if (!more.ok()) return more.error();
      if (!(source->position() == before)) is_dirty = true;
      if (!*more) return {};
    }
  }

  Status checkpoint() {
    std::string bytes;
    const model::Cursor cursor = source->position();
    {
      MutexLock lock(mutex);
      if (!is_dirty && !refused_changed) return {};
      bytes = encode_checkpoint(cursor, refused, *fold);
      refused_changed = false;
    }
    checkpointed_mono_ns = clock.mono_ns();
    if (Status made = files.make_directories(state_directory); !made.ok()) return made;
    if (Status written = files.write_file_atomically(path_in(state_directory), bytes);
        !written.ok()) {
      MutexLock lock(mutex);
      refused_changed = true;  // tried again with the next checkpoint
      return written;
    }
    is_dirty = false;
    return log.commit_cursor(kConsumer, cursor, true);
  }

  void report(const Status& status, std::string_view what, bool& was_failing) {
    if (status.ok()) {
      was_failing = false;
      return;
    }
    failures.fetch_add(1, std::memory_order_relaxed);
    if (!was_failing) obs::log_error("ledger", std::string(what) + ": " + status.error().message);
    was_failing = true;
  }

  void follow() {
    bool reading_fails = false;
    bool writing_fails = false;
    while (!thread.is_stopping()) {
      const Status drained = drain();
      report(drained, "cannot read the log", reading_fails);
      if (clock.mono_ns() - checkpointed_mono_ns >= kCheckpointEveryNs) {
        report(checkpoint(), "cannot write the checkpoint", writing_fails);
      }
      if (!drained.ok()) {
        thread.pause(kIdle);
        continue;
      }
      source->wait(kIdle);
      // A busy log publishes every millisecond; folding in larger steps saves wake-ups.
      thread.pause(kPace);
    }
    report(drain(), "cannot read the log", reading_fails);
    report(checkpoint(), "cannot write the checkpoint", writing_fails);
  }
};

Ledger::Ledger() = default;

Ledger::~Ledger() { stop(); }

Result<std::unique_ptr<Ledger>> Ledger::open(FileSystem& files, Clock& clock, model::LogAccess& log,
                                             const std::string& state_directory,
                                             std::vector<std::string>& warnings) {
  std::unique_ptr<Ledger> ledger(new Ledger);
  ledger->impl_ = std::make_unique<Impl>(files, clock, log);
  Impl& impl = *ledger->impl_;
  impl.state_directory = state_directory;
  Checkpoint checkpoint = load_checkpoint(files, state_directory, warnings);
  auto source = log.open_source(checkpoint.cursor, model::Fence::kDurable);
  if (!source.ok()) return source.error();
  impl.source = std::move(source).value();
  {
    MutexLock lock(impl.mutex);
    impl.fold = std::move(checkpoint.fold);
    impl.refused = std::move(checkpoint.refused);
  }
  BANYAN_RETURN_IF_ERROR(impl.drain());
  impl.checkpointed_mono_ns = clock.mono_ns();
  return ledger;
}

void Ledger::start() {
  impl_->thread.start("banyan-ledger", [impl = impl_.get()] { impl->follow(); });
}

void Ledger::stop() {
  if (impl_ && impl_->source) impl_->thread.stop(*impl_->source);
}

LedgerSnapshot Ledger::snapshot() const {
  MutexLock lock(impl_->mutex);
  LedgerSnapshot snapshot = impl_->fold->snapshot();
  snapshot.refused = impl_->refused;
  return snapshot;
}

std::vector<LedgerFold::Open> Ledger::open_exchanges() const {
  MutexLock lock(impl_->mutex);
  return impl_->fold->open_exchanges();
}

void Ledger::count_refused(int status) {
  if (status < 0 || status > 999) status = 0;
  MutexLock lock(impl_->mutex);
  ++impl_->refused[status];
  impl_->refused_changed = true;
}

std::uint64_t Ledger::failures() const { return impl_->failures.load(std::memory_order_relaxed); }

Result<LedgerSnapshot> read_ledger(FileSystem& files, model::LogAccess& log,
                                   const std::string& state_directory) {
  std::vector<std::string> warnings;
  Checkpoint checkpoint = load_checkpoint(files, state_directory, warnings);
  for (const std::string& warning : warnings) obs::log_warning("ledger", warning);
  auto source = log.open_source(checkpoint.cursor, model::Fence::kDurable);
  if (!source.ok()) return source.error();
  Feeder feeder;
  for (;;) {
    const auto apply = [&checkpoint](const model::SourcedRecord& sourced, const auto& record) {
      checkpoint.fold->apply(sourced, record);
    };
    auto more = feeder.feed(**source, apply, kBatch);
    if (!more.ok()) return more.error();
    if (!*more) break;
  }
  LedgerSnapshot snapshot = checkpoint.fold->snapshot();
  snapshot.refused = std::move(checkpoint.refused);
  return snapshot;
}

}  // namespace banyan::ledger
