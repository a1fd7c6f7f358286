// SPDX-License-Identifier: Apache-2.0
#include "recorder/recorder.h"

#include <atomic>
#include <utility>

#include "core/base/text.h"
#include "core/obs/log.h"
#include "recorder/format.h"
#include "recorder/log_access.h"
#include "recorder/recovery.h"
#include "recorder/sequencer.h"

namespace banyan::recorder {
namespace {

// Smaller ones would hold little more than their headers.
constexpr std::uint64_t kSegmentBytesMin = 64U << 10;

Status check_options(const RecorderOptions& options) {
  const auto wrong = [](std::string message) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig, std::move(message));
  };
  if (!is_stream_name(options.stream)) {
    return wrong("'" + escape_for_terminal(options.stream, 80) +
                 "' is no stream name; use lower-case letters, digits, '_' and '-'");
  }
  if (options.segment_bytes < kSegmentBytesMin || options.segment_bytes > (1ULL << 40)) {
    return wrong("a log segment must have between 64 KiB and 1 TiB");
  }
  if ((options.encrypts || options.chains) && !options.keys->has_key()) {
    return wrong("a log that is encrypted or chained needs a key");
  }
  if (options.flush_interval_ns <= 0 || options.lane_bytes_max == 0) {
    return wrong("the log's flush interval and the bound of a lane must be above zero");
  }
  return {};
}

void tell(const RecoveryReport& report, const std::string& directory) {
  if (!report.was_unclean) return;
  obs::log_warning("recorder",
                   directory + " was not closed in order: " + std::to_string(report.records_kept) +
                       " records of the last segment kept, " +
                       std::to_string(report.torn_tail_bytes) + " bytes of torn tail set aside, " +
                       std::to_string(report.damaged_ranges) + " damaged ranges, " +
                       std::to_string(report.seconds_ms) + " ms");
}

}  // namespace

struct Recorder::Impl {
  Impl(FileSystem& disk, Clock& clock, const RecorderOptions& options)
      : files(disk),
        catalog(std::make_shared<Catalog>(options.directory + "/" + options.stream, options.stream,
                                          options.keys)),
        signal(std::make_shared<PublishSignal>()),
        cursors(files, options.directory),
        sequencer(files, clock, options, catalog, signal, cursors),
        access(files, options.directory, options.keys, catalog, signal, &cursors) {}

  FileSystem& files;
  std::unique_ptr<FileLock> lock;
  const std::shared_ptr<Catalog> catalog;
  const std::shared_ptr<PublishSignal> signal;
  CursorTable cursors;
  Sequencer sequencer;
  LogDirectory access;
  RecoveryReport report;
  std::string uuid;
  Epoch epoch;
  std::uint16_t node = 0;
  std::atomic<std::uint16_t> lanes{0};
};

Recorder::Recorder() = default;
Recorder::~Recorder() { stop(); }

Result<std::unique_ptr<Recorder>> Recorder::open(FileSystem& files, Clock& clock,
                                                 RecorderOptions options) {
  BANYAN_RETURN_IF_ERROR(check_options(options));
  const std::string directory = options.directory + "/" + options.stream;
  BANYAN_RETURN_IF_ERROR(files.make_directories(directory));
  auto lock = files.lock(directory + "/lock");
  if (!lock.ok()) return lock.error();
  std::unique_ptr<Recorder> recorder(new Recorder());
  recorder->impl_ = std::make_unique<Impl>(files, clock, options);
  Impl& impl = *recorder->impl_;
  impl.lock = *std::move(lock);
  auto recovered = recover_stream(files, *impl.catalog);
  if (!recovered.ok()) return recovered.error();
  impl.report = recovered->report;
  tell(impl.report, directory);
  BANYAN_RETURN_IF_ERROR(impl.sequencer.start(*recovered));
  // Fixed from here on; the recorder thread owns the rest of meta.
  impl.uuid = hex_of_bytes(recovered->meta.uuid);
  impl.node = recovered->meta.node;
  impl.epoch = Epoch{recovered->meta.epoch.value + 1};
  return recorder;
}

Epoch Recorder::epoch() const { return impl_->epoch; }
std::uint16_t Recorder::node() const { return impl_->node; }
const std::string& Recorder::log_uuid() const { return impl_->uuid; }
const RecoveryReport& Recorder::recovery() const { return impl_->report; }

std::unique_ptr<model::RecordSink> Recorder::open_lane(std::function<void()> wake) {
  return std::make_unique<LaneSink>(impl_->sequencer.add_lane(std::move(wake)));
}

std::uint16_t Recorder::next_lane_number() {
  return static_cast<std::uint16_t>(impl_->lanes.fetch_add(1, std::memory_order_relaxed) + 1);
}

void Recorder::set_checkpoint_state(std::uint64_t routing_epoch, std::uint64_t rules_version) {
  impl_->sequencer.writer().set_checkpoint_state(routing_epoch, rules_version);
}

model::LogAccess& Recorder::access() { return impl_->access; }
RecorderStats Recorder::stats() const { return impl_->sequencer.stats(); }
Result<Epoch> Recorder::oldest_epoch() const {
  const auto oldest = impl_->catalog->oldest(impl_->files);
  if (!oldest.ok()) return oldest.error();
  return oldest->epoch;
}
Result<std::int64_t> Recorder::oldest_append_ns() const { return impl_->access.oldest_append_ns(); }

void Recorder::set_retention_listener(
    std::function<void(std::string_view stream, Offset first, Offset end)> listener) {
  impl_->sequencer.set_retention_listener(std::move(listener));
}

Status Recorder::reconfigure(const RecorderOptions& next) {
  BANYAN_RETURN_IF_ERROR(check_options(next));
  impl_->sequencer.reconfigure(next);
  return {};
}

void Recorder::ask_beat() { impl_->sequencer.ask_beat(); }
std::uint64_t Recorder::beats() const { return impl_->sequencer.beats(); }
bool Recorder::is_at_disk() const { return impl_->sequencer.is_at_disk(); }

Status Recorder::flush(std::int64_t patience_ns) { return impl_->sequencer.flush(patience_ns); }

void Recorder::stop() {
  if (impl_) impl_->sequencer.stop();
}

}  // namespace banyan::recorder
