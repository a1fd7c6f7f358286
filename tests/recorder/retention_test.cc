// SPDX-License-Identifier: Apache-2.0
#include "recorder/retention.h"

#include <gtest/gtest.h>

#include "tests/recorder/log_fixture.h"

namespace banyan::recorder {
namespace {

constexpr std::int64_t kHourNs = 3600LL * 1'000'000'000;

// Five segments of 100 bytes and 10 records, one per hour; the last is being written.
RetentionInput five_segments() {
  RetentionInput input;
  for (std::uint64_t i = 0; i < 5; ++i) {
    SegmentHeader header;
    header.uuid = std::string(16, 'u');
    header.base = Offset{i * 10};
    header.created_wall_ns = static_cast<std::int64_t>(i) * kHourNs;
    input.segments.push_back(
        std::make_shared<Segment>("s" + std::to_string(i), header, LogKeys::none()));
    input.segments.back()->set_bytes(100);
    if (i < 4) input.segments.back()->set_end(Offset{i * 10 + 10});
  }
  return input;
}

RecorderOptions keep_all() {
  RecorderOptions options;
  options.retention_age_ns = 1000 * kHourNs;
  options.min_free_ratio = 0;
  return options;
}

TEST(RetentionTest, AgeTakesWholeSegmentsAndWaitsForPins) {
  auto input = five_segments();
  auto options = keep_all();
  options.retention_age_ns = kHourNs;
  input.now_wall_ns = 3 * kHourNs;
  EXPECT_EQ(count_expired(input, options), 2U);  // Their newest records are an hour old.
  input.now_wall_ns -= 1;
  EXPECT_EQ(count_expired(input, options), 1U);
  input.pinned = Offset{9};
  EXPECT_EQ(count_expired(input, options), 0U);
  input.pinned = Offset{10};
  EXPECT_EQ(count_expired(input, options), 1U);
  input.now_wall_ns = 1000 * kHourNs;
  input.pinned.reset();
  EXPECT_EQ(count_expired(input, options), 4U);  // Never the one being written.
}

TEST(RetentionTest, SizeAndFreeSpaceDoNotWait) {
  auto input = five_segments();
  auto options = keep_all();
  input.pinned = Offset{0};
  options.retention_bytes = 500;
  EXPECT_EQ(count_expired(input, options), 0U);
  options.retention_bytes = 499;
  EXPECT_EQ(count_expired(input, options), 1U);
  options.retention_bytes = 0;
  EXPECT_EQ(count_expired(input, options), 4U);
  options = keep_all();
  options.min_free_bytes = 1000;
  input.space = FileSystem::Space{1000, 10'000};
  EXPECT_EQ(count_expired(input, options), 0U);
  input.space->free_bytes = 750;
  EXPECT_EQ(count_expired(input, options), 3U);
  options.min_free_bytes = 0;
  options.min_free_ratio = 0.08;
  EXPECT_EQ(count_expired(input, options), 1U);
}

class RetentionLogTest : public BothWaysTest {};
INSTANTIATE_TEST_SUITE_P(Ways, RetentionLogTest, kBothWays, name_of_way);

TEST_P(RetentionLogTest, ReadersGetOneHoleAndTheOwnerIsTold) {
  options_.retention_bytes = 200'000;
  open();
  std::vector<std::pair<std::uint64_t, std::uint64_t>> told;
  Mutex mutex;
  recorder_->set_retention_listener([&](std::string_view stream, Offset first, Offset end) {
    MutexLock lock(mutex);
    EXPECT_EQ(stream, "main");
    told.emplace_back(first.value, end.value);
  });
  auto early = recorder_->access().open_source({}, model::Fence::kWritten);
  ASSERT_TRUE(early.ok());
  model::SourcedRecord record;
  ASSERT_TRUE(*(*early)->next(record));  // Holds the first segment.
  for (std::uint64_t i = 0; i < 12; ++i) {
    append(i * 10 + 1, 10, 5000);
    flush();
  }
  flush();
  EXPECT_GT(recorder_->stats().segments_removed, 2U);
  const auto begin = recorder_->access().begin().next_of("main");
  {
    MutexLock lock(mutex);
    ASSERT_FALSE(told.empty());
    EXPECT_EQ(told.front().first, 0U);
    for (std::size_t i = 1; i < told.size(); ++i) EXPECT_EQ(told[i - 1].second, told[i].first);
  }
  const auto items = read_all(recorder_->access());
  ASSERT_FALSE(items.empty());
  EXPECT_EQ(items[0].kind, model::SourcedRecord::Kind::kHole);
  EXPECT_EQ(items[0].cause, "retention");
  EXPECT_EQ(items[0].offset.value, 0U);
  EXPECT_GE(items[0].hole_end, begin);
  EXPECT_EQ(count_holes(items), 1U);
  EXPECT_EQ(numbers_of(items).back(), 120U);
  // The one that was inside the deleted segment finishes it first. Who followed in memory held only
  // a batch of it, and finds the hole behind that.
  const auto rest = drain(**early);
  EXPECT_EQ(numbers_of(rest).front(), has_tail() ? numbers_of(items).front() : 1U);
  EXPECT_EQ(count_holes(rest), 1U);
  EXPECT_EQ(numbers_of(rest).back(), 120U);
}

class RemovalTest : public LogTest {};

TEST_F(RemovalTest, AppendsGoOnWhileADiskRemovesASegment) {
  options_.retention_bytes = 200'000;
  open();
  files_.hang(support::MemoryFileSystem::Call::kRemove);
  std::uint64_t number = 0;
  while (!files_.is_hanging()) {
    const auto ticket = lane_->append(record_of(++number, 5000));
    ASSERT_TRUE(wait_until([&] { return lane_->is_written(ticket); }));
    ASSERT_LT(number, 1000U);
  }
  const auto ticket = lane_->append(record_of(++number));
  EXPECT_TRUE(wait_until([&] { return lane_->is_written(ticket); }));
  EXPECT_TRUE(files_.is_hanging());
  files_.release();
  flush();
  EXPECT_GT(recorder_->stats().segments_removed, 0U);
  EXPECT_EQ(segment_files().size(), recorder_->stats().segments);
}

class ReconfigureTest : public LogTest {};

TEST_F(ReconfigureTest, RetentionIsTakenOverWhileTheLogIsWritten) {
  open();
  for (std::uint64_t i = 0; i < 12; ++i) {
    append(i * 10 + 1, 10, 5000);
    flush();
  }
  EXPECT_EQ(recorder_->stats().segments_removed, 0U);
  auto next = options_;
  next.retention_bytes = 200'000;
  ASSERT_TRUE(recorder_->reconfigure(next).ok());
  flush();  // The thread takes the options over after the work at hand …
  flush();  // … so that this one sees them.
  EXPECT_GT(recorder_->stats().segments_removed, 2U);
}

TEST_F(ReconfigureTest, SegmentsEndAtTheNewSize) {
  options_.segment_bytes = 64U << 20;
  open();
  append(1, 10, 50'000);
  flush();
  EXPECT_EQ(recorder_->stats().segments, 1U);
  auto next = options_;
  next.segment_bytes = 64U << 10;
  ASSERT_TRUE(recorder_->reconfigure(next).ok());
  flush();
  append(11, 1);
  flush();
  append(12, 1);
  flush();
  EXPECT_GT(recorder_->stats().segments, 1U);
}

TEST_F(ReconfigureTest, OptionsThatMakeNoSenseChangeNothing) {
  open();
  auto next = options_;
  next.segment_bytes = 1;
  EXPECT_EQ(recorder_->reconfigure(next).error().code, ErrorCode::kInvalidArgument);
}

class OldestAppendTest : public LogTest {};

TEST_F(OldestAppendTest, IsTheOldestOfAllStreams) {
  options_.retention_bytes = 200'000;
  auto other = options_;
  other.stream = "import";
  const std::int64_t imported = clock_.wall_ns();
  { ASSERT_TRUE(Recorder::open(files_, clock_, other).ok()); }
  clock_.jump_wall_ns(1'000);
  open();
  EXPECT_EQ(*recorder_->oldest_append_ns(), imported);
  const auto paths = segment_files("import");
  ASSERT_EQ(paths.size(), 1U);
  damage_header(paths[0]);
  const auto unknown = recorder_->oldest_append_ns();
  ASSERT_FALSE(unknown.ok());
  EXPECT_NE(unknown.error().message.find(paths[0]), std::string::npos) << unknown.error().message;
  ASSERT_TRUE(files_.remove(paths[0]).ok());
  EXPECT_EQ(*recorder_->oldest_append_ns(), imported + 1'000);
}

class OldestEpochTest : public LogTest {};

TEST_F(OldestEpochTest, IsOfTheFirstSegmentLeftWhateverOtherStreamsCount) {
  options_.retention_bytes = 200'000;
  open();
  append(1, 1);
  close();
  // Another process' stream counts epochs of its own.
  auto other = options_;
  other.stream = "compare";
  { ASSERT_TRUE(Recorder::open(files_, clock_, other).ok()); }
  open();
  EXPECT_EQ(recorder_->oldest_epoch()->value, 1U);
  for (std::uint64_t i = 0; i < 12; ++i) {
    append(i * 10 + 1, 10, 5000);
    flush();
  }
  flush();
  EXPECT_EQ(recorder_->oldest_epoch()->value, 2U);
  close();
  open();
  EXPECT_EQ(recorder_->oldest_epoch()->value, 2U);
}

TEST_F(OldestEpochTest, IsNotToldWhileAnOlderFileCannotBeRead) {
  open();
  append(1, 1);
  close();
  open();
  append(2, 1);
  close();
  const auto paths = segment_files();
  ASSERT_EQ(paths.size(), 2U);
  damage_header(paths[0]);
  open();
  const auto unknown = recorder_->oldest_epoch();
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, ErrorCode::kDamaged);
  EXPECT_NE(unknown.error().message.find(paths[0]), std::string::npos);
  ASSERT_TRUE(files_.remove(paths[0]).ok());
  EXPECT_EQ(recorder_->oldest_epoch()->value, 2U);
  files_.fail_call(support::MemoryFileSystem::Call::kList, 1, EIO);
  EXPECT_EQ(recorder_->oldest_epoch().error().code, ErrorCode::kIo);
}

}  // namespace
}  // namespace banyan::recorder
