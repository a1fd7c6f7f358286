// SPDX-License-Identifier: Apache-2.0
//
// What goes around the page cache and what goes through it is one file. On the real disk; where its
// file system has no direct I/O the same facts hold without.
#include "core/base/direct_io.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <random>
#include <thread>

#include "core/base/file_system.h"

namespace banyan {
namespace {

using Mode = FileSystem::Mode;

class DirectIoTest : public testing::Test {
 protected:
  void SetUp() override {
    // Not the temporary folder: that may lie in memory.
    std::string pattern = std::filesystem::current_path().string() + "/banyan_direct_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  std::string path() const { return root_ + "/f"; }
  std::unique_ptr<File> open(Mode mode, bool is_direct) {
    auto file = FileSystem::posix().open(path(), mode);
    EXPECT_TRUE(file.ok());
    if (is_direct) (void)(*file)->go_direct();
    return *std::move(file);
  }

  std::string root_;
  std::minstd_rand random_{7};
};

std::string bytes_of(std::size_t size, std::uint64_t from) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((from + i) * 31 % 251);
  return bytes;
}

TEST_F(DirectIoTest, PiecesAreTakenAcrossTheirBounds) {
  const std::vector<std::string_view> pieces = {"ab", "", "cde", "f"};
  PieceWalk walk(pieces);
  EXPECT_EQ(walk.left(), 6U);
  char out[6];
  walk.copy(out, 3);
  EXPECT_EQ(std::string_view(out, 3), "abc");
  walk.copy(out, 0);
  walk.copy(out, 3);
  EXPECT_EQ(std::string_view(out, 3), "def");
  EXPECT_EQ(walk.left(), 0U);
}

// Sizes around the smallest direct write, at places that are no multiples of a block.
TEST_F(DirectIoTest, BothWaysWriteOneFile) {
  auto file = open(Mode::kCreateNew, true);
  ASSERT_TRUE(file->reserve(1U << 20).ok());
  std::string expected;
  for (int i = 0; i < 60; ++i) {
    std::vector<std::string> bytes;
    const std::size_t count = 1 + random_() % 3;
    for (std::size_t j = 0; j < count; ++j) {
      const std::size_t size = random_() % (random_() % 2 == 0 ? 2000 : 3 * kDirectBytesMin);
      bytes.push_back(bytes_of(size, expected.size() + j));
    }
    const std::vector<std::string_view> pieces(bytes.begin(), bytes.end());
    ASSERT_TRUE(file->write_pieces_at(Position{expected.size()}, pieces).ok());
    for (const std::string& piece : bytes) expected += piece;
    ASSERT_EQ(*file->size(), expected.size());
    if (i % 5 == 0) {
      ASSERT_TRUE(file->sync().ok());
    }
  }
  ASSERT_GT(expected.size(), 2U << 20);
  for (const bool is_direct : {false, true}) {
    auto reader = open(Mode::kReadOnly, is_direct);
    std::string out;
    ASSERT_TRUE(reader->read_at(Position{0}, expected.size() + 9000, out).ok());
    EXPECT_TRUE(out == expected);
    for (int i = 0; i < 200; ++i) {
      const std::size_t at = random_() % (expected.size() + 5000);
      const std::size_t size = random_() % (4 * kDirectBytesMin);
      ASSERT_TRUE(reader->read_at(Position{at}, size, out).ok());
      const std::string wanted = at < expected.size() ? expected.substr(at, size) : std::string();
      ASSERT_TRUE(out == wanted) << at << " " << size;
    }
  }
}

// Readers of both kinds see whatever was written before they asked, while more is being written.
TEST_F(DirectIoTest, ReadersBesideTheWriterSeeWhatWasWritten) {
  constexpr std::size_t kEnd = 24U << 20;
  auto file = open(Mode::kCreateNew, true);
  std::atomic<std::size_t> written{0};
  const auto check = [&](bool is_direct) {
    auto reader = open(Mode::kReadOnly, is_direct);
    std::minstd_rand random(is_direct ? 1 : 2);
    std::string out;
    for (std::size_t known = 0; known < kEnd;) {
      known = written.load(std::memory_order_acquire);
      if (known == 0) continue;
      const std::size_t back = random() % std::min<std::size_t>(known, 200'000);
      const std::size_t at = known - 1 - back;
      ASSERT_TRUE(reader->read_at(Position{at}, back + 1, out).ok());
      ASSERT_TRUE(out == bytes_of(back + 1, at)) << at;
    }
  };
  std::thread direct([&] { check(true); });
  std::thread cached([&] { check(false); });
  for (std::size_t at = 0; at < kEnd;) {
    const std::size_t size = std::min<std::size_t>(kEnd - at, 1 + random_() % 300'000);
    const std::string bytes = bytes_of(size, at);
    ASSERT_TRUE(file->write_pieces_at(Position{at}, {bytes}).ok());
    at += size;
    written.store(at, std::memory_order_release);
  }
  direct.join();
  cached.join();
}

}  // namespace
}  // namespace banyan
