// SPDX-License-Identifier: Apache-2.0
//
// The log against what the disk and the machine can do, in one run: `log_limits [DIRECTORY
// [MEASUREMENT]]`. Each line gives a figure, its floor taken beside it, their ratio and the bar.
// Writes some GiB into a folder of its own under DIRECTORY (default: the temporary folder), and
// removes it.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/base/check.h"
#include "core/model/record_codec.h"
#include "recorder/meta.h"
#include "recorder/recorder.h"

namespace banyan {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr std::size_t kMiB = 1U << 20;
constexpr std::size_t kWriteBytes = 1024 * kMiB;

double seconds_since(SteadyClock::time_point began) {
  return std::chrono::duration<double>(SteadyClock::now() - began).count();
}

std::int64_t now_ns() { return SystemClock::instance().mono_ns(); }

double percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<std::size_t>(share * static_cast<double>(values.size())))];
}

void tell(const char* what, double figure, const char* unit, double floor, double ratio,
          const char* bar) {
  std::printf("%-52s %10.3f %-7s %10.3f  %6.2f  %s\n", what, figure, unit, floor, ratio, bar);
  std::fflush(stdout);
}

// A record of about 1 KiB that says when it was appended.
std::string record_now(std::uint64_t number, std::size_t bytes = 960) {
  std::string body(bytes, 'x');
  const std::int64_t at = now_ns();
  std::memcpy(body.data(), &at, sizeof at);
  model::ChunkRecord chunk;
  chunk.exchange = ExchangeId::make(1, Epoch{1}, 1, number);
  chunk.side = model::Side::kPrimary;
  chunk.bytes = body;
  std::string out;
  model::encode(chunk, out);
  return out;
}

std::int64_t appended_at(std::string_view encoded) {
  const auto record = model::decode(encoded);
  CHECK(record.ok());
  const auto* chunk = std::get_if<model::ChunkRecord>(&*record);
  if (chunk == nullptr) return 0;
  std::int64_t at = 0;
  std::memcpy(&at, chunk->bytes.data(), sizeof at);
  return at;
}

recorder::RecorderOptions options_in(const std::string& directory) {
  recorder::RecorderOptions options;
  options.directory = directory;
  options.retention_bytes = 1ULL << 40;
  options.min_free_ratio = 0;
  return options;
}

std::unique_ptr<recorder::Recorder> open(const recorder::RecorderOptions& options) {
  auto opened = recorder::Recorder::open(FileSystem::posix(), SystemClock::instance(), options);
  CHECK(opened.ok());
  return *std::move(opened);
}

// Appends until so many bytes are accepted, waiting before the lane (4 MiB) is full.
void fill(recorder::Recorder& recorder, std::uint64_t bytes) {
  constexpr std::uint64_t kStepBytes = kMiB / 2;
  constexpr std::size_t kStepsUnwrittenMax = 6;
  auto lane = recorder.open_lane();
  const std::string record = record_now(1);
  std::deque<model::Ticket> steps;
  std::uint64_t in_step = 0;
  for (std::uint64_t done = 0; done < bytes; done += record.size()) {
    const model::Ticket ticket = lane->append(record);
    CHECK(!ticket.is_refused());
    in_step += record.size();
    if (in_step < kStepBytes) continue;
    in_step = 0;
    steps.push_back(ticket);
    while (steps.size() >= kStepsUnwrittenMax && !lane->is_written(steps.front())) {
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
    while (!steps.empty() && lane->is_written(steps.front())) steps.pop_front();
  }
  CHECK(recorder.flush(60'000'000'000).ok());
}

// Megabytes per second of plain writes of 1 MiB, and with a sync behind them.
struct RawRates {
  double written = 0;
  double durable = 0;
};
RawRates raw_write(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | flags, 0600);
  if (fd < 0) return {};
  // From a huge page, as the log writes.
  void* block = nullptr;
  CHECK(posix_memalign(&block, 2 * kMiB, 2 * kMiB) == 0);
  (void)::madvise(block, 2 * kMiB, MADV_HUGEPAGE);
  std::memset(block, 'x', 2 * kMiB);
  const auto began = SteadyClock::now();
  for (std::size_t at = 0; at < kWriteBytes; at += kMiB) {
    CHECK(::pwrite(fd, block, kMiB, static_cast<off_t>(at)) == static_cast<ssize_t>(kMiB));
  }
  RawRates rates;
  rates.written = static_cast<double>(kWriteBytes) / 1e6 / seconds_since(began);
  CHECK(::fdatasync(fd) == 0);
  rates.durable = static_cast<double>(kWriteBytes) / 1e6 / seconds_since(began);
  ::close(fd);
  std::free(block);
  std::filesystem::remove(path);
  return rates;
}

// Nobody waits for a sync, but all is durable at the end. Writes that no one synced went to the
// memory of this machine or of its host: the second line says how far that is from what the disk
// takes.
void measure_append(const std::string& directory) {
  RawRates raw;
  double append = 0;
  for (int round = 0; round < 3; ++round) {
    for (const int flags : {0, O_DIRECT}) {
      const RawRates rates = raw_write(directory + "/raw", flags);
      raw.written = std::max(raw.written, rates.written);
      raw.durable = std::max(raw.durable, rates.durable);
    }
    auto options = options_in(directory + "/append");
    options.flush_interval_ns = 3600LL * 1'000'000'000;
    auto recorder = open(options);
    const auto began = SteadyClock::now();
    fill(*recorder, kWriteBytes);
    append = std::max(append, static_cast<double>(kWriteBytes) / 1e6 / seconds_since(began));
    recorder = nullptr;
    std::filesystem::remove_all(directory + "/append");
  }
  tell("append of 1 KiB records, to raw writes and a sync", append, "MB/s", raw.durable,
       append / raw.durable, ">= 0.50");
  tell("  the same to raw writes without one", append, "MB/s", raw.written, append / raw.written,
       "");
}

void measure_start(const std::string& directory) {
  auto options = options_in(directory + "/start");
  options.segment_bytes = 64U << 10;
  {
    auto recorder = open(options);
    while (recorder->stats().segments < 1000) fill(*recorder, kMiB);
  }
  double best = 1e9;
  for (int round = 0; round < 5; ++round) {
    const auto began = SteadyClock::now();
    auto recorder = open(options);
    best = std::min(best, seconds_since(began) * 1e3);
  }
  tell("start with 1000 sealed segments", best, "ms", 200, best / 200, "<= 1 (200 ms)");
  std::filesystem::remove_all(directory + "/start");
}

// Seconds per GB of plain direct reads of 1 MiB.
double raw_read(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
  if (fd < 0) return 0;
  void* block = nullptr;
  CHECK(posix_memalign(&block, 4096, kMiB) == 0);
  std::size_t done = 0;
  const auto began = SteadyClock::now();
  for (ssize_t got = 1; got > 0; done += static_cast<std::size_t>(got)) {
    got = ::pread(fd, block, kMiB, static_cast<off_t>(done));
    CHECK(got >= 0);
  }
  const double took = seconds_since(began);
  ::close(fd);
  std::free(block);
  return took / (static_cast<double>(done) / 1e9);
}

void measure_recovery(const std::string& directory) {
  auto options = options_in(directory + "/recovery");
  options.segment_bytes = 4ULL << 30;
  const std::string stream = options.directory + "/main";
  auto recorder = open(options);
  fill(*recorder, kWriteBytes);
  // As after a crash: meta says that the stop was not in order, and there is no footer.
  std::filesystem::copy_file(stream + "/meta", directory + "/meta");
  const auto segment = stream + "/00000000000000000000.seg";
  const auto size = recorder->stats().log_bytes;
  recorder = nullptr;
  std::filesystem::rename(directory + "/meta", stream + "/meta");
  std::filesystem::resize_file(segment, size);
  const double raw = raw_read(segment);
  const auto began = SteadyClock::now();
  recorder = open(options);
  const double per_gb = seconds_since(began) / (static_cast<double>(size) / 1e9);
  CHECK(recorder->recovery().was_unclean);
  tell("recovery of what was not sealed", per_gb, "s/GB", 0.5, per_gb / 0.5, "<= 1 (0.5 s/GB)");
  tell("  the same, to raw reads of 1 MiB", per_gb, "s/GB", raw, per_gb / raw, "");
  recorder = nullptr;
  std::filesystem::remove_all(options.directory);
}

// Microseconds from a notify to the thread that it wakes, at the given rate.
std::vector<double> bare_wakeups(int count, std::chrono::microseconds pause) {
  std::mutex mutex;
  std::condition_variable signal;
  std::int64_t sent = 0;
  bool is_over = false;
  std::vector<double> took;
  std::thread reader([&] {
    std::unique_lock lock(mutex);
    while (true) {
      signal.wait(lock, [&] { return sent != 0 || is_over; });
      if (is_over) return;
      took.push_back(static_cast<double>(now_ns() - sent) / 1e3);
      sent = 0;
    }
  });
  for (int i = 0; i < count; ++i) {
    std::this_thread::sleep_for(pause);
    {
      const std::scoped_lock lock(mutex);
      sent = now_ns();
    }
    signal.notify_one();
  }
  {
    const std::scoped_lock lock(mutex);
    is_over = true;
  }
  signal.notify_one();
  reader.join();
  return took;
}

void measure_tail(const std::string& directory) {
  constexpr int kRecords = 20'000;
  constexpr auto kPause =
      std::chrono::microseconds(140);  // and the sleep's own delay: some 5,000/s
  const double bare = percentile(bare_wakeups(kRecords / 4, kPause), 0.99);
  auto recorder = open(options_in(directory + "/tail"));
  auto source = recorder->access().open_source(recorder->access().end(), model::Fence::kWritten);
  CHECK(source.ok());
  std::vector<double> took;
  std::thread reader([&] {
    model::SourcedRecord record;
    while (took.size() < kRecords) {
      const auto more = (*source)->next(record);
      CHECK(more.ok());
      if (!*more) {
        (*source)->wait(std::chrono::milliseconds(100));
        continue;
      }
      const std::int64_t at = appended_at(record.encoded);
      if (at != 0) took.push_back(static_cast<double>(now_ns() - at) / 1e3);
    }
  });
  auto lane = recorder->open_lane();
  const auto began = SteadyClock::now();
  for (int i = 0; i < kRecords; ++i) {
    CHECK(!lane->append(record_now(static_cast<std::uint64_t>(i))).is_refused());
    std::this_thread::sleep_for(kPause);
  }
  const double rate = kRecords / seconds_since(began);
  reader.join();
  const double p99 = percentile(took, 0.99);
  char what[80];
  std::snprintf(what, sizeof what, "tail p99 at %.0f records/s, over a bare wake-up", rate);
  tell(what, p99 / 1e3, "ms", bare / 1e3, (p99 - bare) / 2000, "<= 1 (2 ms more)");
  lane = nullptr;
  recorder = nullptr;
  std::filesystem::remove_all(directory + "/tail");
}

void measure_catch_up(const std::string& directory) {
  double alone = 1e9;
  double beside = 1e9;
  double read_rate = 0;
  for (int round = 0; round < 5; ++round) {
    for (const bool has_reader : {false, true}) {
      auto recorder = open(options_in(directory + "/catch_up"));
      fill(*recorder, kWriteBytes / 4);
      std::atomic<bool> is_over{false};
      std::uint64_t read = 0;
      const auto reading = SteadyClock::now();
      std::thread reader([&] {
        while (has_reader && !is_over) {
          auto source = recorder->access().open_source({}, model::Fence::kWritten);
          model::SourcedRecord record;
          while (!is_over && *(*source)->next(record)) read += record.encoded.size();
        }
      });
      // CPU of the writing threads is what a reader may cost; a busy core is no fault of the log.
      const auto began = SteadyClock::now();
      fill(*recorder, kWriteBytes / 4);
      const double took = seconds_since(began);
      is_over = true;
      reader.join();
      if (has_reader)
        read_rate = std::max(read_rate, static_cast<double>(read) / 1e6 / seconds_since(reading));
      (has_reader ? beside : alone) = std::min(has_reader ? beside : alone, took);
      recorder = nullptr;
      std::filesystem::remove_all(directory + "/catch_up");
    }
  }
  tell("writer beside a reader that catches up (256 MiB)", beside * 1e3, "ms", alone * 1e3,
       beside / alone, "<= 1.10");
  tell("what that reader reads meanwhile", read_rate, "MB/s", 0, 0, "");
}

// Microseconds that a write and a sync of one small piece at the end of a file take.
double raw_sync_p50(const std::string& path, std::size_t bytes, int count) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  CHECK(fd >= 0);
  const std::string block(bytes, 'x');
  std::vector<double> took;
  for (int i = 0; i < count; ++i) {
    const auto began = SteadyClock::now();
    CHECK(::write(fd, block.data(), bytes) == static_cast<ssize_t>(bytes));
    CHECK(::fdatasync(fd) == 0);
    took.push_back(seconds_since(began) * 1e6);
  }
  ::close(fd);
  std::filesystem::remove(path);
  return percentile(took, 0.5);
}

// One event loop with many clients: what it waits on, and whom it finds served.
class Loop {
 public:
  explicit Loop(recorder::Recorder& recorder)
      : lane_(recorder.open_lane([this] {
          const std::scoped_lock lock(mutex_);
          is_woken_ = true;
          signal_.notify_one();
        })) {}

  model::Ticket ask(std::uint64_t number) {
    const model::Ticket ticket = lane_->append(record_now(number));
    CHECK(!ticket.is_refused());
    lane_->want_durable(ticket);
    return ticket;
  }
  bool is_served(model::Ticket ticket) const { return lane_->is_durable(ticket); }
  void wait() {
    std::unique_lock lock(mutex_);
    signal_.wait(lock, [this] { return is_woken_; });
    is_woken_ = false;
  }
  void ask_and_wait(std::uint64_t number) {
    const model::Ticket ticket = ask(number);
    while (!is_served(ticket)) wait();
  }

 private:
  std::mutex mutex_;
  std::condition_variable signal_;
  bool is_woken_ = false;
  std::unique_ptr<model::RecordSink> lane_;
};

// Microseconds of one client's exchange that waits for so many syncs in a row.
double exchange_p50(recorder::Recorder& recorder, int syncs, int count) {
  Loop loop(recorder);
  std::vector<double> took;
  for (int i = 0; i < count; ++i) {
    const auto began = SteadyClock::now();
    for (int j = 0; j < syncs; ++j) loop.ask_and_wait(static_cast<std::uint64_t>(i));
    took.push_back(seconds_since(began) * 1e6);
  }
  return percentile(took, 0.5);
}

// Exchanges per second of so many clients, each of which asks again once it is served.
double exchange_rate(recorder::Recorder& recorder, std::size_t clients, int count) {
  Loop loop(recorder);
  std::vector<model::Ticket> asked;
  std::uint64_t number = 0;
  while (asked.size() < clients) asked.push_back(loop.ask(++number));
  const auto began = SteadyClock::now();
  for (int served = 0; served < count;) {
    loop.wait();
    for (model::Ticket& ticket : asked) {
      if (!loop.is_served(ticket)) continue;
      ++served;
      ticket = loop.ask(++number);
    }
  }
  const double rate = count / seconds_since(began);
  CHECK(recorder.flush(60'000'000'000).ok());
  return rate;
}

void measure_commit(const std::string& directory) {
  constexpr int kCount = 2000;
  double raw = 1e9;
  double response = 1e9;
  double request = 1e9;
  auto recorder = open(options_in(directory + "/commit"));
  for (int round = 0; round < 3; ++round) {
    raw = std::min(raw, raw_sync_p50(directory + "/raw", record_now(1).size() + 128, kCount));
    response = std::min(response, exchange_p50(*recorder, 1, kCount));
    request = std::min(request, exchange_p50(*recorder, 2, kCount / 2));
  }
  tell("added p50 at `response`, to a raw sync", response, "us", raw, response / raw, "<= 2");
  tell("added p50 at `request`, to a raw sync", request, "us", raw, request / raw, "<= 3.5");
  const double one = exchange_rate(*recorder, 1, kCount);
  const double many = exchange_rate(*recorder, 64, kCount * 20);
  tell("64 clients at `response`, to one", many, "1/s", one, many / one, ">= 8");
  recorder = nullptr;
  std::filesystem::remove_all(directory + "/commit");
}

// The most that the log grew to while it was written as fast as it goes.
void measure_retention(const std::string& directory) {
  auto options = options_in(directory + "/retention");
  options.segment_bytes = 32 * kMiB;
  options.retention_bytes = 128 * kMiB;
  auto recorder = open(options);
  std::atomic<bool> is_over{false};
  std::uint64_t most = 0;
  std::thread watcher([&] {
    while (!is_over) {
      most = std::max(most, recorder->stats().log_bytes);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  fill(*recorder, kWriteBytes / 2);
  is_over = true;
  watcher.join();
  CHECK(recorder->stats().segments_removed > 8);
  const double over = (static_cast<double>(most) - static_cast<double>(options.retention_bytes)) /
                      static_cast<double>(options.segment_bytes);
  tell("retention at full speed: segments over its bound", static_cast<double>(most) / 1e6, "MB",
       static_cast<double>(options.retention_bytes) / 1e6, over, "<= 1 (and a cut)");
  recorder = nullptr;
  std::filesystem::remove_all(directory + "/retention");
}

int run(const std::string& parent, const std::string& only) {
  std::string pattern = parent + "/banyan-log-limits-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) {
    std::perror(pattern.c_str());
    return 2;
  }
  std::printf("%-52s %10s %-7s %10s  %6s  %s\n", "", "figure", "", "floor", "ratio", "bar");
  const std::pair<const char*, void (*)(const std::string&)> all[] = {
      {"append", measure_append},       {"start", measure_start},
      {"recovery", measure_recovery},   {"tail", measure_tail},
      {"catch_up", measure_catch_up},   {"commit", measure_commit},
      {"retention", measure_retention},
  };
  for (const auto& [name, measure] : all) {
    if (only.empty() || only == name) measure(pattern);
  }
  std::filesystem::remove_all(pattern);
  return 0;
}

}  // namespace
}  // namespace banyan

int main(int count, char** words) {
  return banyan::run(count > 1 ? words[1] : std::filesystem::temp_directory_path().string(),
                     count > 2 ? words[2] : "");
}
