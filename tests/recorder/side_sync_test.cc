// SPDX-License-Identifier: Apache-2.0
//
// Much is written while the disk syncs: what goes on meanwhile, how far, and what becomes of it
// when one of the two fails.
#include <gtest/gtest.h>

#include <cerrno>

#include "recorder/stream_writer.h"
#include "tests/recorder/log_fixture.h"

namespace banyan::recorder {
namespace {

using Call = support::MemoryFileSystem::Call;
using model::Fence;

constexpr std::size_t kEach = 64U << 10;

class SideSyncTest : public LogTest {
 protected:
  SideSyncTest() {
    options_.segment_bytes = 256U << 20;
    options_.lane_bytes_max = 64U << 20;
    options_.tail_bytes_max = 64U << 20;
  }
  // Records until more is unsynced than may be, and the disk hangs over it. The number of the next.
  std::uint64_t append_until_a_sync_hangs() {
    files_.hang(Call::kSync);
    const std::uint64_t count = kUnsyncedBytesMax / kEach + 1;
    append(1, count, kEach);
    EXPECT_TRUE(wait_until([this] { return files_.is_hanging(); }));
    return count + 1;
  }
  std::size_t readable(Fence fence) {
    return numbers_of(read_all(recorder_->access(), fence)).size();
  }
};

TEST_F(SideSyncTest, WritingGoesOnMeanwhile) {
  options_.flush_interval_ns = 3600LL * 1'000'000'000;
  open();
  const std::uint64_t next = append_until_a_sync_hangs();
  append(next, 4, kEach);
  const model::Ticket last = lane_->append(record_of(next + 4, kEach));
  EXPECT_TRUE(wait_until([&] { return readable(Fence::kWritten) == next + 4; }));
  EXPECT_EQ(readable(Fence::kDurable), 0U);
  EXPECT_TRUE(wait_until([&] { return lane_->is_written(last); }));
  files_.release();
  // The sync ends, of what it covers: some of the first ones at least.
  EXPECT_TRUE(wait_until([&] { return readable(Fence::kDurable) > 0; }));
  EXPECT_TRUE(lane_->is_written(last));
  EXPECT_FALSE(lane_->is_durable(last));
  flush();
  EXPECT_EQ(numbers_of(read_all(recorder_->access(), Fence::kDurable)), sequence(1, next + 4));
  EXPECT_EQ(recorder_->stats().sync_failures, 0U);
}

// Also where it covers little: whoever follows the log would wait for the disk twenty times a
// second.
TEST_F(SideSyncTest, WritingGoesOnBesideASyncThatNobodyWaitsFor) {
  options_.flush_interval_ns = 1'000'000;
  open();
  files_.hang(Call::kSync);
  append(1, 1);
  EXPECT_TRUE(wait_until([this] { return files_.is_hanging(); }));
  append(2, 1);
  EXPECT_TRUE(wait_until([&] { return readable(Fence::kWritten) == 2; }));
  EXPECT_EQ(readable(Fence::kDurable), 0U);
  files_.release();
  EXPECT_TRUE(wait_until([&] { return readable(Fence::kDurable) == 2; }));
}

TEST_F(SideSyncTest, WritingWaitsWhereTooMuchIsNotDurable) {
  open();
  std::uint64_t next = append_until_a_sync_hangs();
  // Record by record, so that each is a cut of its own.
  std::uint64_t written = 0;
  const auto catches_up = [&] {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    while (std::chrono::steady_clock::now() < deadline) {
      written = readable(Fence::kWritten);
      if (written == next - 1) return true;
    }
    return false;
  };
  while (catches_up()) append(next++, 1, kEach);
  EXPECT_GT(written * kEach, kUnsyncedTimesMax * kUnsyncedBytesMax - 4 * kEach);
  EXPECT_LT(written * kEach, kUnsyncedTimesMax * kUnsyncedBytesMax + 4 * kEach);
  files_.release();
  flush();
  EXPECT_EQ(numbers_of(read_all(recorder_->access(), Fence::kDurable)), sequence(1, next - 1));
}

TEST_F(SideSyncTest, WhatAFailedOneCoveredAndWhatWasWrittenMeanwhileGoesElsewhere) {
  open();
  const std::uint64_t next = append_until_a_sync_hangs();
  append(next, 5, kEach);
  EXPECT_TRUE(wait_until([&] { return readable(Fence::kWritten) == next + 4; }));
  files_.fail_call(Call::kSync, 1, EIO);
  files_.release();
  EXPECT_TRUE(wait_until([&] { return recorder_->stats().sync_failures == 1; }));
  flush();
  EXPECT_EQ(numbers_of(read_all(recorder_->access(), Fence::kDurable)), sequence(1, next + 4));
  EXPECT_EQ(files_.touches_of_failed_files(), 0U);
  crash();
  open();
  EXPECT_EQ(numbers_of(read_all(recorder_->access())), sequence(1, next + 4));
}

TEST_F(SideSyncTest, AWriteThatFailsMeanwhileLosesNothing) {
  open();
  const std::uint64_t next = append_until_a_sync_hangs();
  files_.fail_call(Call::kWrite, 1, ENOSPC);
  append(next, 5, kEach);
  EXPECT_TRUE(wait_until([&] { return recorder_->stats().write_failures >= 1; }));
  files_.release();
  flush();
  EXPECT_EQ(numbers_of(read_all(recorder_->access(), Fence::kDurable)), sequence(1, next + 4));
  crash();
  open();
  EXPECT_EQ(numbers_of(read_all(recorder_->access())), sequence(1, next + 4));
}

TEST_F(SideSyncTest, WhoWaitsMeanwhileIsCoveredByTheNextOne) {
  options_.flush_interval_ns = 3600LL * 1'000'000'000;
  open();
  const std::uint64_t next = append_until_a_sync_hangs();
  const model::Ticket ticket = lane_->append(record_of(next));
  EXPECT_TRUE(wait_until([&] { return lane_->is_written(ticket); }));
  lane_->want_durable(ticket);
  EXPECT_FALSE(lane_->is_durable(ticket));
  files_.release();
  EXPECT_TRUE(wait_until([&] { return lane_->is_durable(ticket); }));
  crash();
  open();
  EXPECT_EQ(numbers_of(read_all(recorder_->access())), sequence(1, next));
}

}  // namespace
}  // namespace banyan::recorder
