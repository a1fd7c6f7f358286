// SPDX-License-Identifier: Apache-2.0
//
// A scripted run on a disk that keeps a journal; then, behind every single operation, images of
// what a power cut there may leave. Each image is recovered and compared with what had been
// promised. BANYAN_CRASH_SAMPLES images per operation and kind of loss (default 1),
// BANYAN_FAULT_SEED.
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/recorder/faults/fault_support.h"
#include "tests/support/crash_disk.h"

namespace banyan::recorder {
namespace {

using support::CrashDisk;
using support::DiskImage;
using support::Loss;
using support::MemoryFileSystem;
using Call = MemoryFileSystem::Call;

// One process' life with the log: appends, some of it acknowledged, consumers, rolls, retention.
struct Life {
  std::uint64_t first = 1;  // number
  bool has_sync_failure = false;
  bool stops_in_order = true;
  RecorderOptions options = fault_options();
};

void live(CrashDisk& disk, ManualClock& clock, const Life& life, Promises& promises) {
  auto opened = Recorder::open(disk, clock, life.options);
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  Recorder& recorder = **opened;
  auto lane = recorder.open_lane();
  std::vector<std::uint64_t> waiting;
  for (std::uint64_t i = 0; i < 12; ++i) {
    const std::uint64_t number = life.first + i;
    clock.advance_ns(1'000'000);
    const auto ticket = lane->append(record_of(number, i % 3 == 0 ? 30'000 : 700));
    ASSERT_FALSE(ticket.is_refused());
    waiting.push_back(number);
    if (life.has_sync_failure && i == 4) disk.disk().fail_call(Call::kSync, 1, EIO, 2);
    if (i % 4 == 3) {  // Only written, and read by somebody.
      ASSERT_TRUE(wait_until([&] { return lane->is_written(ticket); }));
      promises.see(disk.operations(), read_all(recorder.access()));
      continue;
    }
    ASSERT_TRUE(wait_until([&] { return recorder.flush(kPatienceNs).ok(); }));
    const std::uint64_t now = disk.operations();
    for (const std::uint64_t done : waiting) promises.acknowledged.push_back({now, done});
    waiting.clear();
    promises.see(now, read_all(recorder.access()));
    model::Cursor cursor;
    cursor.set("main", promises.seen.back().offset.next());
    ASSERT_TRUE(recorder.access().commit_cursor("mirror", cursor, true).ok());
  }
  lane = nullptr;
  if (!life.stops_in_order) disk.disk().fail_any_change(1, EIO, 1'000'000);
  *opened = nullptr;
  disk.disk().clear_failures();
}

class CrashImageTest : public testing::Test {
 protected:
  CrashImageTest() : random_(fault_seed()) {}
  ~CrashImageTest() override {
    std::printf("seed %llu, %llu crash images recovered\n",
                static_cast<unsigned long long>(fault_seed()),
                static_cast<unsigned long long>(images_));
  }

  // Every operation from `first` on, every kind of loss, `samples_` times.
  void check_all(const CrashDisk& disk, std::size_t first, const Promises& promises,
                 const RecorderOptions& options) {
    for (std::size_t count = first; count <= disk.operations(); ++count) {
      for (const Loss loss : support::kLosses) {
        const bool is_chance = loss == Loss::kTorn || loss == Loss::kScattered;
        for (std::uint64_t i = 0; i < (is_chance ? samples_ : 1); ++i) {
          const DiskImage image = disk.image_after(count, loss, random_);
          check(image, promises, count, options,
                "power cut " + std::to_string(count) + ", behind " + disk.describe(count) + ", " +
                    to_string(loss));
          if (HasFailure()) return;
        }
      }
    }
  }

  void check(const DiskImage& image, const Promises& promises, std::uint64_t at,
             const RecorderOptions& options, const std::string& what) {
    ++images_;
    MemoryFileSystem files;
    files.load(image);
    ASSERT_EQ(broken_promise(files, promises, at, options), "")
        << what << ", seed " << fault_seed();
  }

  std::mt19937_64 random_;
  const std::uint64_t samples_ = from_environment("BANYAN_CRASH_SAMPLES", 1);
  std::uint64_t images_ = 0;
};

TEST_F(CrashImageTest, EveryImageOfAFirstLifeKeepsEveryPromise) {
  CrashDisk disk;
  ManualClock clock;
  Promises promises;
  const Life life;
  live(disk, clock, life, promises);
  ASSERT_GE(promises.acknowledged.size(), 9U);
  check_all(disk, 0, promises, life.options);
}

TEST_F(CrashImageTest, EveryImageOfAnEncryptedAndChainedLifeKeepsEveryPromise) {
  CrashDisk disk;
  ManualClock clock;
  Promises promises;
  Life life;
  life.has_sync_failure = true;
  life.options = secret_options();
  live(disk, clock, life, promises);
  check_all(disk, 0, promises, life.options);
}

TEST_F(CrashImageTest, EveryImageOfALifeAfterACrashKeepsEveryPromise) {
  CrashDisk before;
  ManualClock clock;
  Promises promises;
  Life life;
  life.stops_in_order = false;
  live(before, clock, life, promises);
  CrashDisk disk(before.image_after(before.operations(), Loss::kTorn, random_));
  // All of it lies before what follows.
  for (auto& acknowledged : promises.acknowledged) acknowledged.at = 0;
  for (auto& seen : promises.seen) seen.at = 0;
  life.first = 101;
  life.stops_in_order = true;
  live(disk, clock, life, promises);
  check_all(disk, 0, promises, life.options);
}

TEST_F(CrashImageTest, EveryImageAroundAFailedSyncKeepsEveryPromise) {
  CrashDisk disk;
  ManualClock clock;
  Promises promises;
  Life life;
  life.has_sync_failure = true;
  life.stops_in_order = false;
  live(disk, clock, life, promises);
  EXPECT_EQ(disk.disk().touches_of_failed_files(), 0U);
  check_all(disk, 0, promises, life.options);
}

TEST_F(CrashImageTest, EveryImageOfARecoveryKeepsEveryPromise) {
  CrashDisk before;
  ManualClock clock;
  Promises promises;
  Life life;
  life.stops_in_order = false;
  live(before, clock, life, promises);
  for (std::size_t at = 1; at <= before.operations(); at += 1 + random_() % 9) {
    for (const Loss loss : {Loss::kTorn, Loss::kScattered}) {
      CrashDisk disk(before.image_after(at, loss, random_));
      {  // A recovery that ends before it did anything else.
        auto opened = Recorder::open(disk, clock, life.options);
        ASSERT_TRUE(opened.ok()) << opened.error().message;
      }
      for (std::size_t count = 0; count <= disk.operations(); ++count) {
        const Loss second = support::kLosses[random_() % std::size(support::kLosses)];
        check(disk.image_after(count, second, random_), promises, at, life.options,
              "power cut " + std::to_string(at) + " (" + to_string(loss) + ") and, recovering, " +
                  std::to_string(count) + ", behind " + disk.describe(count) + " (" +
                  to_string(second) + ")");
        if (HasFailure()) return;
      }
    }
  }
}

TEST_F(CrashImageTest, EveryImageUnderRetentionRecoversWithoutFalseAlarm) {
  CrashDisk disk;
  ManualClock clock;
  Promises promises;
  Life life;
  life.options.retention_bytes = 128U << 10;
  live(disk, clock, life, promises);
  life.first = 101;
  live(disk, clock, life, promises);
  ASSERT_GT(disk.disk().calls(Call::kRemove), 0U);
  promises.acknowledged.clear();  // What retention may have taken is promised no more.
  check_all(disk, 0, promises, life.options);
}

}  // namespace
}  // namespace banyan::recorder
