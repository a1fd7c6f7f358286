// SPDX-License-Identifier: Apache-2.0
//
// Somebody sets the wall clock while the log is written; and a disk that hangs.
#include <gtest/gtest.h>

#include "tests/recorder/faults/fault_support.h"

namespace banyan::recorder {
namespace {

using support::MemoryFileSystem;
using Call = MemoryFileSystem::Call;

constexpr std::int64_t kHourNs = 3600LL * 1'000'000'000;

struct Stamped {
  Offset offset;
  std::int64_t append_wall_ns;
  std::uint64_t number;
};

std::vector<Stamped> stamps(model::LogAccess& log, const model::Cursor& from = {}) {
  std::vector<Stamped> all;
  auto source = log.open_source(from, model::Fence::kWritten);
  EXPECT_TRUE(source.ok());
  model::SourcedRecord record;
  while (*(*source)->next(record)) {
    all.push_back(
        {record.offset, record.append_wall_ns, record.exchange.low & 0xffff'ffff'ffffULL});
  }
  return all;
}

TEST(ClockJumps, NeverMakeAppendTimesFallNorASearchMissWhatCameLater) {
  MemoryFileSystem disk;
  ManualClock clock;
  auto opened = Recorder::open(disk, clock, fault_options());
  ASSERT_TRUE(opened.ok());
  Recorder& recorder = **opened;
  auto lane = recorder.open_lane();
  std::mt19937_64 random(fault_seed());
  std::vector<std::int64_t> asked;  // what the clock said when the i-th record was appended
  for (std::uint64_t i = 1; i <= 200; ++i) {
    const auto by = static_cast<std::int64_t>(random() % 1000) * 7'000'000'000 - 3500'000'000'000;
    if (i % 5 == 0) clock.jump_wall_ns(by);
    clock.advance_ns(1'000'000);
    asked.push_back(clock.wall_ns());
    ASSERT_FALSE(lane->append(record_of(i, 2000)).is_refused());
    ASSERT_TRUE(recorder.flush(kPatienceNs).ok());
  }
  const auto all = stamps(recorder.access());
  for (std::size_t i = 1; i < all.size(); ++i) {
    ASSERT_LE(all[i - 1].append_wall_ns, all[i].append_wall_ns) << "seed " << fault_seed();
  }
  const std::int64_t first = all.front().append_wall_ns;
  const std::int64_t span = all.back().append_wall_ns - first;
  for (int i = -2; i <= 52; ++i) {
    const std::int64_t wanted = first + span / 50 * i;
    const auto place = recorder.access().find_time(wanted);
    ASSERT_TRUE(place.ok());
    for (const Stamped& stamp : all) {
      if (stamp.append_wall_ns < wanted) continue;
      ASSERT_LE(place->next_of("main"), stamp.offset) << "seed " << fault_seed();
      break;
    }
  }
  // Not a segment per jump: what rolls by age does so once for a real day.
  EXPECT_LT(recorder.stats().segments, 20U);
}

TEST(ClockJumps, AJumpOfAYearAndBackMakesAFewSegmentsAndGoesOn) {
  MemoryFileSystem disk;
  ManualClock clock;
  RecorderOptions options = fault_options();
  options.retention_age_ns = 1000LL * 24 * kHourNs;  // Who expires by a wrong clock is gone.
  auto opened = Recorder::open(disk, clock, options);
  ASSERT_TRUE(opened.ok());
  auto lane = (*opened)->open_lane();
  const auto write = [&](std::uint64_t first) {
    for (std::uint64_t i = first; i < first + 20; ++i) {
      ASSERT_FALSE(lane->append(record_of(i)).is_refused());
      ASSERT_TRUE((*opened)->flush(kPatienceNs).ok());
    }
  };
  write(1);
  clock.jump_wall_ns(365 * 24 * kHourNs);
  write(21);
  clock.jump_wall_ns(-365 * 24 * kHourNs);
  write(41);
  EXPECT_LE((*opened)->stats().segments, 3U);
  std::vector<std::uint64_t> numbers = numbers_of(read_all((*opened)->access()));
  EXPECT_EQ(numbers, sequence(1, 60));
  // A later life with the clock set right: all is found by offset, and by time what is new.
  lane = nullptr;
  *opened = nullptr;
  clock.advance_ns(kHourNs);
  opened = Recorder::open(disk, clock, options);
  ASSERT_TRUE(opened.ok());
  lane = (*opened)->open_lane();
  write(61);
  EXPECT_EQ(numbers_of(read_all((*opened)->access())), sequence(1, 80));
  const auto place = (*opened)->access().find_time(clock.wall_ns());
  ASSERT_TRUE(place.ok());
  const auto found = numbers_of(read_all((*opened)->access(), model::Fence::kWritten, *place));
  for (std::uint64_t i = 61; i <= 80; ++i) {
    EXPECT_EQ(std::count(found.begin(), found.end(), i), 1) << i;
  }
}

// A disk that hangs in any call holds up the recorder thread alone: appends are taken up to the
// lane's bound and refused behind it, at once, and when the disk is back all of it is there.
class HangingDisk : public testing::TestWithParam<Call> {};

TEST_P(HangingDisk, HoldsUpNoAppendAndLosesNothingThatWasAccepted) {
  MemoryFileSystem disk;
  ManualClock clock;
  RecorderOptions options = fault_options();
  options.lane_bytes_max = 100'000;
  auto opened = Recorder::open(disk, clock, options);
  ASSERT_TRUE(opened.ok());
  Recorder& recorder = **opened;
  auto lane = recorder.open_lane();
  disk.hang(GetParam());
  std::vector<std::uint64_t> accepted;
  const auto append = [&](std::uint64_t number) {
    const auto ticket = lane->append(record_of(number, 9'000));
    if (ticket.is_refused()) return false;
    accepted.push_back(number);
    lane->want_durable(ticket);
    return true;
  };
  ASSERT_TRUE(append(1));
  // Enough for a roll, so that every kind of call is met.
  std::uint64_t number = 2;
  ASSERT_TRUE(wait_until([&] {
    while (number < 200 && append(number)) ++number;
    return disk.is_hanging();
  }));
  while (number < 400 && append(number)) ++number;
  EXPECT_LT(number, 400U) << "a bound is missing";
  EXPECT_TRUE(recorder.is_at_disk());
  EXPECT_EQ(recorder.flush(1'000'000).error().code, ErrorCode::kTimeout);
  EXPECT_GT(recorder.stats().records_refused, 0U);
  disk.release();
  ASSERT_TRUE(recorder.flush(kPatienceNs).ok());
  ASSERT_TRUE(recorder.flush(kPatienceNs).ok());
  const auto items = read_all(recorder.access());
  EXPECT_EQ(numbers_of(items), accepted);
  EXPECT_GE(count_type(items, model::RecordType::kGap), 1U);
}

INSTANTIATE_TEST_SUITE_P(Calls, HangingDisk,
                         testing::Values(Call::kWrite, Call::kSync, Call::kReserve,
                                         Call::kSyncDirectory));

}  // namespace
}  // namespace banyan::recorder
