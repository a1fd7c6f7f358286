// SPDX-License-Identifier: Apache-2.0
//
// Encryption at rest and the audit chain, end to end on a disk in memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "recorder/log_keys.h"
#include "recorder/segment_reader.h"
#include "tests/recorder/log_fixture.h"

namespace banyan::recorder {
namespace {

using model::Fence;
using testing::HasSubstr;
using testing::Not;

std::shared_ptr<const LogKeys> keys_of(const std::vector<std::string>& secrets) {
  auto keys = LogKeys::create(secrets);
  EXPECT_TRUE(keys.ok());
  return *keys;
}

const std::string kFirst = "first secret of the log";
const std::string kSecond = "second secret of the log";

TEST(LogKeysTest, RefuseShortSecrets) {
  const auto keys = LogKeys::create({"too short"});
  ASSERT_FALSE(keys.ok());
  EXPECT_THAT(keys.error().message, HasSubstr("at least 16 bytes"));
}

TEST(LogKeysTest, ADataKeyOpensOnlyUnderItsKeyAndItsLog) {
  SegmentHeader header;
  header.uuid = std::string(16, 'u');
  const auto keys = keys_of({kFirst});
  const auto key = keys->make_data_key(header);
  const auto opened = keys_of({kSecond, kFirst})->unwrap(header, "p");
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ((*opened)->bytes(), key->bytes());
  const auto missing = keys_of({kSecond})->unwrap(header, "p");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kPermissionDenied);
  SegmentHeader other = header;
  other.uuid = std::string(16, 'v');
  EXPECT_EQ(keys->unwrap(other, "p").error().code, ErrorCode::kDamaged);
  BatchHeader batch;
  batch.base = Offset{7};
  std::string stored;
  key->encrypt(batch, header.uuid, "plain", stored);
  EXPECT_EQ(*key->decrypt(batch, header.uuid, stored), "plain");
  batch.base = Offset{8};  // Moved elsewhere in the log.
  EXPECT_FALSE(key->decrypt(batch, header.uuid, stored).ok());
}

using Compression = RecorderOptions::Compression;
class SecretLogTest : public LogTest, public testing::WithParamInterface<Compression> {
 protected:
  SecretLogTest() { options_.compression = GetParam(); }
  std::vector<std::uint64_t> numbers_offline(const std::shared_ptr<const LogKeys>& keys) {
    auto log = open_log(files_, kDirectory, keys);
    EXPECT_TRUE(log.ok());
    return numbers_of(read_all(**log));
  }
  static std::vector<std::uint64_t> up_to(std::uint64_t last) {
    std::vector<std::uint64_t> numbers;
    for (std::uint64_t i = 1; i <= last; ++i) numbers.push_back(i);
    return numbers;
  }
};
INSTANTIATE_TEST_SUITE_P(Codecs, SecretLogTest,
                         testing::Values(Compression::kNone, Compression::kLz4,
                                         Compression::kZstd));

TEST_P(SecretLogTest, NothingOfARecordStandsInTheFiles) {
  options_.keys = keys_of({kFirst});
  options_.encrypts = true;
  options_.tail_bytes_max = 0;
  open();
  append(1, 300, 300);
  flush();
  EXPECT_EQ(numbers_of(read_all(recorder_->access())), up_to(300));
  close();
  for (const std::string& path : segment_files()) {
    EXPECT_THAT(files_.content(path), Not(HasSubstr("xxxxxxxx")));
  }
  EXPECT_EQ(numbers_offline(options_.keys), up_to(300));
}

TEST_P(SecretLogTest, WithoutTheKeyReadingFailsAndSaysWhichOne) {
  options_.keys = keys_of({kFirst});
  options_.encrypts = true;
  open();
  append(1, 10);
  flush();
  close();
  auto log = open_log(files_, kDirectory, keys_of({kSecond}));
  ASSERT_TRUE(log.ok());
  auto source = (*log)->open_source({}, Fence::kWritten);
  ASSERT_TRUE(source.ok());
  model::SourcedRecord record;
  const auto read = (*source)->next(record);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code, ErrorCode::kPermissionDenied);
  EXPECT_THAT(read.error().message, HasSubstr("needs the key"));
  // Checksums hold all the same: they are over what is stored.
  const auto report = verify_log(files_, kDirectory, {});
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->problems.empty());
  EXPECT_GT(report->unread_batches, 0U);
}

TEST_P(SecretLogTest, ANewKeyBeginsANewSegmentAndTheOldOneStillOpens) {
  options_.keys = keys_of({kFirst});
  options_.encrypts = true;
  open();
  append(1, 10);
  flush();
  options_.keys = keys_of({kSecond, kFirst});
  ASSERT_TRUE(recorder_->reconfigure(options_).ok());
  append(11, 10);
  ASSERT_TRUE(wait_until([&] {
    flush();
    return recorder_->stats().segments == 2;
  }));
  append(21, 10);
  flush();
  close();
  EXPECT_EQ(numbers_offline(options_.keys), up_to(30));
  auto old_only = open_log(files_, kDirectory, keys_of({kFirst}));
  auto source = (*old_only)->open_source({}, Fence::kWritten);
  model::SourcedRecord record;
  Result<bool> more = true;
  std::uint64_t read = 0;
  while (more.ok() && *more) {
    more = (*source)->next(record);
    read += more.ok() && *more;
  }
  EXPECT_EQ(more.error().code, ErrorCode::kPermissionDenied);
  EXPECT_GE(read, 11U);
}

TEST_P(SecretLogTest, AFailedDiskAndACrashLoseNothing) {
  options_.keys = keys_of({kFirst});
  options_.encrypts = true;
  options_.chains = true;
  options_.flush_interval_ns = 3600LL * 1'000'000'000;
  open();
  append(1, 20);
  flush();
  append(21, 20);
  files_.fail_call(support::MemoryFileSystem::Call::kSync, 1, EIO);
  flush();
  append(41, 20);
  flush();
  crash();
  open();
  append(61, 1);
  flush();
  EXPECT_EQ(numbers_of(read_all(recorder_->access())), up_to(61));
  close();
  EXPECT_EQ(numbers_offline(options_.keys), up_to(61));
  const auto report = verify_log(files_, kDirectory, {options_.keys, {}, {}});
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->problems.empty()) << report->problems.front().what;
  EXPECT_GT(report->chained_batches, 0U);
}

class ChainTest : public LogTest {
 protected:
  ChainTest() {
    options_.keys = keys_of({kFirst});
    options_.chains = true;
  }
  VerifyReport verify(std::optional<VerifyReport::Head> anchor = {}) {
    auto report = verify_log(files_, kDirectory, {options_.keys, {}, std::move(anchor)});
    EXPECT_TRUE(report.ok());
    return *std::move(report);
  }
};

// Whoever can write the files can also make every checksum fit; the chain needs the key.
TEST_F(ChainTest, ARewrittenRecordShows) {
  open();
  append(1, 5);
  flush();
  append(6, 5);
  flush();
  close();
  ASSERT_TRUE(verify().problems.empty());
  const std::string path = segment_files().front();
  std::string bytes = files_.content(path);
  const SegmentHeader header = *decode_segment_header(bytes, path);
  const std::size_t at = bytes.find("xxx", kSegmentHeaderBytes);
  bytes[at] = 'y';
  // The batch that holds it: mend its checksums.
  std::size_t batch_at = kSegmentHeaderBytes;
  auto batch = decode_batch_header(std::string_view(bytes).substr(batch_at), header.seed());
  while (batch_at + batch->bytes() <= at) {
    batch_at += batch->bytes();
    batch = decode_batch_header(std::string_view(bytes).substr(batch_at), header.seed());
  }
  batch->payload_hash =
      xxh3_64(std::string_view(bytes).substr(batch_at + kBatchHeaderBytes, batch->stored_bytes),
              header.seed());
  encode_batch_header(*batch, header.seed(), bytes.data() + batch_at);
  ASSERT_TRUE(files_.write_file_atomically(path, bytes).ok());
  const auto report = verify();
  ASSERT_FALSE(report.problems.empty());
  EXPECT_THAT(report.problems.front().what, HasSubstr("history was changed"));
}

TEST_F(ChainTest, GoesOnOverSegmentsAndStarts) {
  open();
  for (std::uint64_t i = 0; i < 4; ++i) {
    append(i * 200 + 1, 200, 500);
    flush();
  }
  close();
  const auto first = verify();
  ASSERT_EQ(first.heads.size(), 1U);
  EXPECT_GT(first.segments, 1U);
  open();
  append(1000, 5);
  flush();
  close();
  const auto second = verify(first.heads.front());
  EXPECT_TRUE(second.problems.empty()) << second.problems.front().what;
  EXPECT_NE(second.heads.front().chain, first.heads.front().chain);
}

TEST_F(ChainTest, ALogThatWasCutShortDoesNotHoldItsAnchor) {
  open();
  append(1, 5);
  flush();
  const std::vector<std::string> paths = segment_files();
  const std::string before = files_.content(paths.front());
  const std::string meta = std::string(kDirectory) + "/main/meta";
  const std::string meta_before = files_.content(meta);
  append(6, 5);
  flush();
  close();
  const auto head = verify().heads.front();
  ASSERT_TRUE(files_.write_file_atomically(paths.front(), before).ok());
  ASSERT_TRUE(files_.write_file_atomically(meta, meta_before).ok());
  EXPECT_TRUE(verify().problems.empty());
  const auto report = verify(head);
  ASSERT_FALSE(report.problems.empty());
  EXPECT_THAT(report.problems.front().what, HasSubstr("does not hold the anchor"));
}

TEST_F(ChainTest, ASegmentThatWasTakenOutShows) {
  open();
  for (std::uint64_t i = 0; i < 8; ++i) {
    append(i * 200 + 1, 200, 500);
    flush();
  }
  close();
  const auto paths = segment_files();
  ASSERT_GT(paths.size(), 2U);
  ASSERT_TRUE(files_.remove(paths[1]).ok());
  EXPECT_FALSE(verify().problems.empty());
}

}  // namespace
}  // namespace banyan::recorder
