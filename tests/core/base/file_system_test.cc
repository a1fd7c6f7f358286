// SPDX-License-Identifier: Apache-2.0
//
// The same facts hold for the real disk and for the one in memory.
#include "core/base/file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <csignal>
#include <filesystem>

#include "tests/support/memory_file_system.h"

namespace banyan {
namespace {

using Mode = FileSystem::Mode;

class FileSystemTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      std::string pattern = testing::TempDir() + "/banyan_files_XXXXXX";
      ASSERT_NE(mkdtemp(pattern.data()), nullptr);
      root_ = pattern;
      files_ = &FileSystem::posix();
    } else {
      files_ = &memory_;
      root_ = "/root";
    }
    ASSERT_TRUE(files_->make_directories(root_ + "/a/b").ok());
  }
  void TearDown() override {
    if (GetParam()) std::filesystem::remove_all(root_);
  }
  support::MemoryFileSystem memory_;
  FileSystem* files_ = nullptr;
  std::string root_;
};

TEST_P(FileSystemTest, WritesAndReadsAtPositions) {
  auto file = files_->open(root_ + "/f", Mode::kCreateNew);
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE((*file)->reserve(1 << 20).ok());
  EXPECT_EQ(*(*file)->size(), 0U);
  EXPECT_TRUE((*file)->write_at(Position{3}, "abc").ok());
  EXPECT_EQ(*(*file)->size(), 6U);
  std::string out;
  EXPECT_TRUE((*file)->read_at(Position{2}, 100, out).ok());
  EXPECT_EQ(out, std::string("\0abc", 4));
  EXPECT_TRUE((*file)->read_at(Position{50}, 10, out).ok());
  EXPECT_EQ(out, "");
  EXPECT_TRUE((*file)->truncate(4).ok());
  EXPECT_EQ(*(*file)->size(), 4U);
  EXPECT_TRUE((*file)->sync().ok());
}

TEST_P(FileSystemTest, WritesManyPiecesInARow) {
  auto file = *files_->open(root_ + "/f", Mode::kCreateNew);
  std::vector<std::string> bytes;
  std::string expected = "abc";
  for (std::size_t i = 0; i < 200; ++i) {
    bytes.emplace_back(i % 7, static_cast<char>('a' + i % 26));
    expected += bytes.back();
  }
  const std::vector<std::string_view> pieces(bytes.begin(), bytes.end());
  ASSERT_TRUE(file->write_at(Position{0}, "abc").ok());
  ASSERT_TRUE(file->write_pieces_at(Position{3}, pieces).ok());
  std::string content;
  ASSERT_TRUE(file->read_at(Position{0}, 10'000, content).ok());
  EXPECT_EQ(content, expected);
}

TEST_P(FileSystemTest, ModesSayWhatMayBeThere) {
  EXPECT_EQ(files_->open(root_ + "/f", Mode::kReadOnly).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files_->open(root_ + "/f", Mode::kReadWriteExisting).error().code,
            ErrorCode::kNotFound);
  EXPECT_TRUE(files_->open(root_ + "/f", Mode::kCreateOrOpen).ok());
  EXPECT_TRUE(files_->open(root_ + "/f", Mode::kCreateOrOpen).ok());
  const auto again = files_->open(root_ + "/f", Mode::kCreateNew);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(again.error().system_errno, EEXIST);
  EXPECT_THAT(again.error().message, testing::HasSubstr(root_ + "/f"));
  EXPECT_FALSE(files_->open(root_ + "/none/f", Mode::kCreateNew).ok());
}

TEST_P(FileSystemTest, ReplacesWholeFiles) {
  EXPECT_TRUE(files_->write_file_atomically(root_ + "/f", "one").ok());
  EXPECT_TRUE(files_->write_file_atomically(root_ + "/f", "2").ok());
  EXPECT_EQ(*files_->read_file(root_ + "/f", 100), "2");
  EXPECT_FALSE(files_->exists(root_ + "/f.tmp"));
  EXPECT_EQ(files_->read_file(root_ + "/f", 0).error().code, ErrorCode::kExhausted);
  EXPECT_EQ(*files_->read_file(root_ + "/f", 1), "2");
}

TEST_P(FileSystemTest, ListsRenamesAndRemoves) {
  EXPECT_TRUE(files_->write_file_atomically(root_ + "/a/z", "").ok());
  EXPECT_TRUE(files_->write_file_atomically(root_ + "/a/y", "").ok());
  EXPECT_EQ(*files_->list(root_ + "/a"), (std::vector<std::string>{"b", "y", "z"}));
  EXPECT_TRUE(files_->rename(root_ + "/a/z", root_ + "/a/b/x").ok());
  EXPECT_TRUE(files_->remove(root_ + "/a/y").ok());
  EXPECT_EQ(*files_->list(root_ + "/a"), (std::vector<std::string>{"b"}));
  EXPECT_EQ(files_->remove(root_ + "/a/y").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files_->list(root_ + "/none").error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(files_->sync_directory(root_ + "/a").ok());
}

TEST_P(FileSystemTest, ALockHasOneHolder) {
  auto lock = files_->lock(root_ + "/lock");
  ASSERT_TRUE(lock.ok());
  const auto second = files_->lock(root_ + "/lock");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kAlreadyExists);
  *lock = nullptr;
  EXPECT_TRUE(files_->lock(root_ + "/lock").ok());
}

TEST_P(FileSystemTest, KnowsItsSpace) {
  const auto space = files_->space(root_);
  ASSERT_TRUE(space.ok());
  EXPECT_GT(space->total_bytes, 0U);
  EXPECT_LE(space->free_bytes, space->total_bytes);
}

INSTANTIATE_TEST_SUITE_P(Disks, FileSystemTest, testing::Bool(),
                         [](const auto& disk) { return disk.param ? "Posix" : "Memory"; });

TEST(PosixFileSystemTest, MakesPrivateFiles) {
  std::string pattern = testing::TempDir() + "/banyan_files_XXXXXX";
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  FileSystem& files = FileSystem::posix();
  ASSERT_TRUE(files.make_directories(pattern + "/d/e").ok());
  ASSERT_TRUE(files.write_file_atomically(pattern + "/d/e/f", "x").ok());
  struct stat info {};
  ASSERT_EQ(::stat((pattern + "/d/e/f").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  ASSERT_EQ(::stat((pattern + "/d/e").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U);
  EXPECT_FALSE(files.make_directories(pattern + "/d/e/f/g").ok());
  std::filesystem::remove_all(pattern);
}

// The limit of a process's files cuts the first write short, in the midst of a piece.
TEST(PosixFileSystemTest, GoesOnBehindAShortWriteOfPieces) {
  std::string pattern = ::testing::TempDir() + "short-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  auto file = *FileSystem::posix().open(pattern + "/f", Mode::kCreateNew);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 1500;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string piece(1000, 'x');
  const auto status = file->write_pieces_at(Position{0}, {piece, piece, piece});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, ignored);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().system_errno, EFBIG);
  EXPECT_EQ(*file->size(), 1500U);
  std::filesystem::remove_all(pattern);
}

TEST(MemoryFileSystemTest, APowerCutLosesWhatWasNotSynced) {
  support::MemoryFileSystem files;
  ASSERT_TRUE(files.make_directories("/d").ok());
  auto file = *files.open("/d/f", Mode::kCreateNew);
  ASSERT_TRUE(file->write_at(Position{0}, "one").ok());
  ASSERT_TRUE(file->sync().ok());
  files.drop_unsynced();
  EXPECT_FALSE(files.exists("/d/f"));  // The directory was not synced.
  file = *files.open("/d/f", Mode::kCreateNew);
  ASSERT_TRUE(file->write_at(Position{0}, "one").ok());
  ASSERT_TRUE(file->sync().ok());
  ASSERT_TRUE(files.sync_directory("/d").ok());
  ASSERT_TRUE(file->write_at(Position{3}, "two").ok());
  files.drop_unsynced();
  EXPECT_EQ(files.content("/d/f"), "one");
}

TEST(MemoryFileSystemTest, ASyncAfterAFailedOneLies) {
  support::MemoryFileSystem files;
  ASSERT_TRUE(files.make_directories("/d").ok());
  auto file = *files.open("/d/f", Mode::kCreateNew);
  ASSERT_TRUE(files.sync_directory("/d").ok());
  ASSERT_TRUE(file->write_at(Position{0}, "one").ok());
  files.fail_call(support::MemoryFileSystem::Call::kSync, 1, EIO);
  EXPECT_EQ(file->sync().error().system_errno, EIO);
  EXPECT_TRUE(file->sync().ok());
  EXPECT_EQ(files.synced_content("/d/f"), "");
}

}  // namespace
}  // namespace banyan
