// SPDX-License-Identifier: Apache-2.0
#include "recorder/sequencer.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/model/record_codec.h"
#include "core/obs/log.h"

namespace banyan::recorder {
namespace {

constexpr std::int64_t kHouseIntervalNs = 1'000'000'000;
constexpr std::int64_t kRetryNsMin = 10'000'000;
constexpr std::int64_t kRetryNsMax = 1'000'000'000;

// Intervals run on real time whatever clock stamps the records.
std::int64_t real_ns() { return SystemClock::instance().mono_ns(); }

// Batched: whoever serves a client is not interrupted when this thread wakes up. In a rush it would
// then wait for a tick of the scheduler at each step, some milliseconds, and fall behind on a
// machine without an idle core.
void set_batched(bool is_batched) {
  sched_param none{};
  (void)pthread_setschedparam(pthread_self(), is_batched ? SCHED_BATCH : SCHED_OTHER, &none);
}

}  // namespace

// While one lives, a disk is what the thread waits for.
class Sequencer::AtDisk {
 public:
  explicit AtDisk(std::atomic<bool>& flag) : flag_(flag) {
    flag_.store(true, std::memory_order_release);
  }
  ~AtDisk() { flag_.store(false, std::memory_order_release); }
  AtDisk(const AtDisk&) = delete;
  AtDisk& operator=(const AtDisk&) = delete;

 private:
  std::atomic<bool>& flag_;
};

Sequencer::Sequencer(FileSystem& files, Clock& clock, RecorderOptions options,
                     std::shared_ptr<Catalog> catalog, std::shared_ptr<PublishSignal> signal,
                     CursorTable& cursors)
    : files_(files),
      clock_(clock),
      options_(std::move(options)),
      catalog_(std::move(catalog)),
      signal_(std::move(signal)),
      cursors_(cursors),
      writer_(files_, clock_, options_, catalog_) {}

Status Sequencer::start(const Recovered& recovered) {
  BANYAN_RETURN_IF_ERROR(writer_.start(recovered));
  last_house_ns_ = real_ns();
  thread_ = std::thread([this] { run(); });
  return {};
}

void Sequencer::stop() {
  if (!thread_.joinable()) return;
  is_stopping_.store(true, std::memory_order_seq_cst);
  wake();
  thread_.join();
}

std::shared_ptr<Lane> Sequencer::add_lane(std::function<void()> wake_sink) {
  auto lane = std::make_shared<Lane>(*this, options_.lane_bytes_max,
                                     writer_.buffers().shared_from_this(), std::move(wake_sink));
  auto slot = std::make_unique<Slot>();
  slot->lane = lane;
  slot->next = writer_.buffers().take();
  MutexLock lock(lanes_mutex_);
  slot->number = ++lanes_opened_;
  slots_.push_back(std::move(slot));
  return lane;
}

void Sequencer::wake() {
  {
    MutexLock lock(wake_mutex_);
    if (is_woken_) return;
    is_woken_ = true;
  }
  wake_signal_.notify_one();
}

void Sequencer::on_append(bool filled) {
  const State state = state_.load(std::memory_order_seq_cst);
  if (state == State::kIdle || (filled && state == State::kLingering)) wake();
}

void Sequencer::on_want_durable() {
  is_wanted_.store(true, std::memory_order_seq_cst);
  if (state_.load(std::memory_order_seq_cst) != State::kAwake) wake();
}

void Sequencer::run() {
  pthread_setname_np(pthread_self(), "recorder");
  set_batched(true);
  rush_gauge_ = RushGauge(real_ns());
  bool was_busy = false;
  while (true) {
    const bool is_stopping = is_stopping_.load(std::memory_order_seq_cst);
    work(is_stopping, was_busy);
    if (is_stopping) break;
    nap(was_busy);
  }
  finish();
}

void Sequencer::work(bool is_stopping, bool& was_busy) {
  beats_.fetch_add(1, std::memory_order_release);
  // Read before the cut, so that what was asked for is in it.
  const std::uint64_t flushes = flushes_asked_.load(std::memory_order_seq_cst);
  const bool is_flush = flushes != flushes_answered_.load(std::memory_order_relaxed);
  if (is_wanted_.exchange(false, std::memory_order_seq_cst)) is_sync_wanted_ = true;
  was_busy = false;
  if (has_failed() && (is_stopping || real_ns() >= retry_at_ns_)) try_fail_over();
  if (!has_failed()) was_busy = write_cut();
  if (const std::int64_t now = real_ns(); rush_gauge_.look(now)) catalog_->note_rush(now);
  if (!has_failed()) keep_durable(is_flush || is_stopping);
  wake_lanes();
  if (is_flush || is_stopping || real_ns() - last_house_ns_ >= kHouseIntervalNs) keep_house();
  if (is_flush || is_stopping) remover_.wait();  // What was asked for includes retention.
  if (is_flush) answer_flushes(flushes);
}

bool Sequencer::has_urgent_work() const {
  return is_stopping_.load(std::memory_order_seq_cst) ||
         is_wanted_.load(std::memory_order_seq_cst) ||
         flushes_asked_.load(std::memory_order_seq_cst) !=
             flushes_answered_.load(std::memory_order_relaxed);
}

bool Sequencer::has_records() {
  MutexLock lock(lanes_mutex_);
  return std::any_of(slots_.begin(), slots_.end(),
                     [](const auto& slot) { return !slot->lane->is_empty(); });
}

bool Sequencer::has_full_lane() {
  MutexLock lock(lanes_mutex_);
  return std::any_of(slots_.begin(), slots_.end(),
                     [](const auto& slot) { return slot->lane->has_full_buffer(); });
}

void Sequencer::nap(bool was_busy) {
  const bool is_failing = has_failed();
  // Appends wake an idle thread, and a lingering one where they fill a buffer. The state is set
  // before the lanes are looked at: whoever appends after the look sees it.
  const bool is_idle = !was_busy && !is_failing;
  state_.store(is_idle ? State::kIdle : State::kLingering, std::memory_order_seq_cst);
  if (!has_urgent_work() && !(is_idle && has_records())) {
    const std::int64_t now = real_ns();
    std::int64_t until = last_house_ns_ + kHouseIntervalNs;
    if (is_failing) {
      until = std::min(until, retry_at_ns_);
    } else if (was_busy) {
      until = std::min(until, has_full_lane() ? now : now + linger_.ns());
    } else if (writer_.pending_bytes() > 0 && !writer_.is_syncing()) {
      until = std::min(until, oldest_pending_ns_ + options_.flush_interval_ns);
    }
    MutexLock lock(wake_mutex_);
    // One wait is enough: a spurious wake-up costs one look at the lanes.
    if (!is_woken_ && until > now) {
      lock.wait_for(wake_signal_, std::chrono::nanoseconds(until - now));
      // Who wakes up late had more to do, or no core.
      rush_gauge_.add_nap(std::min(real_ns(), until) - now);
    }
  }
  state_.store(State::kAwake, std::memory_order_seq_cst);
  MutexLock lock(wake_mutex_);
  is_woken_ = false;
  if (next_options_) adopt(*std::exchange(next_options_, std::nullopt));
}

void Sequencer::reconfigure(const RecorderOptions& next) {
  {
    MutexLock lock(wake_mutex_);
    next_options_ = next;
  }
  wake();
}

// Member by member: the others are read on other threads.
void Sequencer::adopt(const RecorderOptions& next) {
  options_.segment_bytes = next.segment_bytes;
  options_.flush_interval_ns = next.flush_interval_ns;
  options_.retention_age_ns = next.retention_age_ns;
  options_.retention_bytes = next.retention_bytes;
  options_.min_free_ratio = next.min_free_ratio;
  options_.min_free_bytes = next.min_free_bytes;
  options_.compression = next.compression;
  options_.keys = next.keys;
  options_.encrypts = next.encrypts;
  options_.chains = next.chains;
}

// One consistent cut: all lanes are held while their buffers are swapped.
bool Sequencer::take_lanes() {
  slots_now_.clear();
  MutexLock lock(lanes_mutex_);
  for (const auto& slot : slots_) slot->lane->lock();
  bool has_any = false;
  for (const auto& slot : slots_) {
    slot->ticket = slot->lane->take(slot->taken, slot->next, slot->loss);
    has_any = has_any || !slot->taken.empty() || slot->loss.records > 0;
  }
  for (const auto& slot : slots_) slot->lane->unlock();
  if (!has_any) return false;
  for (const auto& slot : slots_) slots_now_.push_back(slot.get());
  return true;
}

void Sequencer::add_taken(Slot& slot, Cut& cut) {
  std::uint64_t records = 0;
  for (const auto& buffer : slot.taken) records += buffer->records();
  std::uint64_t ticket = slot.ticket - records;
  std::size_t bytes_max = 0;
  for (auto& buffer : slot.taken) {
    ticket += buffer->records();
    bytes_max = std::max(bytes_max, buffer->bytes.size());
    cut.add(std::move(buffer), slot.number, ticket);
  }
  slot.taken.clear();
  // The largest of late: it fades by an eighth each time.
  slot.usual_bytes = std::max(bytes_max, slot.usual_bytes - slot.usual_bytes / 8);
  if (slot.next == nullptr) slot.next = writer_.buffers().take(slot.usual_bytes);
  cut.lane_ends.emplace_back(slot.lane, slot.ticket);
}

Cut Sequencer::cut_of_slots() {
  Cut cut = writer_.begin_cut();
  std::shared_ptr<BatchBuffer> gaps;
  for (Slot* slot : slots_now_) {
    if (!slot->taken.empty()) add_taken(*slot, cut);
    if (slot->loss.records == 0) continue;
    model::GapRecord gap;
    gap.first = slot->loss.first;
    gap.last = slot->loss.last;
    gap.records_lost = slot->loss.records;
    gap.cause = slot->loss.was_failed ? "write_failed" : "queue_full";
    gap.parts = std::move(slot->loss.parts);
    std::string encoded;
    model::encode(gap, encoded);
    if (gaps == nullptr) gaps = writer_.buffers().take();
    gaps->add(encoded);
  }
  // Behind what was accepted before the loss, before what is accepted after it.
  if (gaps != nullptr) cut.add(std::move(gaps), 0, 0);
  return cut;
}

bool Sequencer::write_cut() {
  if (writer_.is_roll_due()) {
    sync();
    if (has_failed()) return false;
    const AtDisk at_disk(is_at_disk_);
    if (const auto status = writer_.roll(); !status.ok()) {
      fail(status.error());
      // Where the log went on at once, what waits in the lanes is taken now: a flush that is about
      // to be answered counts on it.
      if (has_failed()) return false;
    }
    // At full speed a second fills many segments.
    apply_retention();
  }
  if (!take_lanes()) {
    drop_closed_lanes();
    return false;
  }
  Cut cut = cut_of_slots();
  if (was_large_ != (cut.bytes() >= kLargeCutBytes)) {
    was_large_ = !was_large_;
    set_batched(!was_large_);
  }
  if (writer_.pending_bytes() == 0) oldest_pending_ns_ = real_ns();
  const auto lane_ends = cut.lane_ends;
  {
    MutexLock lock(stats_mutex_);
    stats_.records_appended += cut.records();
    stats_.bytes_appended += cut.raw_bytes();
  }
  if (const auto status = append(std::move(cut)); !status.ok()) {
    fail(status.error());
    return true;
  }
  for (const auto& [lane, ticket] : lane_ends) lane->set_written(ticket);
  linger_.note_cut(signal_->publish(model::Fence::kWritten, writer_.published_kinds()));
  MutexLock lock(stats_mutex_);
  stats_.batches = writer_.batches();
  return true;
}

Status Sequencer::append(Cut cut) {
  const AtDisk at_disk(is_at_disk_);
  return writer_.append(std::move(cut));
}

void Sequencer::drop_closed_lanes() {
  MutexLock lock(lanes_mutex_);
  std::erase_if(slots_,
                [](const auto& slot) { return slot->lane->is_closed() && slot->lane->is_empty(); });
}

void Sequencer::keep_durable(bool must_wait) {
  if (must_wait) return sync();
  if (writer_.is_syncing()) {
    const bool is_over = sync_ended_ns_.load(std::memory_order_acquire) != 0;
    const bool is_full = writer_.pending_bytes() > kUnsyncedTimesMax * kUnsyncedBytesMax;
    if (!is_over && !is_full) return;
    end_sync();
    if (has_failed()) return;
  }
  if (!is_sync_due()) return;
  // Where somebody waits for it and little was written since the last one, this thread waits
  // itself: it ends two changes of threads earlier, and no lane will be full meanwhile. Where
  // nobody does, whoever follows the log would wait for the disk.
  if (is_sync_wanted_ && writer_.pending_bytes() < kSmallSyncBytes) return sync();
  begin_sync();
}

bool Sequencer::is_sync_due() const {
  const std::uint64_t pending = writer_.pending_bytes();
  if (pending == 0) return false;
  return is_sync_wanted_ || pending > kUnsyncedBytesMax ||
         real_ns() - oldest_pending_ns_ >= options_.flush_interval_ns;
}

void Sequencer::on_durable(const Cut& cut) {
  for (const auto& [lane, ticket] : cut.lane_ends) {
    lane->set_written(ticket);
    lane->set_durable(ticket);
  }
}

// All that was written, and waits for it.
void Sequencer::sync() {
  if (writer_.is_syncing()) end_sync();
  if (has_failed()) return;
  is_sync_wanted_ = false;
  if (writer_.pending_bytes() == 0) return;
  const std::int64_t began_ns = real_ns();
  const AtDisk at_disk(is_at_disk_);
  const auto status = writer_.sync([this](const Cut& cut) { on_durable(cut); });
  note_sync(status, real_ns() - began_ns);
}

// Cuts go on being written meanwhile.
void Sequencer::begin_sync() {
  is_sync_wanted_ = false;
  sync_began_ns_ = real_ns();
  sync_ended_ns_.store(0, std::memory_order_relaxed);
  writer_.begin_sync([this] {
    sync_ended_ns_.store(real_ns(), std::memory_order_release);
    wake();
  });
}

void Sequencer::end_sync() {
  const AtDisk at_disk(is_at_disk_);
  const auto status = writer_.end_sync([this](const Cut& cut) { on_durable(cut); });
  oldest_pending_ns_ = sync_began_ns_;  // What is left was written later.
  note_sync(status, sync_ended_ns_.load(std::memory_order_acquire) - sync_began_ns_);
}

void Sequencer::note_sync(const Status& status, std::int64_t took_ns) {
  {
    MutexLock lock(stats_mutex_);
    ++stats_.syncs;
    if (!status.ok()) ++stats_.sync_failures;
    stats_.last_sync_ns = took_ns;
    stats_.max_sync_ns = std::max(stats_.max_sync_ns, took_ns);
  }
  if (!status.ok()) {
    fail(status.error());
    return;
  }
  signal_->publish(model::Fence::kDurable, model::RecordKinds::all());
}

void Sequencer::wake_lanes() {
  const bool failed = has_failed();
  MutexLock lock(lanes_mutex_);
  for (const auto& slot : slots_) slot->lane->wake_if_wanted(failed);
}

void Sequencer::fail(const Error& error) {
  {
    MutexLock lock(stats_mutex_);
    ++stats_.write_failures;
    stats_.failure = error.message;
  }
  obs::log_error("recorder", "the log cannot be written (" + error.message +
                                 "); going on in a new segment as soon as the disk allows it");
  has_failed_.store(true, std::memory_order_release);
  retry_wait_ns_ = kRetryNsMin;
  retry_at_ns_ = 0;
  // A fault of one file needs no waiters to hear of it: the first try comes at once.
  try_fail_over();
}

void Sequencer::try_fail_over() {
  const AtDisk at_disk(is_at_disk_);
  apply_retention();  // A full disk may only need this.
  const auto status = writer_.fail_over([this](const Cut& cut) { on_durable(cut); });
  if (!status.ok()) {
    retry_at_ns_ = real_ns() + retry_wait_ns_;
    retry_wait_ns_ = std::min(retry_wait_ns_ * 2, kRetryNsMax);
    MutexLock lock(stats_mutex_);
    ++stats_.write_failures;
    stats_.failure = status.error().message;
    return;
  }
  has_failed_.store(false, std::memory_order_release);
  obs::log_info("recorder", "the log is written again");
  signal_->publish(model::Fence::kDurable, model::RecordKinds::all());
  MutexLock lock(stats_mutex_);
  stats_.failure.clear();
}

void Sequencer::answer_flushes(std::uint64_t asked) {
  {
    MutexLock lock(flush_mutex_);
    is_flush_failed_ = has_failed();
    flushes_answered_.store(asked, std::memory_order_relaxed);
  }
  flush_signal_.notify_all();
}

Status Sequencer::flush(std::int64_t patience_ns) {
  const std::uint64_t mine = flushes_asked_.fetch_add(1, std::memory_order_seq_cst) + 1;
  wake();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(patience_ns);
  MutexLock lock(flush_mutex_);
  while (flushes_answered_.load(std::memory_order_relaxed) < mine) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds(0)) {
      return make_error(ErrorCode::kTimeout, ErrorOrigin::kDisk,
                        "the log was not durable in time; the disk of " + catalog_->directory() +
                            " is slow or hangs");
    }
    lock.wait_for(flush_signal_, left);
  }
  if (!is_flush_failed_) return {};
  return make_error(ErrorCode::kIo, ErrorOrigin::kDisk,
                    "the log cannot be written: " + stats().failure);
}

void Sequencer::set_retention_listener(RetentionListener listener) {
  MutexLock lock(listener_mutex_);
  retention_listener_ = std::move(listener);
}

void Sequencer::keep_house() {
  last_house_ns_ = real_ns();
  const AtDisk at_disk(is_at_disk_);
  if (cursors_.has_unsaved()) {
    if (const auto status = cursors_.save(); !status.ok()) {
      obs::log_warning("recorder", "cannot keep a consumer's place: " + status.error().message);
    }
  }
  apply_retention();
}

void Sequencer::finish() {
  wake_lanes();
  if (has_failed()) {
    obs::log_error("recorder", "stopped while the log could not be written; what waited is lost");
    return;
  }
  if (const auto status = writer_.finish(); !status.ok()) {
    obs::log_warning("recorder", "this stop will count as unclean: " + status.error().message);
  }
}

}  // namespace banyan::recorder
