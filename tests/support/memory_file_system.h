// SPDX-License-Identifier: Apache-2.0
//
// A disk in memory for fault tests: it knows what was synced, can lose the rest as a power cut
// does, can fail a chosen call, and can hang one until released.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/file_system.h"
#include "core/base/mutex.h"

namespace banyan::support {

// What lies on a disk.
struct DiskImage {
  std::set<std::string> directories;
  std::map<std::string, std::string> files;
};

// Any thread. Files of it may outlive nothing: destroy them before the file system.
class MemoryFileSystem final : public FileSystem {
 public:
  enum class Call : std::uint8_t {
    kOpen,
    kRead,
    kWrite,
    kTruncate,
    kReserve,
    kSync,
    kRename,
    kRemove,
    kList,
    kSyncDirectory,
    kLock,
    kSpace,
    kMakeDirectories,
    kCount
  };

  MemoryFileSystem();
  ~MemoryFileSystem() override;

  Result<std::unique_ptr<File>> open(const std::string& path, Mode mode) override;
  Status make_directories(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  bool exists(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
  Result<Space> space(const std::string& directory) override;

  // The n-th call of that kind from now on (1 is the next) fails with `with_errno`, and the `times`
  // - 1 calls after it. A failing write has already stored the first half of its bytes.
  void fail_call(Call call, std::uint64_t nth, int with_errno, std::uint64_t times = 1);
  // Counts calls of every kind that changes something: write, truncate, reserve, sync, rename,
  // remove, sync_directory, open (but for reading). For loops "fail at the n-th call, for all n".
  void fail_any_change(std::uint64_t nth, int with_errno, std::uint64_t times = 1);
  void clear_failures();
  // Calls of that kind wait until release(). is_hanging() tells that one does.
  void hang(Call call);
  void release();
  bool is_hanging() const;

  // A power cut: what was not synced is gone, directory entries included. Handles that are still
  // open keep the file they had; locks are given up.
  void drop_unsynced();
  // A power cut that kept the first `bytes` unsynced bytes of this file and lost everything else.
  void drop_unsynced_but(const std::string& path, std::uint64_t bytes);

  // Touches the stored bytes (both the live and the synced ones), as a rotting disk would.
  void flip_byte(const std::string& path, std::uint64_t position);
  // XORs one byte with `mask`; 0x5a where none is given.
  void flip_byte(const std::string& path, std::uint64_t position, char mask);
  // All of it, synced or not; and a disk that holds exactly this, synced. Nothing may be open.
  DiskImage image() const;
  void load(const DiskImage& image);
  std::string content(const std::string& path) const;  // "" where absent
  std::string synced_content(const std::string& path) const;
  // What the writer said, from the file's start on, that it needs in no cache any more.
  std::uint64_t forgotten_bytes(const std::string& path) const;
  void set_space(Space space);
  std::uint64_t calls(Call call) const;
  std::uint64_t changes() const;
  std::uint64_t read_bytes() const { return read_bytes_.load(std::memory_order_relaxed); }
  // Writes and syncs through a handle of which a write or a sync had failed: nobody may.
  std::uint64_t touches_of_failed_files() const;

 private:
  friend class MemoryFile;
  friend class MemoryLock;
  struct Inode;
  struct Rule {
    std::uint64_t countdown = 0;
    std::uint64_t times = 0;
    int error = 0;
  };

  // 0, or the errno with which this call fails. Waits while calls of its kind hang.
  int enter(Call call, bool changes_something = true);
  std::shared_ptr<Inode> find(const std::string& path) const REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::condition_variable released_;
  std::map<std::string, std::shared_ptr<Inode>> entries_ GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<Inode>> synced_entries_ GUARDED_BY(mutex_);
  std::set<std::string> directories_ GUARDED_BY(mutex_);
  std::shared_ptr<std::set<std::string>> locks_ GUARDED_BY(mutex_);
  std::array<Rule, static_cast<std::size_t>(Call::kCount)> rules_ GUARDED_BY(mutex_){};
  Rule any_change_ GUARDED_BY(mutex_);
  std::array<std::uint64_t, static_cast<std::size_t>(Call::kCount)> calls_ GUARDED_BY(mutex_){};
  std::uint64_t changes_ GUARDED_BY(mutex_) = 0;
  std::atomic<std::uint64_t> read_bytes_{0};
  std::atomic<std::uint64_t> touches_of_failed_files_{0};
  std::set<Call> hanging_kinds_ GUARDED_BY(mutex_);
  int hanging_calls_ GUARDED_BY(mutex_) = 0;
  Space space_ GUARDED_BY(mutex_){100ULL << 30, 200ULL << 30};
};

}  // namespace banyan::support
