// SPDX-License-Identifier: Apache-2.0
//
// Readers that follow in memory: when they do, when they turn to the file, and what they hold.
#include "recorder/tail.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "tests/recorder/log_fixture.h"

namespace banyan::recorder {
namespace {

using Call = support::MemoryFileSystem::Call;
using model::Fence;

std::shared_ptr<const TailBatch> batch_of(std::uint64_t base, std::uint64_t records) {
  auto batch = std::make_shared<TailBatch>();
  batch->base = Offset{base};
  batch->records.resize(records);
  return batch;
}

TEST(TailTest, FindsTheBatchThatHoldsAnOffset) {
  Tail tail;
  tail.set_bytes_max(1U << 20);
  EXPECT_EQ(tail.find(Offset{0}), nullptr);
  const auto first = batch_of(10, 5);
  const auto second = batch_of(15, 1);
  const auto behind_a_jump = batch_of(20, 2);
  for (const auto& batch : {first, second, behind_a_jump}) tail.add(batch);
  EXPECT_EQ(tail.find(Offset{9}), nullptr);
  EXPECT_EQ(tail.find(Offset{10}), first);
  EXPECT_EQ(tail.find(Offset{14}), first);
  EXPECT_EQ(tail.find(Offset{15}), second);
  EXPECT_EQ(tail.find(Offset{16}), nullptr);
  EXPECT_EQ(tail.find(Offset{21}), behind_a_jump);
  EXPECT_EQ(tail.find(Offset{22}), nullptr);
  tail.forget_before(Offset{16});
  EXPECT_EQ(tail.find(Offset{15}), nullptr);
  EXPECT_EQ(tail.find(Offset{20}), behind_a_jump);
  EXPECT_EQ(tail.stats().pushed_out, 0U);
}

TEST(TailTest, HoldsNoMoreThanItsBound) {
  const std::uint64_t each = batch_of(0, 4)->memory_bytes();
  Tail tail;
  tail.set_bytes_max(3 * each);
  for (std::uint64_t i = 0; i < 3; ++i) tail.add(batch_of(4 * i, 4));
  EXPECT_EQ(tail.stats().bytes, 3 * each);  // To the byte.
  EXPECT_NE(tail.find(Offset{0}), nullptr);
  tail.add(batch_of(12, 4));
  EXPECT_EQ(tail.find(Offset{3}), nullptr);
  EXPECT_NE(tail.find(Offset{4}), nullptr);
  EXPECT_EQ(tail.stats().bytes, 3 * each);
  EXPECT_EQ(tail.stats().pushed_out, 1U);
  tail.set_bytes_max(3 * each - 1);
  tail.add(batch_of(16, 4));
  EXPECT_EQ(tail.stats().bytes, 2 * each);
  tail.add(batch_of(20, 1000));  // Larger than all that may be held.
  EXPECT_EQ(tail.stats().bytes, 0U);
  EXPECT_EQ(tail.find(Offset{20}), nullptr);
  tail.add(batch_of(1020, 4));
  EXPECT_NE(tail.find(Offset{1020}), nullptr);
}

TEST(TailTest, WaitsForFollowersWithinABound) {
  const std::uint64_t each = batch_of(0, 4)->memory_bytes();
  Tail tail;
  tail.set_bytes_max(2 * each);
  auto ahead = std::make_unique<TailPlace>(tail, Offset{12});
  const TailPlace behind(tail, Offset{4});
  const auto has = [&tail](std::uint64_t offset) { return tail.find(Offset{offset}) != nullptr; };
  for (std::uint64_t i = 0; i < 4; ++i) tail.add(batch_of(4 * i, 4));
  EXPECT_FALSE(has(3));  // Nobody needs it.
  EXPECT_TRUE(has(4));
  for (std::uint64_t i = 4; i < 1 + 2 * Tail::kHeldTimes; ++i) tail.add(batch_of(4 * i, 4));
  EXPECT_EQ(tail.stats().bytes, Tail::kHeldTimes * 2 * each);  // To the byte.
  EXPECT_TRUE(has(4));
  ahead->move_to(Offset{4 * 2 * Tail::kHeldTimes});
  std::uint64_t next = 4 * (1 + 2 * Tail::kHeldTimes);
  tail.add(batch_of(next, 4));
  EXPECT_FALSE(has(4));  // What he needs is gone, so nothing is held for him any more.
  EXPECT_EQ(tail.stats().bytes, 2 * each);
  for (int i = 0; i < 3; ++i) tail.add(batch_of(next += 4, 4));
  EXPECT_EQ(tail.stats().bytes, 5 * each);  // The other one lags now.
  ahead->move_to(Offset{8});                // That is gone, too.
  tail.add(batch_of(next += 4, 4));
  EXPECT_EQ(tail.stats().bytes, 2 * each);
  ahead->move_to(Offset{next});
  for (int i = 0; i < 3; ++i) tail.add(batch_of(next += 4, 4));
  EXPECT_EQ(tail.stats().bytes, 4 * each);
  ahead = nullptr;
  tail.add(batch_of(next += 4, 4));
  EXPECT_EQ(tail.stats().bytes, 2 * each);
}

TEST(TailTest, KnowsOfWhatItPushedOutWhichKindsItHeld) {
  using model::RecordKinds;
  using model::RecordType;
  const RecordKinds verdicts = RecordKinds::of({RecordType::kVerdict});
  const RecordKinds chunks = RecordKinds::of({RecordType::kChunk});
  Tail tail;
  tail.set_bytes_max(1);  // All is pushed out at once.
  const auto add = [&tail](std::uint64_t base, std::uint64_t records, RecordKinds kinds) {
    auto batch = std::make_shared<TailBatch>();
    batch->base = Offset{base};
    batch->records.resize(records);
    batch->spans.push_back({Offset{base}, Offset{base + records}, kinds});
    tail.add(std::move(batch));
  };
  const auto passed = [&tail](std::uint64_t at, RecordKinds wanted, std::uint64_t fence) {
    return tail.pass_over(Offset{at}, wanted, Offset{fence}).value;
  };
  EXPECT_EQ(passed(10, verdicts, 100), 10U);
  add(10, 5, chunks);
  add(15, 5, chunks);
  add(20, 5, chunks | verdicts);
  add(25, 5, chunks);
  add(40, 5, chunks);                       // Behind a jump of the numbering.
  EXPECT_EQ(passed(9, verdicts, 100), 9U);  // Not known.
  EXPECT_EQ(passed(10, verdicts, 100), 20U);
  EXPECT_EQ(passed(12, verdicts, 100), 20U);
  EXPECT_EQ(passed(12, verdicts, 17), 17U);
  EXPECT_EQ(passed(12, chunks, 100), 12U);
  EXPECT_EQ(passed(25, verdicts, 100), 30U);
  EXPECT_EQ(passed(45, verdicts, 100), 45U);
  tail.forget_before(Offset{15});
  EXPECT_EQ(passed(10, verdicts, 100), 10U);
  EXPECT_EQ(passed(15, verdicts, 100), 20U);
  for (std::uint64_t i = 0; i < Tail::kSpansMax; ++i) add(100 + i, 1, chunks);
  EXPECT_EQ(tail.stats().spans, Tail::kSpansMax);
  EXPECT_EQ(passed(15, verdicts, 100), 15U);
}

class TailLogTest : public LogTest {
 protected:
  std::unique_ptr<model::RecordSource> source(Fence fence = Fence::kWritten) {
    auto opened = recorder_->access().open_source({}, fence);
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return opened.ok() ? *std::move(opened) : nullptr;
  }
  std::uint64_t reads() const { return files_.calls(Call::kRead); }
};

TEST_F(TailLogTest, AReaderAtTheEndNeverTouchesTheFile) {
  open();
  auto reader = source();
  auto durable = source(Fence::kDurable);
  const std::uint64_t before = reads();
  for (std::uint64_t i = 0; i < 20; ++i) {
    append(i * 10 + 1, 10);
    flush();
    EXPECT_EQ(numbers_of(drain(*reader)), sequence(i * 10 + 1, 10));
    EXPECT_EQ(numbers_of(drain(*durable)), sequence(i * 10 + 1, 10));
  }
  EXPECT_EQ(reads(), before);
  EXPECT_EQ(recorder_->stats().tail_misses, 0U);
  EXPECT_GE(recorder_->stats().tail_hits, 40U);
}

TEST_F(TailLogTest, AReaderThatFellBehindReadsTheFileAndComesBack) {
  options_.segment_bytes = 1U << 20;
  options_.tail_bytes_max = 100'000;
  open();
  auto reader = source();
  append(1, 10);
  flush();
  EXPECT_EQ(numbers_of(drain(*reader)), sequence(1, 10));
  EXPECT_EQ(recorder_->stats().tail_misses, 0U);
  // A little behind: the tail waits for him.
  for (std::uint64_t i = 0; i < 15; ++i) {
    append(11 + i * 10, 10, 1000);
    flush();
  }
  EXPECT_GT(recorder_->stats().tail_bytes, options_.tail_bytes_max);
  const std::uint64_t reads_before = reads();
  EXPECT_EQ(numbers_of(drain(*reader)), sequence(11, 150));
  EXPECT_EQ(reads(), reads_before);
  EXPECT_EQ(recorder_->stats().tail_misses, 0U);
  // More than that.
  for (std::uint64_t i = 0; i < 50; ++i) {
    append(161 + i * 10, 10, 1000);
    flush();
  }
  EXPECT_LE(recorder_->stats().tail_bytes, Tail::kHeldTimes * options_.tail_bytes_max);
  EXPECT_EQ(numbers_of(drain(*reader)), sequence(161, 500));
  const auto behind = recorder_->stats();
  EXPECT_GT(behind.tail_misses, 0U);
  const std::uint64_t before = reads();
  append(661, 10);
  flush();
  EXPECT_EQ(numbers_of(drain(*reader)), sequence(661, 10));
  EXPECT_EQ(reads(), before);
  EXPECT_EQ(recorder_->stats().tail_misses, behind.tail_misses);
  // And behind again, from a place that the file path has not seen.
  append(671, 500, 1000);
  flush();
  append(1171, 1, 1000);
  flush();
  EXPECT_EQ(numbers_of(drain(*reader)), sequence(671, 501));
  EXPECT_GT(recorder_->stats().tail_misses, behind.tail_misses);
}

TEST_F(TailLogTest, WhoWantsFewRecordsComesBackWithoutReadingTheRest) {
  options_.segment_bytes = 1U << 20;
  options_.tail_bytes_max = 100'000;
  open();
  auto reader = source();
  drain(*reader);
  reader->want(model::RecordKinds::of({model::RecordType::kVerdict}));
  for (std::uint64_t i = 0; i < 20; ++i) {
    append(1 + i * 10, 10, 1000);
    flush();
  }
  const std::uint64_t before = files_.read_bytes();
  EXPECT_TRUE(drain(*reader).empty());
  EXPECT_EQ(reader->position(), recorder_->access().end());
  EXPECT_EQ(files_.read_bytes(), before);
  // With something that is wanted in the middle: that batch is read, and headers.
  for (std::uint64_t i = 0; i < 20; ++i) {
    append(201 + i * 10, 10, 1000);
    if (i == 10) {
      model::VerdictRecord verdict;
      verdict.exchange = id_of(1);
      std::string encoded;
      model::encode(verdict, encoded);
      lane_->append(encoded);
    }
    flush();
  }
  EXPECT_EQ(count_type(drain(*reader), model::RecordType::kVerdict), 1U);
  EXPECT_EQ(reader->position(), recorder_->access().end());
}

TEST_F(TailLogTest, TheDurableFenceHoldsInMemoryToo) {
  options_.flush_interval_ns = 3600LL * 1'000'000'000;
  open();
  auto written = source();
  auto durable = source(Fence::kDurable);
  drain(*durable);
  append(1, 5);
  const auto ticket = lane_->append(record_of(6));
  ASSERT_TRUE(wait_until([&] { return lane_->is_written(ticket); }));
  EXPECT_EQ(numbers_of(drain(*written)), sequence(1, 6));
  EXPECT_TRUE(drain(*durable).empty());
  flush();
  const std::uint64_t before = reads();
  EXPECT_EQ(numbers_of(drain(*durable)), sequence(1, 6));
  EXPECT_EQ(reads(), before);
}

// What was written and not durable is being written anew: one reader is in the midst of it, one
// stands before it, one came later. Each gets every record once, under its first offset.
TEST_F(TailLogTest, AFailOverTakesNothingFromReadersAndGivesNothingTwice) {
  options_.flush_interval_ns = 3600LL * 1'000'000'000;
  open();
  auto inside = source();
  auto before = source();
  drain(*inside);
  drain(*before);
  append(1, 9);
  const auto ticket = lane_->append(record_of(10));
  ASSERT_TRUE(wait_until([&] { return lane_->is_written(ticket); }));
  model::SourcedRecord record;
  ASSERT_TRUE(*inside->next(record));
  EXPECT_EQ(record.exchange, id_of(1));
  const Offset first = record.offset;
  files_.fail_call(Call::kReserve, 1, ENOSPC, 1'000'000);  // No new segment for the time being.
  files_.fail_call(Call::kSync, 1, EIO);
  EXPECT_FALSE(recorder_->flush(kPatienceNs).ok());
  EXPECT_TRUE(drain(*before).empty());  // What is not durable waits for its new place.
  const std::string_view held = record.encoded;
  EXPECT_EQ(held, record_of(1, 100));
  files_.clear_failures();
  ASSERT_TRUE(wait_until([&] { return recorder_->flush(kPatienceNs).ok(); }));
  append(11, 10);
  flush();
  EXPECT_EQ(held, record_of(1, 100));
  EXPECT_EQ(numbers_of(drain(*inside)), sequence(2, 19));
  const auto items = drain(*before);
  EXPECT_EQ(numbers_of(items), sequence(1, 20));
  ASSERT_FALSE(items.empty());
  EXPECT_EQ(items.front().offset, first);
  EXPECT_EQ(count_holes(items), 0U);
  EXPECT_EQ(numbers_of(read_all(recorder_->access(), Fence::kDurable)), sequence(1, 20));
  // The file says the same.
  close();
  auto offline = open_log(files_, kDirectory);
  ASSERT_TRUE(offline.ok());
  EXPECT_EQ(numbers_of(read_all(**offline)), sequence(1, 20));
}

// A record of another type that names `number`.
std::string skip_of(std::uint64_t number) {
  model::SkipRecord skip;
  skip.exchange = id_of(number);
  std::string out;
  model::encode(skip, out);
  return out;
}

TEST_F(TailLogTest, AReaderPassesOverWhatItHasNoUseFor) {
  open();
  auto reader = source();
  drain(*reader);
  reader->want(model::RecordKinds::of({model::RecordType::kSkip}));
  append(1, 20);  // Cuts of nothing else.
  flush();
  model::SourcedRecord record;
  EXPECT_FALSE(*reader->next(record));
  EXPECT_EQ(reader->position(), recorder_->access().end());
  append(21, 3);
  lane_->append(skip_of(24));
  append(25, 3);
  lane_->append(skip_of(28));
  append(29, 1);
  flush();
  for (const std::uint64_t number : {24, 28}) {
    ASSERT_TRUE(*reader->next(record));
    EXPECT_EQ(record.exchange, id_of(number));
    EXPECT_EQ(record.encoded, skip_of(number));
  }
  // What it wants may change in the middle of a batch.
  reader->want(model::RecordKinds::all());
  ASSERT_TRUE(*reader->next(record));
  EXPECT_EQ(record.exchange, id_of(29));
  EXPECT_FALSE(*reader->next(record));
  EXPECT_EQ(reader->position(), recorder_->access().end());
  append(30, 5);
  flush();
  EXPECT_EQ(numbers_of(drain(*reader)), sequence(30, 5));
}

TEST_F(TailLogTest, OfAFileThatNobodyRemembersAReaderGetsEverything) {
  open();
  append(1, 3);
  flush();
  close();
  open();
  auto reader = source();
  reader->want(model::RecordKinds::of({model::RecordType::kSkip}));
  EXPECT_EQ(numbers_of(drain(*reader)), sequence(1, 3));
}

TEST_F(TailLogTest, ABatchThatAReaderHoldsOutlivesItsPlace) {
  options_.tail_bytes_max = 5'000;
  options_.segment_bytes = 1U << 20;
  open();
  auto reader = source();
  drain(*reader);
  append(1, 2);
  flush();
  model::SourcedRecord record;
  ASSERT_TRUE(*reader->next(record));
  const std::string_view held = record.encoded;
  for (std::uint64_t i = 0; i < 50; ++i) {  // Buffers are used again meanwhile.
    append(3 + i, 1, 2000);
    flush();
  }
  EXPECT_EQ(held, record_of(1, 100));
  EXPECT_EQ(numbers_of(drain(*reader)), sequence(2, 51));
}

TEST_F(TailLogTest, ReadersKeepUpOrFallBehindBesideWriters) {
  options_.tail_bytes_max = 30'000;
  options_.segment_bytes = 1U << 20;
  open();
  constexpr std::uint64_t kCount = 20'000;
  std::atomic<bool> is_done{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&, i] {
      auto reader = source(i == 0 ? Fence::kDurable : Fence::kWritten);
      std::uint64_t expected = 1;
      model::SourcedRecord record;
      while (expected <= kCount) {
        const bool was_done = is_done;
        auto more = reader->next(record);
        ASSERT_TRUE(more.ok());
        if (!*more) {
          ASSERT_FALSE(was_done) << expected;
          reader->wait(std::chrono::milliseconds(i == 1 ? 20 : 1));
          continue;
        }
        if (record.type != model::RecordType::kChunk) continue;
        ASSERT_EQ(record.exchange, id_of(expected));
        ASSERT_EQ(record.encoded, record_of(expected, expected % 50));
        ++expected;
      }
    });
  }
  for (std::uint64_t i = 1; i <= kCount; ++i) {
    while (lane_->append(record_of(i, i % 50)).is_refused()) std::this_thread::yield();
  }
  flush();
  is_done = true;
  for (auto& reader : readers) reader.join();
}

}  // namespace
}  // namespace banyan::recorder
