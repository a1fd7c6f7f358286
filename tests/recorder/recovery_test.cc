// SPDX-License-Identifier: Apache-2.0
//
// Crashes, rot and failing disks. Each test writes, breaks something, opens again, and compares
// what can be read with what was promised.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <random>

#include "core/model/record_codec.h"
#include "recorder/catalog.h"
#include "recorder/format.h"
#include "recorder/meta.h"
#include "recorder/recovery.h"
#include "tests/recorder/log_fixture.h"

namespace banyan::recorder {
namespace {

using Call = support::MemoryFileSystem::Call;
using model::Fence;
using model::RecordType;
using testing::HasSubstr;

class RecoveryTest : public BothWaysTest {
 protected:
  std::string gap_cause(const Item& item) {
    const auto decoded = model::decode(item.encoded);
    return decoded.ok() ? std::string(std::get<model::GapRecord>(*decoded).cause) : "";
  }
  // Offsets grow, and no offset comes twice.
  static void expect_growing(const std::vector<Item>& items) {
    for (std::size_t i = 1; i < items.size(); ++i) {
      EXPECT_LT(items[i - 1].offset, items[i].offset);
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Ways, RecoveryTest, kBothWays, name_of_way);

TEST_P(RecoveryTest, AfterACrashNothingDurableIsLostAndNoOffsetIsReused) {
  options_.flush_interval_ns = 3600LL * 1'000'000'000;
  open();
  append(1, 100);
  flush();
  append(101, 50);  // Never synced.
  const auto ticket = lane_->append(record_of(151));
  ASSERT_TRUE(wait_until([&] { return lane_->is_written(ticket); }));
  const Offset end = recorder_->access().end().next_of("main");
  crash();
  open();
  EXPECT_TRUE(recorder_->recovery().was_unclean);
  EXPECT_EQ(recorder_->recovery().torn_tail_bytes, 0U);
  append(1001, 1);
  flush();
  const auto items = read_all(recorder_->access());
  auto expected = sequence(1, 100);
  expected.push_back(1001);
  EXPECT_EQ(numbers_of(items), expected);
  expect_growing(items);
  EXPECT_EQ(count_holes(items), 0U);  // A jump of the numbering is no loss inside the log.
  EXPECT_GE(items.back().offset, end);
  ASSERT_EQ(count_type(items, RecordType::kGap), 1U);
  const auto gap = std::find_if(items.begin(), items.end(),
                                [](const Item& item) { return item.type == RecordType::kGap; });
  EXPECT_EQ(gap_cause(*gap), "unclean_stop");
}

// The process dies (kill -9): the kernel has what was written, at every possible cut of the file.
TEST_P(RecoveryTest, ATornTailIsCutAtEveryByteAndKeptAside) {
  options_.flush_interval_ns = 3600LL * 1'000'000'000;
  open();
  append(1, 5);
  flush();
  const std::string path = segment_files().front();
  const std::uint64_t durable = files_.synced_content(path).size();
  const auto ticket = lane_->append(record_of(6, 300));
  ASSERT_TRUE(wait_until([&] { return lane_->is_written(ticket); }));
  const std::uint64_t unsynced = files_.content(path).size() - durable;
  ASSERT_GT(unsynced, 300U);
  // The same disk, cut at a byte further each time.
  for (std::uint64_t kept = 0; kept <= unsynced; kept += kept < 100 ? 1 : 13) {
    support::MemoryFileSystem other;
    ASSERT_TRUE(other.make_directories("/data/log/main").ok());
    for (const char* name : {"/data/log/main/meta"}) {
      ASSERT_TRUE(other.write_file_atomically(name, files_.content(name)).ok());
    }
    ASSERT_TRUE(
        other.write_file_atomically(path, files_.content(path).substr(0, durable + kept)).ok());
    auto opened = Recorder::open(other, clock_, options_);
    ASSERT_TRUE(opened.ok()) << kept << ": " << opened.error().message;
    const auto& report = (*opened)->recovery();
    const auto numbers = numbers_of(read_all((*opened)->access()));
    const bool is_whole = numbers.size() == 6;
    EXPECT_EQ(numbers, sequence(1, is_whole ? 6 : 5)) << kept;
    EXPECT_EQ(report.torn_tail_bytes, is_whole ? 0 : kept) << kept;
    EXPECT_EQ(report.damaged_ranges, 0U) << kept;
    EXPECT_EQ(count_holes(read_all((*opened)->access())), 0U) << kept;
    if (!is_whole && kept > 0) {
      const auto aside = other.list("/data/log/main/quarantine");
      ASSERT_TRUE(aside.ok());
      EXPECT_EQ(aside->size(), 1U);
    }
  }
}

TEST_P(RecoveryTest, RotInDurableDataIsAHoleAndNothingIsCut) {
  options_.segment_bytes = 1U << 20;
  options_.flush_interval_ns = 3600LL * 1'000'000'000;
  open();
  std::vector<std::uint64_t> positions;
  for (std::uint64_t i = 1; i <= 10; ++i) {
    positions.push_back(files_.content(segment_files().front()).size());
    append(i, 1);
    flush();
  }
  const std::string path = segment_files().front();
  crash();
  files_.flip_byte(path, positions[4] + kBatchHeaderBytes + 10);  // Payload of 5.
  files_.flip_byte(path, positions[6] + 20);                      // Header of 7.
  const std::size_t size = files_.content(path).size();
  open();
  // Payloads of durable data are left to readers.
  EXPECT_EQ(recorder_->recovery().damaged_ranges, 1U);
  EXPECT_EQ(recorder_->recovery().torn_tail_bytes, 0U);
  EXPECT_EQ(files_.content(path).size(), size);
  auto items = read_all(recorder_->access());
  EXPECT_EQ(numbers_of(items), (std::vector<std::uint64_t>{1, 2, 3, 4, 6, 8, 9, 10}));
  ASSERT_EQ(count_holes(items), 2U);
  for (const Item& item : items) {
    if (item.kind != model::SourcedRecord::Kind::kHole) continue;
    EXPECT_EQ(item.cause, "damaged");
    EXPECT_EQ(item.hole_end.value, item.offset.value + 1);
  }
  expect_growing(items);
  // Offline readers and verify see the same.
  auto offline = open_log(files_, kDirectory);
  ASSERT_TRUE(offline.ok());
  EXPECT_EQ(numbers_of(read_all(**offline)), numbers_of(items));
  EXPECT_EQ(count_holes(read_all(**offline)), 2U);
  const auto report = verify_log(files_, kDirectory, {});
  ASSERT_TRUE(report.ok());
  EXPECT_GE(report->problems.size(), 2U);
  EXPECT_EQ(report->problems[0].first.value, 5U);
  EXPECT_EQ(report->problems[0].position, positions[4]);
  EXPECT_EQ(report->torn_tail_bytes, 0U);
}

// A start waits for what was written since the last sync, not for what the segment holds.
TEST_P(RecoveryTest, OfDurableDataOnlyHeadersAreRead) {
  constexpr std::size_t kPayload = 200'000;
  options_.flush_interval_ns = 3600LL * 1'000'000'000;
  options_.segment_bytes = 64U << 20;
  open();
  for (std::uint64_t i = 1; i <= 40; ++i) {
    append(i, 1, kPayload);
    flush();
  }
  const std::size_t size = files_.content(segment_files().front()).size();
  ASSERT_GT(size, 40 * kPayload);
  crash();
  Catalog catalog(std::string(kDirectory) + "/main", "main", nullptr);
  const std::uint64_t before = files_.read_bytes();
  const auto recovered = recover_stream(files_, catalog);
  ASSERT_TRUE(recovered.ok()) << recovered.error().message;
  EXPECT_EQ(recovered->report.damaged_ranges, 0U);
  EXPECT_EQ(recovered->previous_end.value, 41U);  // With the CHECKPOINT.
  // Twice over the headers; the payload of the last batch, which no header calls durable, and
  // that once more when it is written again.
  EXPECT_LT(files_.read_bytes() - before, 2 * 41 * (16U << 10) + 6 * kPayload);
}

TEST_P(RecoveryTest, RotUnderARunningReaderIsAHole) {
  options_.tail_bytes_max = 0;  // Of the file, that is: memory does not rot.
  options_.segment_bytes = 1U << 20;
  open();
  std::vector<std::uint64_t> positions;
  for (std::uint64_t i = 1; i <= 4; ++i) {
    positions.push_back(files_.content(segment_files().front()).size());
    append(i, 1);
    flush();
  }
  files_.flip_byte(segment_files().front(), positions[1] + 90);
  files_.flip_byte(segment_files().front(), positions[3] + 90);  // The last: nothing valid behind.
  auto source = recorder_->access().open_source({}, Fence::kWritten);
  ASSERT_TRUE(source.ok());
  auto items = drain(**source);
  EXPECT_EQ(numbers_of(items), (std::vector<std::uint64_t>{1, 3}));
  EXPECT_EQ(count_holes(items), 2U);
  append(5, 1);
  flush();
  EXPECT_EQ(numbers_of(drain(**source)), sequence(5, 1));
}

TEST_P(RecoveryTest, ADamagedSealedSegmentIsAHole) {
  open();
  for (int i = 0; i < 4; ++i) {
    append(static_cast<std::uint64_t>(i) * 200, 200, 500);
    flush();
  }
  ASSERT_TRUE(wait_until([&] { return segment_files().size() > 2; }));
  close();
  const auto paths = segment_files();
  for (const std::size_t at : {100U, 2148U}) files_.flip_byte(paths[1], at);  // Its header.
  open();
  const auto items = read_all(recorder_->access());
  expect_growing(items);
  ASSERT_EQ(count_holes(items), 1U);
  const auto hole = std::find_if(items.begin(), items.end(), [](const Item& item) {
    return item.kind == model::SourcedRecord::Kind::kHole;
  });
  EXPECT_EQ(hole->offset, *parse_segment_name(paths[1].substr(paths[1].rfind('/') + 1)));
  EXPECT_EQ(hole->hole_end, *parse_segment_name(paths[2].substr(paths[2].rfind('/') + 1)));
  EXPECT_EQ(numbers_of(items).back(), 799U);
}

TEST_P(RecoveryTest, RefusesALogOfAnotherVersion) {
  open();
  close();
  const std::string path = segment_files().front();
  std::string bytes = files_.content(path);
  bytes[8] = 3;
  ASSERT_TRUE(files_.write_file_atomically(path, bytes).ok());
  const auto opened = try_open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(opened.error().message, HasSubstr("format version 3"));
  EXPECT_THAT(opened.error().message, HasSubstr(path));
  EXPECT_EQ(open_log(files_, kDirectory).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(verify_log(files_, kDirectory, {}).error().code, ErrorCode::kUnsupported);
}

TEST_P(RecoveryTest, RefusesSegmentsOfAnotherLog) {
  open();
  close();
  StreamMeta other = make_stream_meta();
  other.is_clean = true;
  other.end = Offset{1};
  ASSERT_TRUE(store_stream_meta(files_, std::string(kDirectory) + "/main", other).ok());
  const auto opened = try_open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kDamaged);
  EXPECT_THAT(opened.error().message, HasSubstr("another log"));
}

TEST_P(RecoveryTest, RebuildsALostOrDamagedMeta) {
  for (const bool is_lost : {true, false}) {
    open();
    append(is_lost ? 1 : 11, 10);
    flush();
    const auto uuid = recorder_->log_uuid();
    const auto epoch = recorder_->epoch();
    const Offset end = recorder_->access().end().next_of("main");
    close();
    const std::string meta = std::string(kDirectory) + "/main/meta";
    if (is_lost) {
      ASSERT_TRUE(files_.remove(meta).ok());
    } else {
      files_.flip_byte(meta, 30);
    }
    open();
    EXPECT_EQ(recorder_->log_uuid(), uuid);
    EXPECT_GT(recorder_->epoch(), epoch);
    const auto items = read_all(recorder_->access());
    EXPECT_EQ(numbers_of(items), sequence(1, is_lost ? 10 : 20));
    EXPECT_EQ(count_holes(items), 0U);
    EXPECT_GE(items.back().offset, end);
    close();
  }
}

TEST_P(RecoveryTest, AnUnbornSegmentIsSetAside) {
  open();
  append(1, 3);
  flush();
  crash();
  const std::string path = std::string(kDirectory) + "/main/00000000000099999999.seg";
  ASSERT_TRUE(files_.write_file_atomically(path, std::string(100, '\0')).ok());
  open();
  EXPECT_FALSE(files_.exists(path));
  EXPECT_EQ(numbers_of(read_all(recorder_->access())), sequence(1, 3));
}

TEST_P(RecoveryTest, AWrongFooterIsNotBelieved) {
  open();
  for (int i = 0; i < 4; ++i) {
    append(static_cast<std::uint64_t>(i) * 200, 200, 500);
    flush();
  }
  close();
  for (const std::string& path : segment_files()) {
    files_.flip_byte(path, files_.content(path).size() - 40);
  }
  auto offline = open_log(files_, kDirectory);
  ASSERT_TRUE(offline.ok());
  model::Cursor cursor;
  cursor.set("main", Offset{500});
  const auto items = read_all(**offline, Fence::kWritten, cursor);
  ASSERT_FALSE(items.empty());
  EXPECT_EQ(items.front().offset.value, 500U);
  EXPECT_EQ(count_holes(items), 0U);
}

struct Fault {
  Call call;
  int error;
  std::uint64_t tail_bytes_max;
};
class FaultTest : public LogTest, public testing::WithParamInterface<Fault> {};

// One failing call: a new segment takes over, what was acknowledged is there after a power cut.
TEST_P(FaultTest, GoesOnInANewSegment) {
  options_.flush_interval_ns = 3600LL * 1'000'000'000;
  options_.tail_bytes_max = GetParam().tail_bytes_max;
  open();
  append(1, 20);
  flush();
  auto early = recorder_->access().open_source({}, Fence::kWritten);
  ASSERT_TRUE(early.ok());
  EXPECT_EQ(numbers_of(drain(**early)), sequence(1, 20));
  files_.fail_call(GetParam().call, 1, GetParam().error);
  append(21, 20);
  flush();
  EXPECT_FALSE(recorder_->stats().has_failed);
  EXPECT_GE(recorder_->stats().write_failures, 1U);
  append(41, 20);
  flush();
  const auto items = read_all(recorder_->access());
  EXPECT_EQ(numbers_of(items), sequence(1, 60));
  EXPECT_EQ(count_holes(items), 0U);
  EXPECT_EQ(numbers_of(drain(**early)), sequence(21, 40));  // A reader at the tail sees each once.
  auto offline = open_log(files_, kDirectory);
  ASSERT_TRUE(offline.ok());
  EXPECT_EQ(numbers_of(read_all(**offline)), sequence(1, 60));
  EXPECT_EQ(count_holes(read_all(**offline)), 0U);
  crash();
  open();
  EXPECT_EQ(numbers_of(read_all(recorder_->access())), sequence(1, 60));
  const auto report = verify_log(files_, kDirectory, {});
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->problems.empty()) << report->problems.front().what;
}

INSTANTIATE_TEST_SUITE_P(Calls, FaultTest,
                         testing::Values(Fault{Call::kWrite, EIO, 0},
                                         Fault{Call::kWrite, ENOSPC, 0}, Fault{Call::kSync, EIO, 0},
                                         Fault{Call::kWrite, EIO, 16U << 20},
                                         Fault{Call::kWrite, ENOSPC, 16U << 20},
                                         Fault{Call::kSync, EIO, 16U << 20}));

// A failure in the very first batch of a segment: the name is needed again.
TEST_P(RecoveryTest, AFailureRightAfterAStartIsSurvived) {
  open();
  close();
  for (int round = 0; round < 3; ++round) {
    open();
    files_.fail_call(Call::kSync, 1, EIO, 3);  // And the first tries to go on fail as well.
    append(static_cast<std::uint64_t>(round) * 10 + 1, 10);
    ASSERT_TRUE(wait_until([&] { return recorder_->flush(kPatienceNs).ok(); }));
    crash();
  }
  open();
  EXPECT_EQ(numbers_of(read_all(recorder_->access())), sequence(1, 30));
}

TEST_P(RecoveryTest, AFullDiskFillsLanesAndHealsByItself) {
  options_.lane_bytes_max = 5000;
  open();
  append(1, 1);
  flush();
  files_.fail_call(Call::kWrite, 1, ENOSPC, 1'000'000);
  append(2, 1);
  ASSERT_TRUE(wait_until([&] { return lane_->has_failed(); }));
  std::atomic<int> wakes{0};
  auto waiting = recorder_->open_lane([&wakes] { wakes.fetch_add(1); });
  const auto ticket = waiting->append(record_of(900));
  waiting->want_durable(ticket);
  EXPECT_TRUE(wait_until([&] { return wakes.load() > 0; }));  // Hears of the failure.
  EXPECT_FALSE(waiting->is_durable(ticket));
  const auto status = recorder_->flush(kPatienceNs);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, HasSubstr("cannot be written"));
  std::uint64_t number = 3;
  while (!lane_->append(record_of(number, 100)).is_refused()) ++number;
  EXPECT_TRUE(recorder_->stats().has_failed);
  files_.clear_failures();
  ASSERT_TRUE(wait_until([&] { return recorder_->flush(kPatienceNs).ok(); }));
  const auto items = read_all(recorder_->access(), Fence::kDurable);
  auto numbers = numbers_of(items);
  std::erase(numbers, 900U);
  EXPECT_EQ(numbers, sequence(1, number - 1));
  const auto gap = std::find_if(items.begin(), items.end(),
                                [](const Item& item) { return item.type == RecordType::kGap; });
  ASSERT_NE(gap, items.end());
  EXPECT_EQ(gap_cause(*gap), "write_failed");
  EXPECT_TRUE(waiting->is_durable(ticket));
}

// For every n: the n-th change of the disk fails, then power is lost. What was acknowledged is read
// again, nothing comes twice, and verify finds nothing wrong.
TEST_P(RecoveryTest, SurvivesAFailureAtEveryCall) {
  options_.flush_interval_ns = 3600LL * 1'000'000'000;
  bool is_through = false;
  for (std::uint64_t nth = 1; !is_through; ++nth) {
    ASSERT_LT(nth, 500U);
    support::MemoryFileSystem disk;
    const auto work = [&](std::uint64_t first) {
      std::uint64_t acknowledged = 0;
      auto opened = Recorder::open(disk, clock_, options_);
      if (!opened.ok()) return acknowledged;
      auto lane = (*opened)->open_lane();
      for (std::uint64_t i = 0; i < 6; ++i) {
        const bool is_in = !lane->append(record_of(first + i, 20'000)).is_refused();
        bool is_flushed = false;
        for (int tries = 0; tries < 200 && !is_flushed; ++tries) {
          is_flushed = (*opened)->flush(kPatienceNs).ok();
        }
        if (!is_in || !is_flushed) break;
        acknowledged = i + 1;
      }
      disk.fail_any_change(1, EIO, 1'000'000);
      lane = nullptr;
      *opened = nullptr;
      disk.clear_failures();
      disk.drop_unsynced();
      return acknowledged;
    };
    disk.fail_any_change(nth, EIO);
    const std::uint64_t first_count = work(1);
    is_through = first_count == 6 && disk.changes() < nth;
    // The failure strikes the second start where it did not strike the first.
    if (disk.changes() < nth) disk.fail_any_change(nth - disk.changes(), EIO);
    const std::uint64_t second_count = work(101);
    is_through = is_through && disk.changes() < nth;
    disk.clear_failures();
    auto opened = Recorder::open(disk, clock_, options_);
    ASSERT_TRUE(opened.ok()) << nth << ": " << opened.error().message;
    const auto items = read_all((*opened)->access());
    const auto numbers = numbers_of(items);
    for (std::uint64_t i = 1; i <= first_count; ++i) {
      EXPECT_EQ(std::count(numbers.begin(), numbers.end(), i), 1)
          << nth << " " << i << " " << first_count << " " << second_count;
    }
    for (std::uint64_t i = 101; i < 101 + second_count; ++i) {
      EXPECT_EQ(std::count(numbers.begin(), numbers.end(), i), 1)
          << nth << " " << i << " " << first_count << " " << second_count;
    }
    expect_growing(items);
    EXPECT_EQ(count_holes(items), 0U) << nth;
    const auto report = verify_log(disk, kDirectory, {});
    ASSERT_TRUE(report.ok()) << nth;
    EXPECT_TRUE(report->problems.empty()) << nth << ": " << report->problems.front().what;
  }
}

TEST_P(RecoveryTest, VerifyCountsASoundLog) {
  open();
  append(1, 400);
  flush();
  close();
  std::uint64_t last = 0;
  VerifyOptions options;
  options.progress = [&last](std::uint64_t done, std::uint64_t total) {
    EXPECT_LE(done, total);
    last = done == total ? done : last;
  };
  const auto report = verify_log(files_, kDirectory, options);
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->problems.empty());
  EXPECT_EQ(report->bytes, last);
  EXPECT_GE(report->records, 401U);
  EXPECT_EQ(verify_log(files_, "/nowhere", {}).error().code, ErrorCode::kNotFound);
}

TEST_P(RecoveryTest, VerifyFindsEveryFlippedByte) {
  open();
  append(1, 3, 10);
  flush();
  append(4, 3, 10);
  flush();
  close();
  const std::string path = segment_files().front();
  const std::string bytes = files_.content(path);
  const auto sound = verify_log(files_, kDirectory, {});
  ASSERT_TRUE(sound.ok());
  for (std::size_t at = 0; at < bytes.size(); at += at < 100 || at > 4080 ? 1 : 97) {
    files_.flip_byte(path, at);
    const auto report = verify_log(files_, kDirectory, {});
    const bool is_found = !report.ok() || !report->problems.empty() ||
                          report->torn_tail_bytes > 0 || report->broken_footers > 0;
    const bool is_padding = at >= kSegmentHeaderBytes && bytes[at] == '\0' && report.ok() &&
                            report->records == sound->records;
    EXPECT_TRUE(is_found || is_padding) << at;
    files_.flip_byte(path, at);
  }
}

}  // namespace
}  // namespace banyan::recorder
