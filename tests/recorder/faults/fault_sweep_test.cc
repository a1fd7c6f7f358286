// SPDX-License-Identifier: Apache-2.0
//
// A scripted run in which the k-th change of the disk fails (open, write, truncate, reserve, sync,
// rename, remove, sync of a directory), for every k, once, a few times or until the fault is
// cleared. A failing write leaves half of its bytes, as a short one. Then power is lost.
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/recorder/faults/fault_support.h"

namespace banyan::recorder {
namespace {

using support::MemoryFileSystem;
using Call = MemoryFileSystem::Call;

struct Fault {
  const char* name;
  int error;
  std::uint64_t times;
};
void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

constexpr std::uint64_t kUntilCleared = 1'000'000'000;

class FaultSweepTest : public testing::TestWithParam<Fault> {
 protected:
  // Opens, also where that takes some tries; null where it does not succeed.
  std::unique_ptr<Recorder> open(MemoryFileSystem& disk, int tries) {
    for (int i = 0; i < tries; ++i) {
      auto opened = Recorder::open(disk, clock_, options_);
      if (opened.ok()) return *std::move(opened);
    }
    return nullptr;
  }

  // Appends and flushes; what a flush covers is acknowledged.
  void work(Recorder& recorder, std::uint64_t first, Promises& promises) {
    auto lane = recorder.open_lane();
    std::vector<std::uint64_t> waiting;
    for (std::uint64_t i = 0; i < 6; ++i) {
      clock_.advance_ns(1'000'000);
      const auto ticket = lane->append(record_of(first + i, 20'000));
      if (ticket.is_refused()) continue;
      waiting.push_back(first + i);
      // A wake-up for who waits for a disk that fails comes too; it is no acknowledgement.
      if (recorder.flush(kPatienceNs).ok()) {
        EXPECT_TRUE(lane->is_durable(ticket));
        for (const std::uint64_t number : waiting) promises.acknowledged.push_back({0, number});
        waiting.clear();
      }
      promises.see(0, read_while_it_lasts(recorder.access()));
      model::Cursor cursor;
      cursor.set("main", Offset{i});
      EXPECT_TRUE(recorder.access().commit_cursor("mirror", cursor, true).ok());
    }
  }

  // What is at fault ends, and the very process that met it goes on.
  void heal(MemoryFileSystem& disk, std::unique_ptr<Recorder>& recorder, Promises& promises,
            std::uint64_t first) {
    disk.clear_failures();
    if (recorder == nullptr) recorder = open(disk, 1);
    ASSERT_NE(recorder, nullptr) << "a restart behind the fault does not work";
    ASSERT_TRUE(wait_until([&] { return recorder->flush(kPatienceNs).ok(); }));
    const std::size_t before = promises.acknowledged.size();
    work(*recorder, first, promises);
    EXPECT_EQ(promises.acknowledged.size(), before + 6);
  }

  // The machine loses power.
  static void cut_power(MemoryFileSystem& disk, std::unique_ptr<Recorder>& recorder) {
    disk.fail_any_change(1, EIO, kUntilCleared);
    recorder = nullptr;
    disk.clear_failures();
    disk.drop_unsynced();
  }

  // True where the fault struck.
  bool try_fault_at(std::uint64_t nth) {
    MemoryFileSystem disk;
    Promises promises;
    disk.fail_any_change(nth, GetParam().error, GetParam().times);
    auto recorder = open(disk, 1);
    if (recorder != nullptr) work(*recorder, 1, promises);
    const bool has_struck = disk.changes() >= nth;
    heal(disk, recorder, promises, 101);
    if (nth % 2 == 0) recorder = nullptr;  // Half of them stop in order first.
    cut_power(disk, recorder);
    EXPECT_EQ(disk.touches_of_failed_files(), 0U) << "a file that had failed was used again";
    EXPECT_EQ(broken_promise(disk, promises, 0, options_), "");
    return has_struck;
  }

  ManualClock clock_;
  RecorderOptions options_ = fault_options();
};

TEST_P(FaultSweepTest, AtEveryCallNothingIsAcknowledgedInVainAndAllGoesOn) {
  std::uint64_t nth = 1;
  std::uint64_t count = 0;
  for (bool has_struck = true; has_struck && !HasFatalFailure(); ++nth, ++count) {
    SCOPED_TRACE("fault at change " + std::to_string(nth));
    ASSERT_LT(nth, 1000U);
    has_struck = try_fault_at(nth);
    if (HasFailure()) return;
  }
  std::printf("%s: %llu runs, the last fault at change %llu\n", GetParam().name,
              static_cast<unsigned long long>(count), static_cast<unsigned long long>(nth));
  EXPECT_GT(nth, 30U);
}

INSTANTIATE_TEST_SUITE_P(Faults, FaultSweepTest,
                         testing::Values(Fault{"EioOnce", EIO, 1}, Fault{"EnospcOnce", ENOSPC, 1},
                                         Fault{"EioThrice", EIO, 3},
                                         Fault{"EnospcUntilCleared", ENOSPC, kUntilCleared},
                                         Fault{"ErofsUntilCleared", EROFS, kUntilCleared}),
                         [](const auto& row) { return row.param.name; });

// A start on a read-only file system is refused and says why; the same folder works once it is
// writable again. What the log held is untouched.
TEST(ReadOnlyDisk, RefusesAStartAndNamesTheReason) {
  MemoryFileSystem disk;
  ManualClock clock;
  Promises promises;
  {
    auto opened = Recorder::open(disk, clock, fault_options());
    ASSERT_TRUE(opened.ok());
    auto lane = (*opened)->open_lane();
    ASSERT_FALSE(lane->append(record_of(1)).is_refused());
    ASSERT_TRUE((*opened)->flush(kPatienceNs).ok());
    promises.acknowledged.push_back({0, 1});
    promises.see(0, read_all((*opened)->access()));
  }
  for (int i = 0; i < 20; ++i) {
    disk.fail_any_change(1, EROFS, kUntilCleared);
    const auto opened = Recorder::open(disk, clock, fault_options());
    ASSERT_FALSE(opened.ok());
    EXPECT_NE(opened.error().message.find("Read-only"), std::string::npos)
        << opened.error().message;
    EXPECT_NE(opened.error().message.find(kLog), std::string::npos) << opened.error().message;
    // Reading needs no writing.
    auto offline = open_log(disk, kLog);
    ASSERT_TRUE(offline.ok());
  }
  disk.clear_failures();
  EXPECT_EQ(broken_promise(disk, promises, 0, fault_options()), "");
}

// Faults of reading: a recovery that cannot read must not take what it did not see for absent.
TEST(FailingReads, AtEveryCallARecoveryLosesNothing) {
  support::DiskImage image;
  Promises promises;
  ManualClock clock;
  {
    MemoryFileSystem disk;
    auto opened = Recorder::open(disk, clock, fault_options());
    ASSERT_TRUE(opened.ok());
    auto lane = (*opened)->open_lane();
    for (std::uint64_t i = 1; i <= 10; ++i) {
      ASSERT_FALSE(lane->append(record_of(i, 20'000)).is_refused());
      ASSERT_TRUE((*opened)->flush(kPatienceNs).ok());
      promises.acknowledged.push_back({0, i});
    }
    promises.see(0, read_all((*opened)->access()));
    image = disk.image();  // Not stopped in order.
  }
  for (const Call call : {Call::kRead, Call::kOpen, Call::kList}) {
    bool has_struck = true;
    for (std::uint64_t nth = 1; has_struck; ++nth) {
      ASSERT_LT(nth, 300U);
      MemoryFileSystem disk;
      disk.load(image);
      disk.fail_call(call, nth, EIO);
      { const auto opened = Recorder::open(disk, clock, fault_options()); }
      has_struck = disk.calls(call) >= nth;
      disk.clear_failures();
      ASSERT_EQ(broken_promise(disk, promises, 0, fault_options()), "")
          << "call " << static_cast<int>(call) << " number " << nth;
    }
  }
}

}  // namespace
}  // namespace banyan::recorder
