// SPDX-License-Identifier: Apache-2.0
//
// Cuts so large that a second thread writes them while their records are indexed, and a log that is
// written as fast as it goes.
#include <gtest/gtest.h>

#include <cerrno>

#include "recorder/catalog.h"
#include "recorder/segment_reader.h"
#include "recorder/side_thread.h"
#include "recorder/stream_reader.h"
#include "recorder/stream_writer.h"
#include "tests/recorder/log_fixture.h"

namespace banyan::recorder {
namespace {

using Call = support::MemoryFileSystem::Call;

class LargeCutTest : public BothWaysTest {
 protected:
  // While the disk holds up the first record, the others gather.
  void append_large_cut(std::uint64_t first, std::uint64_t count) {
    files_.hang(Call::kWrite);
    append(first, 1);
    ASSERT_TRUE(wait_until([this] { return files_.is_hanging(); }));
    append(first + 1, count - 1, 5000);
    ASSERT_GT((count - 1) * 5000, kLargeCutBytes);
  }
};
INSTANTIATE_TEST_SUITE_P(Ways, LargeCutTest, kBothWays, name_of_way);

TEST_P(LargeCutTest, AreReadAsTheyWereAppended) {
  options_.segment_bytes = 4U << 20;
  open();
  for (std::uint64_t i = 0; i < 3; ++i) {
    append_large_cut(i * 250 + 1, 250);
    files_.release();
    flush();
  }
  EXPECT_EQ(numbers_of(read_all(recorder_->access())), sequence(1, 750));
  close();
  open();
  EXPECT_FALSE(recorder_->recovery().was_unclean);
  EXPECT_EQ(numbers_of(read_all(recorder_->access())), sequence(1, 750));
}

// A lane goes on in a further buffer at 1 MiB; the batches still count its records in a row.
TEST_P(LargeCutTest, SeveralBuffersOfALaneKeepItsOrder) {
  options_.segment_bytes = 16U << 20;
  options_.lane_bytes_max = 8U << 20;
  open();
  append_large_cut(1, 1000);
  files_.release();
  flush();
  EXPECT_EQ(numbers_of(read_all(recorder_->access())), sequence(1, 1000));
  Catalog catalog(std::string(kDirectory) + "/main", "main", LogKeys::none());
  ASSERT_TRUE(catalog.refresh(files_).ok());
  auto reader = catalog.segments().back()->open_reader(files_);
  ASSERT_TRUE(reader.ok()) << reader.error().message;
  SegmentReader::Batch batch;
  std::uint64_t next = 1;
  for (auto found = (*reader)->next(batch); *found == SegmentReader::Found::kBatch;
       found = (*reader)->next(batch)) {
    if (batch.header.lane == 0) continue;  // The recorder's own.
    EXPECT_EQ(batch.header.lane_sequence, next);
    next = batch.header.lane_sequence + batch.header.record_count;
  }
  EXPECT_EQ(next, 1001U);
}

TEST_P(LargeCutTest, AFailedOneIsWrittenElsewhereOnce) {
  options_.segment_bytes = 4U << 20;
  open();
  append_large_cut(1, 250);
  files_.fail_call(Call::kWrite, 2, EIO);  // The first is the one that hangs.
  files_.release();
  flush();
  EXPECT_EQ(recorder_->stats().write_failures, 1U);
  EXPECT_EQ(files_.touches_of_failed_files(), 0U);
  EXPECT_EQ(numbers_of(read_all(recorder_->access())), sequence(1, 250));
}

TEST(RushTest, EndsSomeTimeAfterItWasSeen) {
  Catalog catalog("/log/main", "main", LogKeys::none());
  EXPECT_FALSE(catalog.is_rushed(5));
  catalog.note_rush(1000);
  EXPECT_TRUE(catalog.is_rushed(1000 + kRushNs - 1));
  EXPECT_FALSE(catalog.is_rushed(1000 + kRushNs));
}

class MakeWayTest : public LogTest {};

TEST_F(MakeWayTest, WhatAReaderOfFilesRestsIsCounted) {
  open();
  append(1, 10);
  flush();
  close();
  auto catalog =
      std::make_shared<Catalog>(std::string(kDirectory) + "/main", "main", LogKeys::none());
  ASSERT_TRUE(catalog->refresh(files_).ok());
  const auto end = catalog->end(files_);
  ASSERT_TRUE(end.ok()) << end.error().message;
  catalog->set_live(*end, 0);
  StreamReader calm(files_, catalog, Offset{0}, model::Fence::kWritten);
  ASSERT_TRUE(calm.look().ok());
  EXPECT_EQ(catalog->rested_ns(), 0);
  catalog->note_rush(SystemClock::instance().mono_ns() + 1'000'000'000'000);
  StreamReader reader(files_, catalog, Offset{0}, model::Fence::kWritten);
  const auto has_more = reader.look();
  ASSERT_TRUE(has_more.ok());
  ASSERT_TRUE(*has_more);
  EXPECT_EQ(catalog->rested_ns(), 0);  // Who reads one batch and goes is not held up.
  model::SourcedRecord record;
  while (reader.has_row()) reader.take(record);
  ASSERT_TRUE(reader.look().ok());
  EXPECT_GT(catalog->rested_ns(), 0);
}

TEST(SideThreadTest, DoesOneJobAfterTheOther) {
  SideThread idle("idle");  // Never asked, and ends all the same.
  SideThread side("side");
  int sum = 0;
  for (int i = 1; i <= 100; ++i) {
    side.start([&sum, i] { sum += i; });
    side.wait();
    ASSERT_EQ(sum, i * (i + 1) / 2);
  }
}

class FullSpeedTest : public LogTest {
 protected:
  static constexpr std::uint64_t kSegmentBytes = 256U << 10;
  static constexpr std::uint64_t kStepRecords = 8;
  static constexpr std::uint64_t kRecordBytes = 2000;
  // What a segment may take beyond its bound: the cut that fills it, its footer, a header.
  static constexpr std::uint64_t kSlackBytes = 64U << 10;

  // Appends as fast as it is written, and tells the most that the log grew to.
  std::uint64_t fill(std::uint64_t first, std::uint64_t records) {
    std::uint64_t most = 0;
    // Somebody always waits, so that the next cut follows soon.
    const auto follower =
        recorder_->access().add_publish_listener([](model::RecordKinds) { return true; });
    for (std::uint64_t i = 0; i < records; i += kStepRecords) {
      model::Ticket ticket;
      for (std::uint64_t j = 0; j < kStepRecords; ++j) {
        ticket = lane_->append(record_of(first + i + j, kRecordBytes));
        EXPECT_FALSE(ticket.is_refused());
      }
      while (!lane_->is_written(ticket)) std::this_thread::yield();
      most = std::max(most, recorder_->stats().log_bytes);
    }
    return most;
  }
};

TEST_F(FullSpeedTest, TheLogStaysWithinASegmentOfItsBound) {
  options_.segment_bytes = kSegmentBytes;
  options_.retention_bytes = 4 * kSegmentBytes;
  open();
  const std::uint64_t most = fill(1, 8000);  // 16 MB: sixty segments in less than a second
  flush();
  EXPECT_GT(recorder_->stats().segments_removed, 40U);
  EXPECT_GT(most, 4 * kSegmentBytes);
  EXPECT_LE(most, 5 * kSegmentBytes + kSlackBytes);
}

TEST_F(FullSpeedTest, WhatAPinnedConsumerNeedsIsNotTaken) {
  options_.segment_bytes = kSegmentBytes;
  options_.retention_age_ns = 2;
  options_.tail_bytes_max = 0;
  open();
  ASSERT_TRUE(recorder_->access().commit_cursor("mirror", {}, true).ok());
  std::uint64_t next = 1;
  for (int round = 0; round < 4; ++round) {
    fill(next, 800);
    next += 800;
    clock_.advance_ns(1'000'000);  // All of it is over age now.
    flush();
    EXPECT_EQ(recorder_->stats().segments_removed, 0U);
  }
  const auto items = read_all(recorder_->access());
  EXPECT_EQ(count_holes(items), 0U);
  EXPECT_EQ(numbers_of(items), sequence(1, next - 1));
}

}  // namespace
}  // namespace banyan::recorder
