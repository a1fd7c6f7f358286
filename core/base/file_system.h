// SPDX-License-Identifier: Apache-2.0
//
// What Banyan asks of a disk; the seam for fault tests. Errors carry errno and the path.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"

namespace banyan {

// One open file. Reads at positions may run on any thread beside one writer.
class File {
 public:
  virtual ~File() = default;
  // Writes all of it or fails; handles short writes and EINTR.
  virtual Status write_at(Position position, std::string_view bytes) = 0;
  // The same for pieces that are to lie one after the other; one call to the system where it can.
  virtual Status write_pieces_at(Position position, const std::vector<std::string_view>& pieces);
  // Says that what lies in [begin, end) and was synced will hardly be read soon, so that its memory
  // serves others. Advice only.
  virtual void forget_cached(Position begin, Position end) {
    (void)begin;
    (void)end;
  }
  // From now on large transfers go around the page cache (direct I/O), where the file and its file
  // system can do that; who reads sees the same bytes. For what is written or read once, in large
  // pieces. Before the file is shared; false where everything goes through the cache as before.
  virtual bool go_direct() { return false; }
  // Reads up to `size` bytes into `out` (resized); fewer only at the end of the file.
  virtual Status read_at(Position position, std::size_t size, std::string& out) const = 0;
  virtual Result<std::uint64_t> size() const = 0;
  virtual Status truncate(std::uint64_t size) = 0;
  // Claims disk space for the first `size` bytes without changing the file's size, so that a full
  // disk shows at once. A file system that cannot do it answers ok.
  virtual Status reserve(std::uint64_t size) = 0;
  // fdatasync. After a failure the file must not be trusted nor synced again.
  virtual Status sync() = 0;
};

// A held advisory lock; released when destroyed.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class FileSystem {
 public:
  enum class Mode { kReadOnly, kReadWriteExisting, kCreateNew, kCreateOrOpen };

  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, Mode mode) = 0;
  // Mode 0700. The entries of those that it makes are durable when it returns.
  virtual Status make_directories(const std::string& path) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;  // names, sorted
  virtual bool exists(const std::string& path) = 0;
  virtual Status sync_directory(const std::string& path) = 0;
  // kAlreadyExists while another process holds it.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
  struct Space {
    std::uint64_t free_bytes = 0;
    std::uint64_t total_bytes = 0;
  };
  virtual Result<Space> space(const std::string& directory) = 0;

  // Whole-file helpers over the above. A file over `bytes_max` is an error (kExhausted).
  Result<std::string> read_file(const std::string& path, std::uint64_t bytes_max);
  // Temporary file (`path`.tmp), sync, rename, directory synced: after a crash either the old or
  // the new content. One writer per path at a time.
  Status write_file_atomically(const std::string& path, std::string_view content);

  static FileSystem& posix();  // files 0600; lives for ever
};

}  // namespace banyan
