// SPDX-License-Identifier: Apache-2.0
//
// A disk in memory that keeps a journal of what was done to it, and makes from it what a power cut
// at any moment may leave behind.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/file_system.h"
#include "core/base/mutex.h"
#include "tests/support/memory_file_system.h"

namespace banyan::support {

// How much of what was not synced a power cut takes.
//  - Bytes: only the sync of their file makes them safe. Else any of them may be there, in any
//    order, in sectors of 512 bytes that are whole or not there at all; a file may have grown
//    without the bytes (zeros).
//  - Names (create, rename, remove): only the sync of their directory makes them safe. Else those
//    that came first are there (file systems keep a journal of them), independent of the bytes. A
//    rename is whole or not done.
enum class Loss {
  kAllUnsynced,
  kNothing,    // as kill -9
  kTorn,       // each file has a prefix of what was written to it, torn at a sector
  kScattered,  // each sector was written or not
};
inline constexpr Loss kLosses[] = {Loss::kAllUnsynced, Loss::kNothing, Loss::kTorn,
                                   Loss::kScattered};
const char* to_string(Loss loss);

// Any thread. Its files may not outlive it.
class CrashDisk final : public FileSystem {
 public:
  explicit CrashDisk(const DiskImage& start = {});
  ~CrashDisk() override;

  // Below: where calls can be made to fail.
  MemoryFileSystem& disk() { return disk_; }

  // What was done so far; a power cut may come behind each.
  std::size_t operations() const;
  std::string describe(std::size_t operation) const;
  // What may be left behind the first `count` operations.
  DiskImage image_after(std::size_t count, Loss loss, std::mt19937_64& random) const;

  Result<std::unique_ptr<File>> open(const std::string& path, Mode mode) override;
  Status make_directories(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override {
    return disk_.list(directory);
  }
  bool exists(const std::string& path) override { return disk_.exists(path); }
  Status sync_directory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    return disk_.lock(path);
  }
  Result<Space> space(const std::string& directory) override { return disk_.space(directory); }

 private:
  friend class JournaledFile;
  struct Operation {
    enum class Kind {
      kCreate,
      kWrite,
      kTruncate,
      kSync,
      kFailedSync,
      kRename,
      kRemove,
      kSyncDirectory,
      kMakeDirectories
    };
    Kind kind;
    std::size_t inode = 0;
    std::string path, target;
    std::uint64_t at = 0;  // position of a write, size of a truncate
    std::string bytes;
  };
  class Replay;

  void record(Operation operation);

  const DiskImage start_;
  MemoryFileSystem disk_;
  mutable Mutex mutex_;
  std::map<std::string, std::size_t> inodes_ GUARDED_BY(mutex_);  // by their present name
  std::size_t inode_count_ GUARDED_BY(mutex_) = 0;
  std::vector<Operation> journal_ GUARDED_BY(mutex_);
};

}  // namespace banyan::support
