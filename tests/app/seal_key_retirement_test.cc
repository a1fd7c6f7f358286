// SPDX-License-Identifier: Apache-2.0
#include "app/seal_key_retirement.h"

#include <gtest/gtest.h>

#include "tests/recorder/log_fixture.h"

namespace banyan::app {
namespace {

// A log and its keys, opened anew as each start of Banyan does. What is sealed lies in a REQUEST.
class SealKeyRetirementTest : public recorder::LogTest {
 protected:
  SealKeyRetirementTest() { options_.retention_bytes = 200'000; }

  void start_banyan() {
    stop_banyan();
    open();
    auto ring = crypto::KeyRing::open(files_, "/data/keys", recorder_->epoch(), "");
    ASSERT_TRUE(ring.ok()) << ring.error().message;
    keys_ = *std::move(ring);
    retirement_ = std::make_unique<SealKeyRetirement>(*recorder_, *keys_);
  }
  void stop_banyan() {
    retirement_ = nullptr;
    keys_ = nullptr;
    close();
  }
  std::string record_secret(std::uint64_t number) {
    const std::string sealed = keys_->seal("Bearer 42", recorder::id_of(number).to_string());
    model::RequestRecord request;
    request.exchange = recorder::id_of(number);
    request.method = "GET";
    request.target = "/";
    request.sealed = sealed;
    model::append_record(*lane_, request);
    flush();
    return sealed;
  }
  Result<std::string> unseal(const std::string& sealed, std::uint64_t number) {
    return keys_->unseal(sealed, recorder::id_of(number).to_string());
  }
  bool has_key(std::uint64_t epoch) {
    return files_.exists("/data/keys/seal-0000000000000000000" + std::to_string(epoch));
  }
  // Until retention has taken every segment of older epochs.
  void fill_log() {
    for (std::uint64_t i = 0; i < 12; ++i) {
      append(1000 + i * 10, 10, 5000);
      flush();
    }
    flush();
    ASSERT_GT(recorder_->stats().segments_removed, 0U);
  }

  std::unique_ptr<crypto::KeyRing> keys_;
  std::unique_ptr<SealKeyRetirement> retirement_;
};

TEST_F(SealKeyRetirementTest, WhatRetentionTookOpensNoMoreAndWhatIsLeftDoes) {
  start_banyan();
  const std::string old = record_secret(1);
  start_banyan();
  const std::string newer = record_secret(2);
  retirement_->look();
  EXPECT_EQ(recorder_->oldest_epoch()->value, 1U);
  EXPECT_TRUE(unseal(old, 1).ok());  // Its segment is still there.

  fill_log();
  EXPECT_EQ(recorder_->oldest_epoch()->value, 2U);
  retirement_->look();
  EXPECT_FALSE(has_key(1));
  EXPECT_EQ(unseal(old, 1).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(unseal(newer, 2).ok());
  EXPECT_EQ(*unseal(newer, 2), "Bearer 42");

  start_banyan();  // Nothing brings it back.
  EXPECT_EQ(unseal(old, 1).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(unseal(newer, 2).ok());
}

TEST_F(SealKeyRetirementTest, TheThreadsFirstLookMakesGoodWhatACrashLeft) {
  start_banyan();
  const std::string old = record_secret(1);
  start_banyan();
  fill_log();
  start_banyan();
  EXPECT_TRUE(has_key(1));
  retirement_->start();
  EXPECT_TRUE(recorder::wait_until([&] { return !has_key(1); }));
  retirement_->stop();
  EXPECT_FALSE(unseal(old, 1).ok());
  EXPECT_TRUE(has_key(2));
}

TEST_F(SealKeyRetirementTest, TriesAgainAfterAFailure) {
  start_banyan();
  const std::string old = record_secret(1);
  start_banyan();
  fill_log();
  files_.fail_call(support::MemoryFileSystem::Call::kRemove, 1, EIO);
  retirement_->look();
  EXPECT_TRUE(has_key(1));
  EXPECT_FALSE(unseal(old, 1).ok());  // Overwritten, and forgotten in memory.
  retirement_->look();
  EXPECT_FALSE(has_key(1));
}

TEST_F(SealKeyRetirementTest, SubjectsKeysStayWhileAnImportIsAsOldAsTheirDay) {
  constexpr std::int64_t kDayNs = 24LL * 3600 * 1'000'000'000;
  auto imported = options_;
  imported.stream = "import";
  { ASSERT_TRUE(recorder::Recorder::open(files_, clock_, imported).ok()); }
  start_banyan();
  auto subjects =
      crypto::SubjectKeys::open(files_, clock_, "/data/keys/subjects", std::string(32, 's'));
  ASSERT_TRUE(subjects.ok()) << subjects.error().message;
  const std::string ada = (*subjects)->id_for("ada");
  ASSERT_TRUE((*subjects)->flush().ok());
  clock_.jump_wall_ns(10 * kDayNs);
  fill_log();
  SealKeyRetirement retirement(*recorder_, *keys_, subjects->get());
  retirement.look();
  EXPECT_FALSE((*subjects)->find(ada).key.empty());
  const auto paths = segment_files("import");
  ASSERT_EQ(paths.size(), 1U);
  ASSERT_TRUE(files_.remove(paths[0]).ok());
  retirement.look();
  EXPECT_TRUE((*subjects)->find(ada).key.empty());
}

// The key is all that a person who repairs the file would need.
TEST_F(SealKeyRetirementTest, KeepsKeysWhileAFileThatNobodyCanReadIsOlder) {
  start_banyan();
  const std::string old = record_secret(1);
  start_banyan();
  const std::string first = segment_files().front();
  stop_banyan();
  damage_header(first);
  start_banyan();
  const auto oldest = recorder_->oldest_epoch();
  ASSERT_FALSE(oldest.ok());
  EXPECT_EQ(oldest.error().code, ErrorCode::kDamaged);
  retirement_->look();
  EXPECT_TRUE(unseal(old, 1).ok());
  ASSERT_TRUE(files_.remove(first).ok());
  retirement_->look();
  EXPECT_FALSE(unseal(old, 1).ok());
}

}  // namespace
}  // namespace banyan::app
