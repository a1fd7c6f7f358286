// SPDX-License-Identifier: Apache-2.0
#include "recorder/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>

#include "core/model/record_codec.h"
#include "recorder/batch_buffer.h"
#include "recorder/segment_writer.h"
#include "tests/recorder/log_fixture.h"

namespace banyan::recorder {
namespace {

using Call = support::MemoryFileSystem::Call;
using model::Fence;
using model::RecordType;
using testing::HasSubstr;

class RecorderTest : public BothWaysTest {};
INSTANTIATE_TEST_SUITE_P(Ways, RecorderTest, kBothWays, name_of_way);

TEST_P(RecorderTest, GivesBackWhatWasAppendedInOrder) {
  open();
  append(1, 500);
  flush();
  const auto items = read_all(recorder_->access(), Fence::kDurable);
  EXPECT_EQ(numbers_of(items), sequence(1, 500));
  ASSERT_FALSE(items.empty());
  EXPECT_EQ(items.front().type, RecordType::kCheckpoint);
  for (std::size_t i = 0; i < items.size(); ++i) EXPECT_EQ(items[i].offset.value, i);
}

TEST_P(RecorderTest, GoesOnWithTheNextOffsetAndEpochAfterACleanStop) {
  open();
  const std::string uuid = recorder_->log_uuid();
  EXPECT_EQ(recorder_->epoch().value, 1U);
  append(1, 10);
  close();
  open();
  EXPECT_FALSE(recorder_->recovery().was_unclean);
  EXPECT_EQ(recorder_->epoch().value, 2U);
  EXPECT_EQ(recorder_->log_uuid(), uuid);
  append(11, 10);
  flush();
  const auto items = read_all(recorder_->access());
  EXPECT_EQ(numbers_of(items), sequence(1, 20));
  EXPECT_EQ(count_holes(items), 0U);
  EXPECT_EQ(count_type(items, RecordType::kGap), 0U);
  for (std::size_t i = 0; i < items.size(); ++i) EXPECT_EQ(items[i].offset.value, i);
}

TEST_P(RecorderTest, TicketsBecomeDurableAndTheLaneIsWoken) {
  open();
  std::atomic<int> wakes{0};
  auto lane = recorder_->open_lane([&wakes] { wakes.fetch_add(1); });
  const auto first = lane->append(record_of(1));
  const auto second = lane->append(record_of(2));
  EXPECT_EQ(first.value, 1U);
  EXPECT_EQ(second.value, 2U);
  lane->want_durable(second);
  ASSERT_TRUE(wait_until([&] { return wakes.load() > 0 && lane->is_durable(second); }));
  EXPECT_TRUE(lane->is_written(second));
  EXPECT_TRUE(lane->is_durable(first));
  EXPECT_FALSE(lane->is_durable(model::Ticket{3}));
}

TEST_P(RecorderTest, AWantOfWhatIsDurableAlreadyWakesToo) {
  open();
  std::atomic<int> wakes{0};
  auto lane = recorder_->open_lane([&wakes] { wakes.fetch_add(1); });
  const auto ticket = lane->append(record_of(1));
  flush();
  ASSERT_TRUE(lane->is_durable(ticket));
  lane->want_durable(ticket);
  EXPECT_TRUE(wait_until([&] { return wakes.load() > 0; }));
}

TEST_P(RecorderTest, SyncsByItselfAfterTheFlushInterval) {
  open();
  const auto ticket = lane_->append(record_of(1));
  EXPECT_TRUE(wait_until([&] { return lane_->is_durable(ticket); }));
}

TEST_P(RecorderTest, RefusesASecondRecorderOnTheSameStream) {
  open();
  const auto second = try_open();
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kAlreadyExists);
  EXPECT_THAT(second.error().message, HasSubstr("locked by another process"));
}

TEST_P(RecorderTest, TellsADiskThatIsFullOrForbiddenAtOpen) {
  files_.fail_call(Call::kReserve, 1, ENOSPC);
  auto opened = try_open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kExhausted);
  EXPECT_THAT(opened.error().message, HasSubstr("/data/log/main"));
  files_.clear_failures();
  files_.fail_call(Call::kMakeDirectories, 1, EACCES);
  opened = try_open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kPermissionDenied);
  files_.clear_failures();
  open();  // And nothing of the failed tries is in the way.
}

TEST_P(RecorderTest, RollsToNewSegmentsAndReadsAcrossThem) {
  open();
  for (int i = 0; i < 20; ++i) {
    append(static_cast<std::uint64_t>(i) * 100 + 1, 100);
    flush();
  }
  EXPECT_GT(segment_files().size(), 2U);
  std::vector<Item> items;
  // The last roll may still be under way.
  ASSERT_TRUE(wait_until([&] {
    items = read_all(recorder_->access(), Fence::kDurable);
    return count_type(items, RecordType::kCheckpoint) == segment_files().size();
  }));
  EXPECT_EQ(numbers_of(items), sequence(1, 2000));
  EXPECT_EQ(count_holes(items), 0U);
  // Each offset alone finds its record, with footers and without.
  for (std::uint64_t offset = 0; offset < items.size(); offset += 37) {
    model::Cursor cursor;
    cursor.set("main", Offset{offset});
    auto source = recorder_->access().open_source(cursor, Fence::kDurable);
    ASSERT_TRUE(source.ok());
    model::SourcedRecord record;
    ASSERT_TRUE(*(*source)->next(record));
    EXPECT_EQ(record.offset.value, offset);
    EXPECT_EQ(record.encoded, items[offset].encoded);
  }
}

TEST_P(RecorderTest, CompressesBatchesWhereAsked) {
  options_.compression = RecorderOptions::Compression::kLz4;
  open();
  append(1, 300, 1000);
  flush();
  EXPECT_EQ(numbers_of(read_all(recorder_->access())), sequence(1, 300));
  const auto stats = recorder_->stats();
  EXPECT_GT(stats.bytes_appended, 300'000U);
  EXPECT_LT(stats.log_bytes, 100'000U);
}

TEST_P(RecorderTest, KeepsLargeRecordsAndRefusesOversizedOnes) {
  options_.segment_bytes = 256U << 20;
  options_.lane_bytes_max = 64U << 20;
  open();
  const auto large = record_of(1, (16U << 20) - 100);
  const auto oversized = record_of(2, 16U << 20);
  EXPECT_FALSE(lane_->append(large).is_refused());
  flush();
  EXPECT_TRUE(lane_->append(oversized).is_refused());
  flush();
  EXPECT_FALSE(lane_->append(record_of(3)).is_refused());
  flush();
  const auto items = read_all(recorder_->access());
  EXPECT_EQ(numbers_of(items), (std::vector<std::uint64_t>{1, 3}));
  EXPECT_EQ(count_type(items, RecordType::kGap), 1U);
  EXPECT_TRUE(lane_->append("").is_refused());
}

// The disk hangs, the lane fills to its bound; what it refuses is named in one GAP, which stands
// between what was accepted before and after.
TEST_P(RecorderTest, AFullLaneRefusesAndNamesWhatIsMissing) {
  options_.lane_bytes_max = 10'000;
  open();
  files_.hang(Call::kWrite);
  ASSERT_FALSE(lane_->append(record_of(1)).is_refused());
  ASSERT_TRUE(wait_until([&] { return files_.is_hanging(); }));
  std::uint64_t accepted = 1;
  while (!lane_->append(record_of(accepted + 1, 500)).is_refused()) ++accepted;
  EXPECT_TRUE(lane_->append(record_of(9001)).is_refused());  // Small, but the lane is refusing now.
  EXPECT_GT(accepted, 15U);
  EXPECT_LT(accepted, 22U);
  EXPECT_EQ(recorder_->stats().records_refused, 2U);
  files_.release();
  flush();
  EXPECT_FALSE(lane_->append(record_of(9002)).is_refused());
  flush();
  const auto items = read_all(recorder_->access());
  auto expected = sequence(1, accepted);
  expected.push_back(9002);
  EXPECT_EQ(numbers_of(items), expected);
  ASSERT_EQ(count_type(items, RecordType::kGap), 1U);
  const auto& gap_item = items[items.size() - 2];
  const auto decoded = model::decode(gap_item.encoded);
  ASSERT_TRUE(decoded.ok());
  const auto& gap = std::get<model::GapRecord>(*decoded);
  EXPECT_EQ(gap.records_lost, 2U);
  EXPECT_EQ(gap.cause, "queue_full");
  ASSERT_EQ(gap.parts.size(), 2U);
  EXPECT_EQ(gap.parts[0].exchange, id_of(accepted + 1));
  EXPECT_EQ(gap.parts[0].sides, 1U << static_cast<unsigned>(model::Side::kPrimary));
  EXPECT_EQ(gap.parts[1].exchange, id_of(9001));
}

TEST_P(RecorderTest, AFlushOnAHangingDiskTimesOut) {
  open();
  files_.hang(Call::kSync);
  ASSERT_FALSE(lane_->append(record_of(1)).is_refused());
  const auto status = recorder_->flush(20'000'000);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kTimeout);
  files_.release();
  flush();
}

TEST_P(RecorderTest, ReadersSeeWrittenBeforeDurable) {
  options_.flush_interval_ns = 3600LL * 1'000'000'000;
  open();
  const auto ticket = lane_->append(record_of(7));
  ASSERT_TRUE(wait_until([&] { return lane_->is_written(ticket); }));
  EXPECT_EQ(numbers_of(read_all(recorder_->access(), Fence::kWritten)), sequence(7, 1));
  EXPECT_TRUE(numbers_of(read_all(recorder_->access(), Fence::kDurable)).empty());
  auto source = recorder_->access().open_source({}, Fence::kWritten);
  ASSERT_TRUE(source.ok());
  EXPECT_FALSE((*source)->is_durable("main", Offset{1}));
  flush();
  EXPECT_TRUE((*source)->is_durable("main", Offset{1}));
}

TEST_P(RecorderTest, WhatWasAppendedBeforeSomethingElseIsPublishedNoLater) {
  open();
  auto other = recorder_->open_lane();
  std::atomic<bool> is_done{false};
  // Appends pairs: first on one lane, then on the other.
  std::thread writer([&] {
    for (std::uint64_t i = 1; i <= 20'000; ++i) {
      while (lane_->append(record_of(2 * i)).is_refused()) std::this_thread::yield();
      while (other->append(record_of(2 * i + 1)).is_refused()) std::this_thread::yield();
    }
    is_done = true;
  });
  auto source = recorder_->access().open_source({}, Fence::kWritten);
  ASSERT_TRUE(source.ok());
  std::uint64_t firsts = 0;
  std::uint64_t seconds = 0;
  while (seconds < 20'000) {
    if (is_done && firsts < seconds) break;
    (*source)->wait(std::chrono::milliseconds(50));
    for (const std::uint64_t number : numbers_of(drain(**source)))
      ++(number % 2 == 0 ? firsts : seconds);
    ASSERT_GE(firsts, seconds);  // All that can be read, read.
  }
  writer.join();
  EXPECT_EQ(seconds, 20'000U);
}

TEST_P(RecorderTest, ListenersAndWaitersHearOfPublishing) {
  open();
  std::atomic<int> calls{0};
  auto handle = recorder_->access().add_publish_listener(
      [&calls](model::RecordKinds) { return calls.fetch_add(1) == 0; });
  auto source = recorder_->access().open_source({}, Fence::kWritten);
  ASSERT_TRUE(source.ok());
  EXPECT_EQ(drain(**source).size(), 1U);
  std::thread writer([&] { EXPECT_FALSE(lane_->append(record_of(1)).is_refused()); });
  std::vector<Item> items;
  ASSERT_TRUE(wait_until([&] {
    (*source)->wait(std::chrono::seconds(10));
    items = drain(**source);
    return !items.empty();
  }));
  writer.join();
  EXPECT_EQ(numbers_of(items), sequence(1, 1));
  EXPECT_TRUE(wait_until([&] { return calls.load() > 0; }));  // It comes behind the fence.
  flush();
  handle.reset();
  const int before = calls.load();
  append(2, 1);
  flush();
  EXPECT_EQ(calls.load(), before);
}

TEST_P(RecorderTest, ListenersHearOfKindsAsTheyAreWrittenAndOfAllAsTheyAreDurable) {
  options_.flush_interval_ns = 3600LL * 1'000'000'000;
  open();
  Mutex mutex;
  std::vector<model::RecordKinds> told;
  auto handle = recorder_->access().add_publish_listener([&](model::RecordKinds kinds) {
    MutexLock lock(mutex);
    told.push_back(kinds);
    return true;
  });
  append(1, 1);
  ASSERT_TRUE(wait_until([&] {
    MutexLock lock(mutex);
    return !told.empty();
  }));
  flush();
  handle.reset();
  MutexLock lock(mutex);
  EXPECT_EQ(told.front(), model::RecordKinds::of({model::RecordType::kChunk}));
  EXPECT_EQ(told.back(), model::RecordKinds::all());
}

TEST_P(RecorderTest, InterruptEndsAWait) {
  open();
  auto source = recorder_->access().open_source({}, Fence::kWritten);
  ASSERT_TRUE(source.ok());
  drain(**source);
  flush();
  drain(**source);
  std::thread other([&] { (*source)->interrupt(); });
  const auto began = std::chrono::steady_clock::now();
  (*source)->wait(std::chrono::seconds(60));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(30));
  other.join();
}

TEST_P(RecorderTest, CursorsAreKept) {
  open();
  auto& access = recorder_->access();
  ASSERT_TRUE(access.load_cursor("mirror").ok());
  EXPECT_TRUE(access.load_cursor("mirror")->places.empty());
  model::Cursor cursor;
  cursor.set("main", Offset{17});
  EXPECT_TRUE(access.commit_cursor("mirror", cursor, true).ok());
  EXPECT_EQ(*access.load_cursor("mirror"), cursor);
  EXPECT_FALSE(access.commit_cursor("../evil", cursor, true).ok());
  close();
  open();
  EXPECT_EQ(*recorder_->access().load_cursor("mirror"), cursor);
  // Offline, beside the recorder.
  auto offline = open_log(files_, kDirectory);
  ASSERT_TRUE(offline.ok());
  EXPECT_EQ(*(*offline)->load_cursor("mirror"), cursor);
}

TEST_P(RecorderTest, FindsTheTime) {
  open();
  std::vector<std::int64_t> times;
  for (int i = 0; i < 30; ++i) {
    clock_.advance_ns(1'000'000'000);
    times.push_back(clock_.wall_ns());
    append(static_cast<std::uint64_t>(i), 1, 30'000);
    flush();
  }
  for (std::size_t i = 0; i < times.size(); ++i) {
    const auto place = recorder_->access().find_time(times[i]);
    ASSERT_TRUE(place.ok());
    const auto numbers = numbers_of(read_all(recorder_->access(), Fence::kWritten, *place));
    ASSERT_FALSE(numbers.empty());
    EXPECT_LE(numbers.front(), i);
    EXPECT_GE(numbers.front() + 5, i) << "far too early";
  }
}

TEST_P(RecorderTest, OfflineReadersSeeTheSame) {
  open();
  append(1, 1000);
  flush();
  auto offline = open_log(files_, kDirectory);
  ASSERT_TRUE(offline.ok());
  EXPECT_EQ(numbers_of(read_all(**offline)), sequence(1, 1000));
  EXPECT_EQ((*offline)->end(), recorder_->access().end());
  EXPECT_EQ((*offline)->begin(), recorder_->access().begin());
  auto source = (*offline)->open_source((*offline)->end(), Fence::kWritten);
  ASSERT_TRUE(source.ok());
  append(1001, 5);
  flush();
  // Beside the writer, which may just have begun a new segment: those are looked for at times.
  std::vector<std::uint64_t> beside;
  EXPECT_TRUE(wait_until([&] {
    for (const std::uint64_t number : numbers_of(drain(**source))) beside.push_back(number);
    return beside.size() >= 5;
  }));
  EXPECT_EQ(beside, sequence(1001, 5));
  const auto missing = open_log(files_, "/nowhere");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
}

TEST_P(RecorderTest, ChunksOfOneBodyAreCollected) {
  open();
  model::ChunkRecord chunk;
  chunk.exchange = id_of(5);
  chunk.side = model::Side::kRequest;
  for (std::uint32_t i = 0; i < 3; ++i) {
    chunk.sequence = i;
    chunk.bytes = std::string_view("abc").substr(i, 1);
    chunk.is_last = i == 2;
    ASSERT_FALSE(model::append_record(*lane_, chunk).is_refused());
    append(100 + i, 1);
  }
  flush();
  std::string body;
  const auto status =
      model::read_chunks(recorder_->access(), "main", Offset{0}, id_of(5), model::Side::kRequest,
                         RunId{}, [&body](const model::ChunkRecord& piece) {
                           body += piece.bytes;
                           return true;
                         });
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(body, "abc");
  const auto absent =
      model::read_chunks(recorder_->access(), "main", Offset{0}, id_of(6), model::Side::kRequest,
                         RunId{}, [](const model::ChunkRecord&) { return true; });
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code, ErrorCode::kNotFound);
}

// Where a record fits to the byte, what it might take at most must not refuse it.
TEST_P(RecorderTest, ALaneTakesARecordThatJustFitsThroughBothDoors) {
  const std::string filler(3000, 'x');
  model::ChunkRecord chunk;
  chunk.exchange = id_of(1);
  chunk.bytes = filler;
  std::string encoded;
  model::encode(chunk, encoded);
  options_.lane_bytes_max = encoded.size() + kRecordOverheadBytesMax;
  open();
  EXPECT_FALSE(model::append_record(*lane_, chunk).is_refused());
  flush();
  EXPECT_FALSE(lane_->append(encoded).is_refused());
  flush();
  close();
  options_.lane_bytes_max -= 1;
  open();
  EXPECT_TRUE(model::append_record(*lane_, chunk).is_refused());
  flush();
  EXPECT_TRUE(lane_->append(encoded).is_refused());
  flush();
  EXPECT_EQ(recorder_->stats().records_refused, 2U);
}

TEST_P(RecorderTest, ManyLanesFromManyThreadsLoseNothing) {
  open();
  constexpr std::uint64_t kEach = 5000;
  std::vector<std::unique_ptr<model::RecordSink>> lanes;
  for (int i = 0; i < 4; ++i) lanes.push_back(recorder_->open_lane());
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < lanes.size(); ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        while (lanes[t]->append(record_of(t * 1'000'000 + i)).is_refused())
          std::this_thread::yield();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  lanes.clear();  // What a lane accepted is written although its sink is gone.
  flush();
  std::vector<std::uint64_t> counts(4, 0);
  for (const std::uint64_t number : numbers_of(read_all(recorder_->access()))) {
    auto& expected = counts[number / 1'000'000];
    EXPECT_EQ(number % 1'000'000, expected);  // A lane keeps its order.
    ++expected;
  }
  for (const std::uint64_t count : counts) EXPECT_EQ(count, kEach);
}

// Of a writer of ours that went wrong. It costs its own offset only.
TEST_P(RecorderTest, ARecordThatIsNoneIsAHole) {
  open();
  append(1, 300);
  ASSERT_FALSE(lane_->append("\x7f nonsense").is_refused());
  append(301, 300);
  flush();
  const auto items = read_all(recorder_->access());
  EXPECT_EQ(numbers_of(items), sequence(1, 600));
  ASSERT_EQ(count_holes(items), 1U);
  EXPECT_EQ(items[301].kind, model::SourcedRecord::Kind::kHole);
  EXPECT_EQ(items[301].offset.value, 301U);
  EXPECT_EQ(items[301].hole_end.value, 302U);
  EXPECT_EQ(items[301].cause, "damaged");
}

TEST_P(RecorderTest, RefusesSillyOptions) {
  options_.stream = "Main/..";
  EXPECT_EQ(try_open().error().code, ErrorCode::kInvalidArgument);
  options_ = options();
  options_.segment_bytes = 1000;
  EXPECT_EQ(try_open().error().code, ErrorCode::kInvalidArgument);
}

TEST_P(RecorderTest, TakesNoMorePageCacheThanTwiceItsBound) {
  options_.segment_bytes = 8 * kCachedBytes;
  open();
  const std::uint64_t step = 1U << 20;
  std::uint64_t most_cached = 0;
  for (std::uint64_t written = 0; written < 4 * kCachedBytes; written += step) {
    append(written, 1, step);
    flush();
    const std::string file = segment_files().front();
    const std::uint64_t forgotten = files_.forgotten_bytes(file);
    if (forgotten > 0) {
      ASSERT_LE(forgotten + kCachedBytes, written + 2 * step);  // The newest stay.
    }
    most_cached = std::max(most_cached, written - std::min(written, forgotten));
  }
  EXPECT_GE(most_cached, kCachedBytes);
  EXPECT_LE(most_cached, 2 * kCachedBytes + step);
}

TEST_P(RecorderTest, AnswersAWatchdogAndSaysWhenADiskHoldsItUp) {
  open();
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t before = recorder_->beats();
    recorder_->ask_beat();
    ASSERT_TRUE(wait_until([&] { return recorder_->beats() > before; }));
  }
  flush();
  ASSERT_TRUE(wait_until([&] { return !recorder_->is_at_disk(); }));
  files_.hang(Call::kWrite);
  append(1, 1);
  ASSERT_TRUE(wait_until([&] { return files_.is_hanging(); }));
  EXPECT_TRUE(recorder_->is_at_disk());
  files_.release();
  flush();
  ASSERT_TRUE(wait_until([&] { return !recorder_->is_at_disk(); }));
}

}  // namespace
}  // namespace banyan::recorder
