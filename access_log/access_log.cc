// SPDX-License-Identifier: Apache-2.0
#include "access_log/access_log.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "access_log/format.h"
#include "core/base/mutex.h"
#include "core/obs/log.h"

namespace banyan::access_log {
namespace {

constexpr std::chrono::milliseconds kPace{100};
constexpr std::size_t kEagerBytes =
    256 * 1024;  // in one lane: the thread need not wait for its pace

}  // namespace

struct AccessLog::Impl {
  // Shared with the lane's owner. Only the thread takes the lock from elsewhere, ten times a
  // second.
  struct Slot {
    Mutex mutex;
    std::string lines GUARDED_BY(mutex);
    Format format GUARDED_BY(mutex) = Format::kJson;
    std::size_t bytes_max GUARDED_BY(mutex) = 0;
    std::atomic<bool> is_on{false};
    std::atomic<bool> is_closed{false};
  };
  class Lane;

  explicit Impl(obs::Metrics& metrics)
      : lines(metrics.counter("banyan_access_log_lines_total", "Lines of the access log written.")),
        lost_full(dropped(metrics, "queue_full")),
        lost_disk(dropped(metrics, "disk")),
        reopens(metrics.counter("banyan_access_log_reopens_total",
                                "Times the access log's file was opened again.")) {}

  static obs::Counter& dropped(obs::Metrics& metrics, const char* reason) {
    return metrics.counter("banyan_access_log_dropped_total",
                           "Lines of the access log that were lost, by reason.",
                           {{"reason", reason}});
  }

  obs::Counter& lines;
  obs::Counter& lost_full;
  obs::Counter& lost_disk;
  obs::Counter& reopens;

  mutable Mutex mutex;
  std::condition_variable woken;
  std::condition_variable written;
  std::vector<std::shared_ptr<Slot>> slots GUARDED_BY(mutex);
  AccessLogOptions options GUARDED_BY(mutex);
  std::optional<Change> change GUARDED_BY(mutex);
  bool wants_reopen GUARDED_BY(mutex) = false;
  bool is_eager GUARDED_BY(mutex) = false;
  bool is_stopping GUARDED_BY(mutex) = false;
  std::uint64_t flushes_asked GUARDED_BY(mutex) = 0;
  std::uint64_t flushes_done GUARDED_BY(mutex) = 0;
  std::string failure GUARDED_BY(mutex);
  std::thread thread;
  AccessFile file;  // thread, once it runs

  void set_up_locked(Slot& slot) REQUIRES(mutex) BANYAN_TSA(no_thread_safety_analysis) {
    slot.format = options.format;
    slot.bytes_max = options.lane_bytes_max;
    slot.is_on.store(!options.path.empty() && !is_stopping, std::memory_order_relaxed);
  }

  void wake_eagerly() {
    MutexLock lock(mutex);
    if (std::exchange(is_eager, true)) return;
    woken.notify_one();
  }

  // What one round of the thread has to do.
  struct Round {
    std::vector<std::string> buffers;
    std::optional<Change> change;
    std::string reopen_path;
    std::uint64_t flushes = 0;
    bool is_last = false;
  };

  Round next_round() {
    MutexLock lock(mutex);
    if (!is_eager && !is_stopping && !change && !wants_reopen && flushes_asked == flushes_done) {
      lock.wait_for(woken, kPace);
    }
    Round round;
    is_eager = false;
    round.is_last = is_stopping;
    round.flushes = flushes_asked;
    round.change = std::exchange(change, std::nullopt);
    if (round.change) options = round.change->options;
    // A change has just opened its file.
    if (std::exchange(wants_reopen, false) && !round.change) round.reopen_path = options.path;
    std::vector<std::shared_ptr<Slot>> kept;
    for (auto& slot : slots) {
      // Asked first: what was written before the lane closed is taken below.
      const bool is_closed = slot->is_closed.load();
      std::string taken = take(*slot, round.change.has_value());
      if (!taken.empty()) round.buffers.push_back(std::move(taken));
      if (!is_closed) kept.push_back(std::move(slot));
    }
    slots = std::move(kept);
    return round;
  }

  // Lines of the old format leave with the old file.
  std::string take(Slot& slot, bool sets_up) REQUIRES(mutex) {
    std::string taken;
    MutexLock lock(slot.mutex);
    taken.swap(slot.lines);
    if (sets_up) set_up_locked(slot);
    return taken;
  }

  void write(const std::vector<std::string>& buffers) {
    for (const std::string& buffer : buffers) {
      if (!file.is_open()) {
        lost_disk.add(static_cast<std::uint64_t>(std::count(buffer.begin(), buffer.end(), '\n')));
        continue;
      }
      const AccessFile::Outcome outcome = file.write(buffer);
      lines.add(outcome.lines_written);
      lost_disk.add(outcome.lines_lost);
      tell(outcome.failure);
    }
  }

  // Once when it begins and once when it ends.
  void tell(const std::string& now) {
    MutexLock lock(mutex);
    if (failure.empty() && !now.empty()) {
      obs::log_error("access_log", now + "; lines are lost until that changes");
    } else if (!failure.empty() && now.empty()) {
      obs::log_info("access_log", "lines are kept again");
    }
    failure = now;
  }

  void reopen(const std::string& path) {
    auto opened = AccessFile::open(path);
    if (!opened.ok()) {
      obs::log_error("access_log", opened.error().message + "; the old file goes on");
      return;
    }
    file = *std::move(opened);
    reopens.add();
    obs::log_info("access_log", "opened " + path + " again");
  }

  void run() {
    (void)pthread_setname_np(pthread_self(), "access-log");
    for (;;) {
      Round round = next_round();
      write(round.buffers);
      if (round.change) {
        file = std::move(round.change->file);
        tell("");
      } else if (!round.reopen_path.empty()) {
        reopen(round.reopen_path);
      }
      MutexLock lock(mutex);
      flushes_done = round.flushes;
      written.notify_all();
      if (round.is_last) return;
    }
  }
};

class AccessLog::Impl::Lane final : public proxy::AccessLane {
 public:
  Lane(Impl& log, std::shared_ptr<Slot> slot) : log_(log), slot_(std::move(slot)) {}
  ~Lane() override { slot_->is_closed.store(true); }

  bool is_on() const override { return slot_->is_on.load(std::memory_order_relaxed); }

  void write(const proxy::AccessEntry& entry) override {
    bool must_wake = false;
    {
      MutexLock lock(slot_->mutex);
      if (!slot_->is_on.load(std::memory_order_relaxed)) return;
      std::string& waiting = slot_->lines;
      const std::size_t size_before = waiting.size();
      append_line(slot_->format, entry, waiting);
      if (waiting.size() > slot_->bytes_max) {
        waiting.resize(size_before);
        log_.lost_full.add();
        return;
      }
      must_wake = size_before < kEagerBytes && waiting.size() >= kEagerBytes;
    }
    if (must_wake) log_.wake_eagerly();
  }

 private:
  Impl& log_;
  const std::shared_ptr<Slot> slot_;
};

AccessLog::AccessLog() = default;

Result<AccessLog::Change> AccessLog::prepare(const AccessLogOptions& options) {
  Change change;
  change.options = options;
  if (options.path.empty()) return change;
  auto file = AccessFile::open(options.path);
  if (!file.ok()) return file.error();
  change.file = *std::move(file);
  return change;
}

Result<std::unique_ptr<AccessLog>> AccessLog::open(const AccessLogOptions& options,
                                                   obs::Metrics& metrics) {
  auto change = prepare(options);
  if (!change.ok()) return change.error();
  std::unique_ptr<AccessLog> log(new AccessLog());
  log->impl_ = std::make_unique<Impl>(metrics);
  Impl& impl = *log->impl_;
  {
    MutexLock lock(impl.mutex);
    impl.options = options;
  }
  impl.file = std::move(change->file);
  impl.thread = std::thread([&impl] { impl.run(); });
  return log;
}

AccessLog::~AccessLog() {
  if (impl_) stop();
}

std::unique_ptr<proxy::AccessLane> AccessLog::open_lane() {
  auto slot = std::make_shared<Impl::Slot>();
  MutexLock lock(impl_->mutex);
  {
    MutexLock slot_lock(slot->mutex);
    impl_->set_up_locked(*slot);
  }
  impl_->slots.push_back(slot);
  return std::make_unique<Impl::Lane>(*impl_, std::move(slot));
}

void AccessLog::apply(Change change) {
  MutexLock lock(impl_->mutex);
  impl_->change = std::move(change);
  impl_->woken.notify_one();
}

void AccessLog::reopen() {
  MutexLock lock(impl_->mutex);
  if (impl_->options.path.empty()) return;
  impl_->wants_reopen = true;
  impl_->woken.notify_one();
}

void AccessLog::flush() {
  MutexLock lock(impl_->mutex);
  const std::uint64_t wanted = ++impl_->flushes_asked;
  impl_->woken.notify_one();
  while (impl_->flushes_done < wanted && !impl_->is_stopping) lock.wait(impl_->written);
}

void AccessLog::stop() {
  {
    MutexLock lock(impl_->mutex);
    impl_->is_stopping = true;
    for (const auto& slot : impl_->slots) slot->is_on.store(false, std::memory_order_relaxed);
    impl_->woken.notify_one();
  }
  if (impl_->thread.joinable()) impl_->thread.join();
}

std::string AccessLog::failure() const {
  MutexLock lock(impl_->mutex);
  return impl_->failure;
}

std::uint64_t AccessLog::lines_lost() const {
  return impl_->lost_full.value() + impl_->lost_disk.value();
}

}  // namespace banyan::access_log
