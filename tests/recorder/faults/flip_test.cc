// SPDX-License-Identifier: Apache-2.0
//
// A small log whose every byte rots once, and whose every file is cut at every byte. Whoever reads
// then gets no wrong record, and no durable record is missing without a word: it lies in a hole, or
// verify, the start or the reader says that something is wrong.
// Of long runs of zeros every 16th byte is taken; BANYAN_FLIP_ALL=1 takes them all, twice.
#include <gtest/gtest.h>

#include <optional>

#include "tests/recorder/faults/fault_support.h"

namespace banyan::recorder {
namespace {

using support::DiskImage;
using support::MemoryFileSystem;

constexpr std::int64_t kDayNs = 24LL * 3600 * 1'000'000'000;

// A log of two segments and a consumer, stopped in order or not.
DiskImage make_log(bool stops_in_order) {
  MemoryFileSystem disk;
  ManualClock clock;
  auto opened = Recorder::open(disk, clock, fault_options());
  EXPECT_TRUE(opened.ok());
  Recorder& recorder = **opened;
  auto lane = recorder.open_lane();
  for (std::uint64_t i = 1; i <= 6; ++i) {
    if (i == 4) clock.advance_ns(kDayNs + 1);  // Segments are at most a day long.
    EXPECT_FALSE(lane->append(record_of(i, 20)).is_refused());
    EXPECT_TRUE(recorder.flush(kPatienceNs).ok());
  }
  model::Cursor cursor;
  cursor.set("main", Offset{3});
  EXPECT_TRUE(recorder.access().commit_cursor("mirror", cursor, true).ok());
  EXPECT_TRUE(recorder.flush(kPatienceNs).ok());
  DiskImage image = disk.image();
  lane = nullptr;
  *opened = nullptr;
  if (stops_in_order) image = disk.image();
  return image;
}

class FlipTest : public testing::TestWithParam<bool> {
 protected:
  FlipTest() : image_(make_log(GetParam())) {
    MemoryFileSystem disk;
    disk.load(image_);
    auto log = open_log(disk, kLog);
    EXPECT_TRUE(log.ok());
    for (Item& item : read_all(**log)) {
      last_ = item.offset;
      records_[item.offset] = std::move(item.encoded);
    }
    EXPECT_GE(records_.size(), 8U);
    EXPECT_EQ((*log)->load_cursor("mirror")->to_string(), "main:3");
  }

  // Reads on until the end or an error; unlike read_all() an error is an answer here.
  struct Reading {
    std::string wrong;  // a record that was never written
    std::vector<Offset> missing;
    std::string error;
  };
  Reading read(model::LogAccess& log, std::optional<Offset> unknown_from) const {
    Reading reading;
    std::map<Offset, bool> is_told;
    auto source = log.open_source({}, model::Fence::kWritten);
    if (!source.ok()) {
      reading.error = source.error().message;
      return reading;
    }
    model::SourcedRecord record;
    while (true) {
      const auto more = (*source)->next(record);
      if (!more.ok()) reading.error = more.error().message;
      if (!more.ok() || !*more) break;
      if (record.kind == model::SourcedRecord::Kind::kHole) {
        for (Offset at = record.offset; at < record.hole_end && at <= last_; at = at.next()) {
          is_told[at] = true;
        }
        continue;
      }
      is_told[record.offset] = true;
      const auto known = records_.find(record.offset);
      const bool is_right = known != records_.end() && known->second == record.encoded;
      // What a recovery adds lies behind what was there.
      if (!is_right && record.offset <= last_) {
        reading.wrong = "offset " + std::to_string(record.offset.value);
      }
    }
    for (const auto& [offset, encoded] : records_) {
      if (unknown_from && offset >= *unknown_from) break;
      if (!is_told.contains(offset)) reading.missing.push_back(offset);
    }
    return reading;
  }

  // "" where nothing is wrong and nothing is missing in silence. Where the end of a log that was
  // not stopped in order is cut off, nobody can know what was there: what lies at or behind
  // `unknown_from` may be missing.
  std::string judge(const DiskImage& image, std::optional<Offset> unknown_from = {}) const {
    MemoryFileSystem disk;
    disk.load(image);
    const auto verified = verify_log(disk, kLog, {});
    const bool is_reported =
        !verified.ok() || !verified->problems.empty() || verified->torn_tail_bytes > 0;
    if (auto log = open_log(disk, kLog); log.ok()) {
      const Reading reading = read(**log, unknown_from);
      if (!reading.wrong.empty()) return "offline, a wrong record at " + reading.wrong;
      if (!reading.missing.empty() && reading.error.empty() && !is_reported) {
        return "offline, a record is missing in silence: offset " +
               std::to_string(reading.missing.front().value);
      }
      const auto cursor = (*log)->load_cursor("mirror");
      const bool is_cursor_gone = disk.exists(std::string(kLog) + "/cursors/mirror") == false;
      if (cursor.ok() && !is_cursor_gone && cursor->to_string() != "main:3") {
        return "a consumer's place is wrong: " + cursor->to_string();
      }
    }
    ManualClock clock(1'700'000'000'000'000'000 + 2 * kDayNs);
    auto opened = Recorder::open(disk, clock, fault_options());
    if (!opened.ok()) return "";  // It says so, and nothing was changed.
    const Reading reading = read((*opened)->access(), unknown_from);
    if (!reading.wrong.empty()) return "recovered, a wrong record at " + reading.wrong;
    if (!reading.error.empty()) return "recovered, reading ends with " + reading.error;
    const auto& report = (*opened)->recovery();
    const bool is_told = report.torn_tail_bytes > 0 || report.damaged_ranges > 0;
    if (!reading.missing.empty() && !is_told) {
      return "recovered, a record is missing in silence: offset " +
             std::to_string(reading.missing.front().value);
    }
    return "";
  }

  // Sorted by name, segments are by offset.
  std::string newest_segment() const {
    std::string newest;
    for (const auto& [path, content] : image_.files) {
      if (path.ends_with(".seg")) newest = path;
    }
    return newest;
  }

  const DiskImage image_;
  const Offset newest_base_{4};  // CHECKPOINT and three records stand before it.
  std::map<Offset, std::string> records_;
  Offset last_;
};

// Inside a long run of zeros.
bool is_dull(const std::string& content, std::size_t at) {
  if (at % 16 == 0 || at < 64 || at + 64 >= content.size()) return false;
  for (std::size_t i = at - 48; i < at + 48; ++i) {
    if (content[i] != '\0') return false;
  }
  return true;
}

TEST_P(FlipTest, EveryFlippedByteIsDetectedOrHarmless) {
  const bool takes_all = from_environment("BANYAN_FLIP_ALL", 0) != 0;
  std::uint64_t count = 0;
  for (const auto& [path, content] : image_.files) {
    for (std::size_t at = 0; at < content.size(); ++at) {
      if (!takes_all && is_dull(content, at)) continue;
      for (const int mask : {1 << (at % 8), 0xff}) {
        if (mask == 0xff && !takes_all) continue;
        DiskImage image = image_;
        image.files[path][at] = static_cast<char>(content[at] ^ mask);
        ++count;
        ASSERT_EQ(judge(image), "") << path << ", byte " << at << ", mask " << mask;
      }
    }
  }
  std::printf("%llu flips in %zu files\n", static_cast<unsigned long long>(count),
              image_.files.size());
}

TEST_P(FlipTest, ACutAtEveryByteIsRecovered) {
  const bool takes_all = from_environment("BANYAN_FLIP_ALL", 0) != 0;
  std::uint64_t count = 0;
  const std::string newest = newest_segment();
  for (const auto& [path, content] : image_.files) {
    std::optional<Offset> unknown;
    if (!GetParam() && path == newest) unknown = newest_base_;
    for (std::size_t size = 0; size < content.size(); ++size) {
      if (!takes_all && is_dull(content, size)) continue;
      DiskImage image = image_;
      image.files[path].resize(size);
      ++count;
      ASSERT_EQ(judge(image, unknown), "") << path << ", cut to " << size << " bytes";
    }
    DiskImage image = image_;
    image.files.erase(path);
    ASSERT_EQ(judge(image, unknown), "") << path << " is gone";
  }
  std::printf("%llu cuts in %zu files\n", static_cast<unsigned long long>(count),
              image_.files.size());
}

INSTANTIATE_TEST_SUITE_P(Stops, FlipTest, testing::Bool(),
                         [](const auto& row) { return row.param ? "StoppedInOrder" : "Killed"; });

}  // namespace
}  // namespace banyan::recorder
