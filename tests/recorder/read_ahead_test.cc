// SPDX-License-Identifier: Apache-2.0
#include "recorder/read_ahead.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <random>

#include "tests/support/memory_file_system.h"

namespace banyan::recorder {
namespace {

class ReadAheadTest : public testing::Test {
 protected:
  void write(std::size_t size) {
    content_.resize(size);
    for (std::size_t i = 0; i < size; ++i) content_[i] = static_cast<char>(i * 31 % 251);
    ASSERT_TRUE(files_.make_directories("/d").ok());
    auto file = files_.open("/d/f", FileSystem::Mode::kCreateNew);
    ASSERT_TRUE((*file)->write_at(Position{0}, content_).ok());
    file_ = *files_.open("/d/f", FileSystem::Mode::kReadOnly);
  }

  support::MemoryFileSystem files_;
  std::string content_;
  std::shared_ptr<const File> file_;
};

TEST_F(ReadAheadTest, GivesWhatTheFileGives) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1000}, 2 * kReadAheadBytes, 3 * kReadAheadBytes + 17}) {
    files_.load({});
    write(size);
    const ReadAhead ahead(file_);
    EXPECT_EQ(*ahead.size(), size);
    std::minstd_rand random(3);
    std::string out;
    for (std::size_t at = 0; at < size + 5000; at += 1 + random() % (kReadAheadBytes / 2)) {
      const std::size_t wanted = random() % (kReadAheadBytes * 3 / 2);
      ASSERT_TRUE(ahead.read_at(Position{at}, wanted, out).ok());
      ASSERT_TRUE(out == (at < size ? content_.substr(at, wanted) : std::string())) << at;
    }
  }
}

TEST_F(ReadAheadTest, ReadsEachPieceOnceWhereReadingGoesOn) {
  write(5 * kReadAheadBytes);
  const ReadAhead ahead(file_);
  std::string out;
  // As a reader of batches does: each step begins before the last one's end.
  for (std::size_t at = 0; at < content_.size(); at += kReadAheadBytes - 100'000) {
    ASSERT_TRUE(ahead.read_at(Position{at}, kReadAheadBytes, out).ok());
  }
  EXPECT_EQ(files_.calls(support::MemoryFileSystem::Call::kRead), 6U);  // The last finds the end.
}

TEST_F(ReadAheadTest, TellsAnErrorOfWhatItFetchedAhead) {
  write(3 * kReadAheadBytes);
  const ReadAhead ahead(file_);
  files_.fail_call(support::MemoryFileSystem::Call::kRead, 2, EIO);
  std::string out;
  ASSERT_TRUE(ahead.read_at(Position{0}, 1000, out).ok());
  EXPECT_FALSE(ahead.read_at(Position{kReadAheadBytes}, 1000, out).ok());
  ASSERT_TRUE(ahead.read_at(Position{kReadAheadBytes}, 1000, out).ok());
  EXPECT_TRUE(out == content_.substr(kReadAheadBytes, 1000));
}

TEST_F(ReadAheadTest, WritesNothing) {
  write(10);
  ReadAhead ahead(file_);
  EXPECT_FALSE(ahead.write_at(Position{0}, "x").ok());
  EXPECT_FALSE(ahead.truncate(0).ok());
  EXPECT_FALSE(ahead.reserve(5).ok());
  EXPECT_FALSE(ahead.sync().ok());
}

}  // namespace
}  // namespace banyan::recorder
