// SPDX-License-Identifier: Apache-2.0
#include "core/crypto/subject_keys.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "core/base/clock.h"
#include "tests/support/memory_file_system.h"

namespace banyan::crypto {
namespace {

using Call = support::MemoryFileSystem::Call;

constexpr std::int64_t kDayNs = 24LL * 3600 * 1'000'000'000;
const std::string kDirectory = "/keys/subjects";
const std::string kFirstFile = kDirectory + "/keys-0000000001";

class SubjectKeysTest : public testing::Test {
 protected:
  SubjectKeysTest() { options_.retry = std::chrono::milliseconds(1); }
  void open() {
    keys_.reset();
    auto opened = SubjectKeys::open(files_, clock_, kDirectory, std::string(32, 's'), options_);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    keys_ = *std::move(opened);
  }
  template <typename Condition>
  bool wait_for(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }
  std::string durable_id(std::string_view subject) {
    const std::string id = keys_->id_for(subject);
    const std::uint64_t sequence = keys_->find(id).sequence;
    EXPECT_TRUE(wait_for([&] { return keys_->durable_sequence() >= sequence; }));
    return id;
  }
  bool opens(std::string_view id) { return !keys_->find(id).key.empty(); }

  support::MemoryFileSystem files_;
  ManualClock clock_;
  SubjectKeyOptions options_;
  std::unique_ptr<SubjectKeys> keys_;
};

TEST_F(SubjectKeysTest, FlushWaitsForTheDiskAndSaysWhereItTakesNothing) {
  options_.retry = std::chrono::hours(1);
  open();
  EXPECT_TRUE(keys_->flush().ok());
  const std::string ada = keys_->id_for("ada");
  EXPECT_TRUE(keys_->flush().ok());
  EXPECT_GE(keys_->durable_sequence(), keys_->find(ada).sequence);
  files_.fail_call(Call::kSync, 1, EIO);
  keys_->id_for("bob");
  const Status failed = keys_->flush();
  ASSERT_FALSE(failed.ok());
  EXPECT_NE(failed.error().message.find("keys of subjects cannot be written"), std::string::npos);
  EXPECT_FALSE(keys_->flush().ok());  // Also for who comes behind the write that failed.
}

TEST_F(SubjectKeysTest, ASubjectKeepsItsKeyForADayAndOverRestarts) {
  open();
  const std::string ada = durable_id("ada");
  EXPECT_EQ(keys_->id_for("ada"), ada);
  EXPECT_NE(keys_->id_for("bob"), ada);
  const std::string key = keys_->find(ada).key;
  EXPECT_EQ(key.size(), 32U);
  open();
  EXPECT_EQ(keys_->id_for("ada"), ada);
  EXPECT_EQ(keys_->find(ada).key, key);
  clock_.advance_ns(kDayNs);
  const std::string next = keys_->id_for("ada");
  EXPECT_NE(next, ada);
  EXPECT_EQ(keys_->ids_of("ada").size(), 2U);
  EXPECT_EQ(keys_->find(ada).key, key);
}

TEST_F(SubjectKeysTest, NothingOnTheDiskIsAKeyOrNamesASubject) {
  open();
  const std::string id = durable_id("ada-planted");
  const std::string key = keys_->find(id).key;
  const std::string content = files_.content(kFirstFile);
  EXPECT_EQ(content.find(key), std::string::npos);
  EXPECT_EQ(content.find("planted"), std::string::npos);
  EXPECT_NE(content.find(id), std::string::npos);
}

TEST_F(SubjectKeysTest, ErasingDestroysTheKeysOfOneSubjectForGood) {
  open();
  const std::string ada = durable_id("ada");
  const std::string bob = durable_id("bob");
  ASSERT_TRUE(keys_->doom(keys_->ids_of("ada"), "me").ok());
  EXPECT_FALSE(opens(ada));
  EXPECT_FALSE(keys_->find(ada, true).key.empty());
  ASSERT_TRUE(keys_->destroy_doomed().ok());
  EXPECT_TRUE(keys_->find(ada, true).key.empty());
  EXPECT_TRUE(opens(bob));
  EXPECT_EQ(files_.synced_content(kFirstFile).find(ada), std::string::npos);
  EXPECT_EQ(keys_->stats().destroyed, 1U);
  EXPECT_NE(keys_->id_for("ada"), ada);  // She may come back.
  open();
  EXPECT_FALSE(opens(ada));
  EXPECT_TRUE(opens(bob));
  EXPECT_TRUE(keys_->doomed().empty());
  EXPECT_TRUE(keys_->doom({}, "me").ok());  // Of nobody: nothing to say.
}

TEST_F(SubjectKeysTest, ACutAtAnyWriteOfAnErasureLeavesItToBeFinished) {
  for (std::uint64_t nth = 1;; ++nth) {
    support::MemoryFileSystem files;
    auto opened = SubjectKeys::open(files, clock_, kDirectory, std::string(32, 's'), options_);
    ASSERT_TRUE(opened.ok());
    const std::string ada = (*opened)->id_for("ada");
    ASSERT_TRUE(wait_for([&] { return (*opened)->durable_sequence() >= 1; }));
    files.fail_any_change(nth, EIO, 1000);
    const bool has_begun = (*opened)->doom({ada}, "me").ok();
    const bool has_ended = has_begun && (*opened)->destroy_doomed().ok();
    opened->reset();
    files.drop_unsynced();
    files.clear_failures();
    auto again = SubjectKeys::open(files, clock_, kDirectory, std::string(32, 's'), options_);
    ASSERT_TRUE(again.ok());
    if (has_begun) {
      EXPECT_TRUE((*again)->find(ada).key.empty()) << nth;
    }
    ASSERT_TRUE((*again)->doom((*again)->ids_of("ada"), "me").ok());
    ASSERT_TRUE((*again)->destroy_doomed().ok());
    EXPECT_TRUE((*again)->find(ada, true).key.empty());
    EXPECT_EQ(files.synced_content(kFirstFile).find(ada), std::string::npos) << nth;
    // Also where the crash had left nothing to destroy.
    const std::string list = files.synced_content(kDirectory + "/erased");
    EXPECT_LT(list.rfind("erase "), list.rfind("ended ")) << nth << "\n" << list;
    if (has_ended) return;
    ASSERT_LT(nth, 50U);
  }
}

TEST_F(SubjectKeysTest, AKeyThatABackupBringsBackIsDoomed) {
  open();
  const std::string ada = durable_id("ada");
  const auto backup = files_.content(kFirstFile);
  ASSERT_TRUE(keys_->doom({ada}, "me").ok());
  ASSERT_TRUE(keys_->destroy_doomed().ok());
  keys_.reset();
  auto image = files_.image();
  image.files[kFirstFile] = backup;
  files_.load(image);
  open();
  EXPECT_FALSE(opens(ada));
  EXPECT_EQ(keys_->doomed(), std::vector<std::string>{ada});
}

TEST_F(SubjectKeysTest, WhileKeysCannotBeWrittenNewSubjectsHaveNone) {
  open();
  const std::string ada = durable_id("ada");
  files_.fail_call(Call::kSync, 1, EIO, 1'000'000);
  const std::string bob = keys_->id_for("bob");
  ASSERT_TRUE(wait_for([&] { return keys_->has_failed(); }));
  EXPECT_EQ(keys_->id_for("cid"), SubjectKeys::no_key());
  EXPECT_EQ(keys_->id_for("ada"), ada);
  EXPECT_LT(keys_->durable_sequence(), keys_->find(bob).sequence);
  EXPECT_EQ(keys_->stats().left_out, 1U);
  EXPECT_GE(keys_->stats().write_failures, 1U);
  EXPECT_FALSE(keys_->stats().failure.empty());
  files_.clear_failures();
  ASSERT_TRUE(wait_for([&] { return keys_->durable_sequence() >= 2; }));
  EXPECT_FALSE(keys_->has_failed());
  EXPECT_EQ(files_.touches_of_failed_files(), 0U);
  open();
  EXPECT_TRUE(opens(bob));
}

TEST_F(SubjectKeysTest, BoundsAreKept) {
  options_.keys_max = 2;
  open();
  durable_id("a");
  durable_id("b");
  EXPECT_EQ(keys_->id_for("c"), SubjectKeys::no_key());
  EXPECT_EQ(keys_->stats().left_out, 1U);
  EXPECT_EQ(keys_->stats().keys, 2U);
  options_ = SubjectKeyOptions();
  options_.unwritten_max = 1;
  open();
  files_.hang(Call::kWrite);
  EXPECT_NE(keys_->id_for("d"), SubjectKeys::no_key());
  EXPECT_EQ(keys_->id_for("e"), SubjectKeys::no_key());
  files_.release();
}

TEST_F(SubjectKeysTest, KeysThatNoRecordCanNeedArePruned) {
  open();
  const std::string old = durable_id("ada");
  clock_.advance_ns(3 * kDayNs);
  const std::string present = durable_id("ada");
  ASSERT_TRUE(keys_->prune(clock_.wall_ns() - kDayNs - 1).ok());
  EXPECT_TRUE(opens(old));
  ASSERT_TRUE(keys_->prune(clock_.wall_ns()).ok());
  EXPECT_FALSE(opens(old));
  EXPECT_TRUE(opens(present));
  EXPECT_EQ(keys_->stats().pruned, 1U);
  EXPECT_EQ(files_.synced_content(kFirstFile).find(old), std::string::npos);
}

TEST_F(SubjectKeysTest, AReaderSeesKeysThatCameLater) {
  open();
  const std::string ada = durable_id("ada");
  auto reader = SubjectKeys::open_read_only(files_, clock_, kDirectory, std::string(32, 's'));
  ASSERT_TRUE(reader.ok());
  EXPECT_FALSE((*reader)->find(ada).key.empty());
  const std::string bob = durable_id("bob");
  EXPECT_TRUE((*reader)->find(bob).key.empty());  // It has looked a moment ago.
  clock_.advance_ns(1'000'000'000);
  EXPECT_FALSE((*reader)->find(bob).key.empty());
  EXPECT_EQ((*reader)->id_for("cid"), SubjectKeys::no_key());  // It makes none.
}

TEST_F(SubjectKeysTest, DamagedAndForeignEntriesArePassedOver) {
  open();
  const std::string ada = durable_id("ada");
  const std::string bob = durable_id("bob");
  keys_.reset();
  files_.flip_byte(kFirstFile, 70);
  open();
  EXPECT_FALSE(opens(ada));
  EXPECT_TRUE(opens(bob));
  auto foreign = SubjectKeys::open(files_, clock_, kDirectory, std::string(32, 'x'), options_);
  ASSERT_TRUE(foreign.ok());
  EXPECT_TRUE((*foreign)->find(bob).key.empty());
}

}  // namespace
}  // namespace banyan::crypto
