// SPDX-License-Identifier: Apache-2.0
//
// Damage of every kind is repaired: every valid record is still there under its offset, what is
// gone is named, the damaged file is kept, and verify has nothing to say any more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recorder/format.h"
#include "recorder/meta.h"
#include "recorder/repair.h"
#include "tests/recorder/faults/fault_support.h"
#include "tests/support/crash_disk.h"

namespace banyan::recorder {
namespace {

using support::CrashDisk;
using support::DiskImage;
using support::Loss;
using support::MemoryFileSystem;
using testing::HasSubstr;

constexpr const char* kStream = "/data/log/main";

// In the clear, and encrypted and chained.
class RepairTest : public testing::TestWithParam<bool> {
 protected:
  Result<RepairReport> repair(FileSystem& disk, bool is_dry_run) const {
    return repair_log(disk, kLog, options_.keys, is_dry_run);
  }
  Result<VerifyReport> verify(MemoryFileSystem& disk) const {
    VerifyOptions options;
    options.keys = options_.keys;
    return verify_log(disk, kLog, options);
  }

  // Three segments or more, stopped in order.
  RepairTest() {
    MemoryFileSystem disk;
    ManualClock clock;
    auto opened = Recorder::open(disk, clock, options_);
    EXPECT_TRUE(opened.ok());
    auto lane = (*opened)->open_lane();
    for (std::uint64_t i = 1; i <= 24; ++i) {
      clock.advance_ns(1'000'000);
      EXPECT_FALSE(lane->append(record_of(i, 9'000)).is_refused());
      EXPECT_TRUE((*opened)->flush(kPatienceNs).ok());
    }
    model::Cursor cursor;
    cursor.set("main", Offset{3});
    EXPECT_TRUE((*opened)->access().commit_cursor("mirror", cursor, true).ok());
    lane = nullptr;
    *opened = nullptr;
    image_ = disk.image();
    auto log = open_log(disk, kLog, options_.keys);
    EXPECT_TRUE(log.ok());
    for (Item& item : read_all(**log)) records_[item.offset] = std::move(item.encoded);
    for (const auto& [path, content] : image_.files) {
      if (path.ends_with(".seg")) segments_.push_back(path);
    }
    EXPECT_GE(segments_.size(), 3U);
  }

  std::vector<Item> read(MemoryFileSystem& disk) const {
    auto log = open_log(disk, kLog, options_.keys);
    EXPECT_TRUE(log.ok());
    return log.ok() ? read_all(**log) : std::vector<Item>();
  }

  // What can be read of a damaged image must be there behind the repair, and nothing else.
  void expect_repaired(const DiskImage& damaged) {
    MemoryFileSystem disk;
    disk.load(damaged);
    std::map<Offset, std::string> readable;
    bool loses_something = false;
    for (Item& item : read(disk)) {
      if (item.kind == model::SourcedRecord::Kind::kRecord) {
        readable[item.offset] = std::move(item.encoded);
      } else {
        loses_something = true;
      }
    }
    const auto planned = repair(disk, true);
    ASSERT_TRUE(planned.ok()) << planned.error().message;
    EXPECT_EQ(disk.image().files, damaged.files) << "a dry run changed something";
    const auto done = repair(disk, false);
    ASSERT_TRUE(done.ok()) << done.error().message;
    EXPECT_EQ(planned->records_lost, done->records_lost);
    // A byte of padding or of a footer may be hit, which costs no record.
    if (!done->has_found()) {
      EXPECT_EQ(readable, records_);
    }
    if (loses_something) {
      EXPECT_TRUE(!done->holes.empty() || !done->replaced.empty());
    }
    for (const auto& replaced : done->replaced) {
      EXPECT_EQ(disk.content(replaced.kept_as), damaged.files.at(replaced.file));
    }
    expect_sound(disk, readable, *done);
    disk.drop_unsynced();  // All of it is durable.
    expect_sound(disk, readable, *done);
    const auto again = repair(disk, false);
    ASSERT_TRUE(again.ok());
    EXPECT_FALSE(again->has_found());
    expect_goes_on(disk, readable);
  }

  void expect_sound(MemoryFileSystem& disk, const std::map<Offset, std::string>& readable,
                    const RepairReport& report) {
    const auto verified = verify(disk);
    ASSERT_TRUE(verified.ok());
    ASSERT_TRUE(verified->problems.empty()) << verified->problems.front().what;
    std::map<Offset, Item> items;
    std::uint64_t lost = 0;
    for (Item& item : read(disk)) {
      EXPECT_EQ(item.kind, model::SourcedRecord::Kind::kRecord) << item.offset.value;
      if (item.type == model::RecordType::kGap) {
        const auto record = model::decode(item.encoded);
        ASSERT_TRUE(record.ok());
        const auto& gap = std::get<model::GapRecord>(*record);
        EXPECT_EQ(gap.cause, "damaged");
        EXPECT_LE(gap.first.wall_ns, gap.last.wall_ns);
        lost += gap.records_lost;
      } else {
        EXPECT_EQ(item.encoded, records_.at(item.offset)) << item.offset.value;
      }
      items[item.offset] = std::move(item);
    }
    EXPECT_EQ(lost, report.records_lost);
    for (const auto& [offset, encoded] : readable) {
      ASSERT_TRUE(items.contains(offset)) << offset.value;
      EXPECT_EQ(items.at(offset).encoded, encoded);
    }
  }

  // A server takes the log as it is.
  void expect_goes_on(MemoryFileSystem& disk, const std::map<Offset, std::string>& readable) {
    Promises promises;
    for (const auto& [offset, encoded] : readable) promises.seen.push_back({0, offset, encoded});
    EXPECT_EQ(broken_promise(disk, promises, 0, options_), "");
  }

  // One blow behind the header of one segment.
  void damage(DiskImage& image, std::mt19937_64& random) const {
    std::string& content = image.files.at(segments_[random() % segments_.size()]);
    if (content.size() < kSegmentHeaderBytes + 1000) return;
    const std::size_t room = content.size() - kSegmentHeaderBytes;
    const std::size_t at = kSegmentHeaderBytes + random() % room;
    const std::size_t size = std::min<std::size_t>(random() % 12'000 / 8 * 8, content.size() - at);
    const std::string& other = image_.files.at(segments_[random() % segments_.size()]);
    switch (random() % 6) {
      case 0: content[at] = static_cast<char>(content[at] ^ (1 << random() % 8)); return;
      case 1: content.replace(at, size, size, '\0'); return;
      case 2: content.insert(at / 8 * 8, std::string(size, '\x33')); return;
      case 3: content.resize(at); return;
      case 4:  // Blocks of another segment, or of another place in this one.
        content.replace(at / 4096 * 4096, 4096, other.substr(other.size() / 2 / 4096 * 4096, 4096));
        return;
      default: content.erase(at, size); return;
    }
  }

  // By a repair that writes one segment anew.
  void expect_all_back(const DiskImage& image) {
    MemoryFileSystem disk;
    disk.load(image);
    const auto report = repair(disk, false);
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(report->records_lost, 0U);
    ASSERT_EQ(report->replaced.size(), 1U);
    expect_sound(disk, records_, *report);
    expect_goes_on(disk, records_);
  }

  DiskImage flipped(const std::string& path, std::size_t at) const {
    DiskImage image = image_;
    image.files.at(path)[at] ^= 0x21;
    return image;
  }

  const RecorderOptions options_ = GetParam() ? secret_options() : fault_options();
  DiskImage image_;
  std::map<Offset, std::string> records_;
  std::vector<std::string> segments_;
};

TEST_P(RepairTest, LeavesASoundLogAlone) {
  MemoryFileSystem disk;
  disk.load(image_);
  const auto report = repair(disk, false);
  ASSERT_TRUE(report.ok());
  EXPECT_FALSE(report->has_found());
  EXPECT_TRUE(report->left.empty());
  EXPECT_EQ(disk.image().files, image_.files);
  EXPECT_EQ(repair_log(disk, "/nowhere", LogKeys::none(), true).error().code, ErrorCode::kNotFound);
}

TEST_P(RepairTest, RotAtAnyPlaceOfAnySegmentBecomesAGap) {
  for (const std::string& path : segments_) {
    const std::size_t size = image_.files.at(path).size();
    for (std::size_t at = kSegmentHeaderBytes + 40; at < size; at += 3001) {
      SCOPED_TRACE(path + ", byte " + std::to_string(at));
      expect_repaired(flipped(path, at));
      if (HasFailure()) return;
    }
  }
}

TEST_P(RepairTest, SeveralHolesOfOneSegmentAreKeptApart) {
  DiskImage image = image_;
  std::string& content = image.files.at(segments_[1]);
  for (std::size_t at = kSegmentHeaderBytes + 200; at < content.size(); at += 20'000) {
    content[at] ^= 0x11;
  }
  expect_repaired(image);
}

TEST_P(RepairTest, AJunkBlockAndACutSegmentBecomeGaps) {
  DiskImage image = image_;
  image.files.at(segments_[0]).replace(kSegmentHeaderBytes + 9'000, 20'000, 20'000, '\xee');
  image.files.at(segments_[1]).resize(kSegmentHeaderBytes + 30'000);
  expect_repaired(image);
}

TEST_P(RepairTest, TheEndOfTheLogThatIsMissingIsNamed) {
  DiskImage image = image_;
  image.files.at(segments_.back()).resize(kSegmentHeaderBytes);
  expect_repaired(image);
}

TEST_P(RepairTest, ASegmentThatIsGoneIsNamed) {
  DiskImage image = image_;
  image.files.erase(segments_[1]);
  expect_repaired(image);
}

// Damage as it comes: several kinds of it, anywhere, more than once.
TEST_P(RepairTest, AnyMixOfDamageIsRepaired) {
  std::mt19937_64 random(fault_seed());
  const std::uint64_t trials = from_environment("BANYAN_REPAIR_TRIALS", 60);
  std::printf("seed %llu, %llu damaged logs\n", static_cast<unsigned long long>(fault_seed()),
              static_cast<unsigned long long>(trials));
  for (std::uint64_t trial = 0; trial < trials; ++trial) {
    SCOPED_TRACE("trial " + std::to_string(trial) + ", seed " + std::to_string(fault_seed()));
    DiskImage image = image_;
    for (std::uint64_t blow = random() % 4 + 1; blow > 0; --blow) damage(image, random);
    if (image.files == image_.files) continue;
    expect_repaired(image);
    if (HasFailure()) return;
  }
}

// Whatever byte of it but its version: all records are read as before, and with them its key.
TEST_P(RepairTest, AHeaderThatIsDamagedInOnePlaceCostsNothing) {
  for (const std::string& path : segments_) {
    for (const std::size_t at : {0U, 40U, 100U, 1000U, 2100U, 4090U}) {
      SCOPED_TRACE(path + " at " + std::to_string(at));
      expect_all_back(flipped(path, at));
    }
  }
}

// Readers do not believe such a segment; its batches still say whose they are.
TEST_P(RepairTest, ASegmentWithALostHeaderGivesAllItsRecordsBack) {
  for (const std::string& path : segments_) {
    SCOPED_TRACE(path);
    DiskImage image = flipped(path, 40);
    image.files.at(path)[2048 + 40] ^= 0x21;
    if (GetParam()) {  // The key was in the header; what is gone is named.
      expect_repaired(image);
    } else {
      expect_all_back(image);
    }
  }
}

TEST_P(RepairTest, ASegmentOfWhichNothingIsLeftIsNamed) {
  DiskImage image = image_;
  image.files.at(segments_[1]) = std::string(30'000, '\x7f');
  expect_repaired(image);
}

TEST_P(RepairTest, IsRefusedBesideAServer) {
  MemoryFileSystem disk;
  disk.load(flipped(segments_[0], kSegmentHeaderBytes + 300));
  ManualClock clock;
  auto opened = Recorder::open(disk, clock, options_);
  ASSERT_TRUE(opened.ok());
  for (const bool is_dry_run : {true, false}) {
    const auto report = repair(disk, is_dry_run);
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code, ErrorCode::kAlreadyExists);
    EXPECT_THAT(report.error().message, HasSubstr("stop it first"));
  }
}

// The newest segment of a killed server is for its next start; what lies before it is repaired.
TEST_P(RepairTest, LeavesATornTailToTheNextStart) {
  MemoryFileSystem disk;
  disk.load(image_);
  auto meta = load_stream_meta(disk, kStream);
  ASSERT_TRUE(meta.ok());
  meta->is_clean = false;
  ASSERT_TRUE(store_stream_meta(disk, kStream, *meta).ok());
  disk.flip_byte(segments_[0], kSegmentHeaderBytes + 300);
  disk.flip_byte(segments_.back(), disk.content(segments_.back()).size() - 100);
  const std::string newest = disk.content(segments_.back());
  const auto report = repair(disk, false);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->replaced.size(), 1U);
  EXPECT_EQ(disk.content(segments_.back()), newest);
}

TEST_P(RepairTest, SaysWhatItDoesNotMend) {
  MemoryFileSystem disk;
  disk.load(image_);
  disk.flip_byte(std::string(kLog) + "/cursors/mirror", 20);
  disk.flip_byte(std::string(kStream) + "/meta", 30);
  const auto report = repair(disk, false);
  ASSERT_TRUE(report.ok());
  ASSERT_EQ(report->left.size(), 2U);
  EXPECT_THAT(report->left[0], HasSubstr("/meta"));
  EXPECT_THAT(report->left[1], HasSubstr("/cursors/mirror"));
}

// A repair that ends at any operation, by a power cut or a failing disk, leaves what was readable
// readable, and the next one completes it.
TEST_P(RepairTest, EveryCrashImageOfARepairIsRepairedInTheEnd) {
  DiskImage damaged = image_;
  for (const std::size_t at : {9'000U, 30'000U}) damaged.files.at(segments_[1])[at] ^= 0x11;
  std::map<Offset, std::string> readable;
  {
    MemoryFileSystem disk;
    disk.load(damaged);
    for (Item& item : read(disk)) {
      if (item.kind == model::SourcedRecord::Kind::kRecord) {
        readable[item.offset] = std::move(item.encoded);
      }
    }
  }
  CrashDisk disk(damaged);
  ASSERT_TRUE(repair(disk, false).ok());
  std::mt19937_64 random(fault_seed());
  for (std::size_t count = 0; count <= disk.operations(); ++count) {
    for (const Loss loss : support::kLosses) {
      SCOPED_TRACE("behind " + disk.describe(count) + ", " + to_string(loss) + ", seed " +
                   std::to_string(fault_seed()));
      MemoryFileSystem after;
      after.load(disk.image_after(count, loss, random));
      std::map<Offset, std::string> now;
      for (Item& item : read(after)) now[item.offset] = std::move(item.encoded);
      for (const auto& [offset, encoded] : readable) ASSERT_EQ(now[offset], encoded);
      ASSERT_TRUE(repair(after, false).ok());
      const auto verified = verify(after);
      ASSERT_TRUE(verified.ok());
      ASSERT_TRUE(verified->problems.empty()) << verified->problems.front().what;
      now.clear();
      for (Item& item : read(after)) now[item.offset] = std::move(item.encoded);
      for (const auto& [offset, encoded] : readable) ASSERT_EQ(now[offset], encoded);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Secrets, RepairTest, testing::Bool(), [](const auto& row) {
  return row.param ? "EncryptedAndChained" : "Clear";
});

}  // namespace
}  // namespace banyan::recorder
