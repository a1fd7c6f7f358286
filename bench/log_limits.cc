// SPDX-License-Identifier: Apache-2.0
//
// The log against what the disk and the machine can do, in one run: `log_limits [DIRECTORY]`. Each
// line gives a figure, its floor taken beside it, their ratio and the bar. Writes some GiB into a
// folder of its own under DIRECTORY (default: the temporary folder), and removes it.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
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

// Appends until so many bytes are accepted, waiting where the lane is full.
void fill(recorder::Recorder& recorder, std::uint64_t bytes) {
  auto lane = recorder.open_lane();
  const std::string record = record_now(1);
  std::uint64_t unwritten = 0;
  for (std::uint64_t done = 0; done < bytes; done += record.size()) {
    const model::Ticket ticket = lane->append(record);
    CHECK(!ticket.is_refused());
    unwritten += record.size();
    if (unwritten < kMiB) continue;
    while (!lane->is_written(ticket)) std::this_thread::sleep_for(std::chrono::microseconds(50));
    unwritten = 0;
  }
  CHECK(recorder.flush(60'000'000'000).ok());
}

// Megabytes per second of plain writes of 1 MiB.
double raw_write(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | flags, 0600);
  if (fd < 0) return 0;
  void* block = nullptr;
  CHECK(posix_memalign(&block, 4096, kMiB) == 0);
  std::memset(block, 'x', kMiB);
  const auto began = SteadyClock::now();
  for (std::size_t at = 0; at < kWriteBytes; at += kMiB) {
    CHECK(::pwrite(fd, block, kMiB, static_cast<off_t>(at)) == static_cast<ssize_t>(kMiB));
  }
  const double rate = static_cast<double>(kWriteBytes) / 1e6 / seconds_since(began);
  ::close(fd);
  std::free(block);
  std::filesystem::remove(path);
  return rate;
}

void measure_append(const std::string& directory) {
  double raw = 0;
  double append = 0;
  for (int round = 0; round < 3; ++round) {
    for (const int flags : {0, O_DIRECT}) raw = std::max(raw, raw_write(directory + "/raw", flags));
    auto options = options_in(directory + "/append");
    options.flush_interval_ns = 3600LL * 1'000'000'000;
    auto recorder = open(options);
    const auto began = SteadyClock::now();
    fill(*recorder, kWriteBytes);
    append = std::max(append, static_cast<double>(kWriteBytes) / 1e6 / seconds_since(began));
    recorder = nullptr;
    std::filesystem::remove_all(directory + "/append");
  }
  tell("append of 1 KiB records, to raw writes of 1 MiB", append, "MB/s", raw, append / raw,
       ">= 0.50");
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
  const auto began = SteadyClock::now();
  recorder = open(options);
  const double per_gb = seconds_since(began) / (static_cast<double>(size) / 1e9);
  CHECK(recorder->recovery().was_unclean);
  tell("recovery of what was not sealed", per_gb, "s/GB", 0.5, per_gb / 0.5, "<= 1 (0.5 s/GB)");
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

int run(const std::string& parent) {
  std::string pattern = parent + "/banyan-log-limits-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) {
    std::perror(pattern.c_str());
    return 2;
  }
  std::printf("%-52s %10s %-7s %10s  %6s  %s\n", "", "figure", "", "floor", "ratio", "bar");
  measure_append(pattern);
  measure_start(pattern);
  measure_recovery(pattern);
  measure_tail(pattern);
  measure_catch_up(pattern);
  std::filesystem::remove_all(pattern);
  return 0;
}

}  // namespace
}  // namespace banyan

int main(int count, char** words) {
  return banyan::run(count > 1 ? words[1] : std::filesystem::temp_directory_path().string());
}
