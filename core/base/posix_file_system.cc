// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "core/base/direct_io.h"
#include "core/base/file_system.h"

namespace banyan {
namespace {

Error disk_error(std::string_view what, const std::string& path) {
  const int saved_errno = errno;
  return error_from_errno(saved_errno, ErrorOrigin::kDisk, std::string(what) + " " + path);
}

// Calls again while a signal interrupts.
template <typename Call>
auto without_interruption(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// Of one call; far below IOV_MAX.
constexpr std::size_t kPiecesMax = 64;

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Status write_at(Position position, std::string_view bytes) override {
    auto at = static_cast<off_t>(position.value);
    while (!bytes.empty()) {
      const ssize_t written =
          without_interruption([&] { return ::pwrite(fd_.get(), bytes.data(), bytes.size(), at); });
      if (written < 0) return disk_error("cannot write", path_);
      if (written == 0) {
        errno = EIO;  // No progress and no error: do not spin.
        return disk_error("cannot write", path_);
      }
      bytes.remove_prefix(static_cast<std::size_t>(written));
      at += written;
    }
    return {};
  }

  Status write_pieces_at(Position position, const std::vector<std::string_view>& pieces) override {
    if (direct_ != nullptr && direct_->is_usable()) {
      PieceWalk walk(pieces);
      if (walk.left() >= kDirectBytesMin) return write_direct(position, walk);
    }
    const std::string_view* next = pieces.data();
    const std::string_view* const end = next + pieces.size();
    while (next != end) {
      std::array<iovec, kPiecesMax> row;
      const auto count = std::min<std::size_t>(kPiecesMax, static_cast<std::size_t>(end - next));
      for (std::size_t i = 0; i < count; ++i) {
        row[i] = {const_cast<char*>(next[i].data()), next[i].size()};
      }
      const ssize_t written = without_interruption([&] {
        return ::pwritev(fd_.get(), row.data(), static_cast<int>(count),
                         static_cast<off_t>(position.value));
      });
      if (written < 0) return disk_error("cannot write", path_);
      // A short write is rare: what is left goes piece by piece.
      auto done = static_cast<std::size_t>(written);
      for (const std::string_view* const row_end = next + count; next != row_end; ++next) {
        const std::size_t of_this = std::min(done, next->size());
        done -= of_this;
        BANYAN_RETURN_IF_ERROR(write_at(Position{position.value + of_this}, next->substr(of_this)));
        position.value += next->size();
      }
    }
    return {};
  }

  bool go_direct() override {
    direct_ = DirectIo::open(path_, fd_.get());
    return direct_ != nullptr;
  }

  void forget_cached(Position begin, Position end) override {
    (void)::posix_fadvise(fd_.get(), static_cast<off_t>(begin.value),
                          static_cast<off_t>(end.value - begin.value), POSIX_FADV_DONTNEED);
  }

  Status read_at(Position position, std::size_t size, std::string& out) const override {
    out.resize(size);
    std::size_t done = 0;
    if (size >= kDirectBytesMin && direct_ != nullptr && direct_->is_usable()) {
      const ssize_t got = direct_->read(static_cast<off_t>(position.value), out.data(), size);
      if (got >= 0) {
        out.resize(static_cast<std::size_t>(got));
        return {};
      }
      if (errno != EINVAL) {
        out.clear();
        return disk_error("cannot read", path_);
      }
    }
    while (done < size) {
      const ssize_t got = without_interruption([&] {
        return ::pread(fd_.get(), out.data() + done, size - done,
                       static_cast<off_t>(position.value + done));
      });
      if (got < 0) {
        out.clear();
        return disk_error("cannot read", path_);
      }
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    out.resize(done);
    return {};
  }

  Result<std::uint64_t> size() const override {
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return disk_error("cannot stat", path_);
    return static_cast<std::uint64_t>(info.st_size);
  }

  Status truncate(std::uint64_t size) override {
    if (without_interruption([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); }) !=
        0) {
      return disk_error("cannot truncate", path_);
    }
    return {};
  }

  Status reserve(std::uint64_t size) override {
    const int result = without_interruption(
        [&] { return ::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size)); });
    if (result == 0 || errno == EOPNOTSUPP || errno == ENOSYS) return {};
    return disk_error("cannot reserve space for", path_);
  }

  Status sync() override {
    // Never called again after a failure, so EINTR is the only thing that is repeated.
    if (without_interruption([&] { return ::fdatasync(fd_.get()); }) != 0) {
      return disk_error("cannot sync", path_);
    }
    return {};
  }

 private:
  // So many of the next bytes, through the cache.
  Status write_cached(Position& position, PieceWalk& walk, std::size_t size) {
    std::string bytes(size, '\0');
    walk.copy(bytes.data(), size);
    BANYAN_RETURN_IF_ERROR(write_at(position, bytes));
    position.value += size;
    return {};
  }

  // Whole blocks around the cache. The block that this write shares with the one before it, and the
  // one with the next, are in the cache alone until a sync: no range is ever written both ways.
  Status write_direct(Position position, PieceWalk& walk) {
    const std::size_t over = position.value % kDirectBlockBytes;
    if (over != 0) {
      BANYAN_RETURN_IF_ERROR(write_cached(position, walk, kDirectBlockBytes - over));
    }
    auto at = static_cast<off_t>(position.value);
    std::string_view refused;
    if (!direct_->write(at, walk, refused)) return disk_error("cannot write", path_);
    position.value = static_cast<std::uint64_t>(at);
    BANYAN_RETURN_IF_ERROR(write_at(position, refused));
    position.value += refused.size();
    return write_cached(position, walk, walk.left());
  }

  const Descriptor fd_;
  const std::string path_;
  std::unique_ptr<DirectIo> direct_;  // null: everything goes through the cache
};

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(int fd) : fd_(fd) {}

 private:
  const Descriptor fd_;  // Closing it gives the lock up.
};

int flags_of(FileSystem::Mode mode) {
  switch (mode) {
    case FileSystem::Mode::kReadOnly: return O_RDONLY;
    case FileSystem::Mode::kReadWriteExisting: return O_RDWR;
    case FileSystem::Mode::kCreateNew: return O_RDWR | O_CREAT | O_EXCL;
    case FileSystem::Mode::kCreateOrOpen: return O_RDWR | O_CREAT;
  }
  return O_RDONLY;
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool is_directory(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, Mode mode) override {
    const int fd = without_interruption(
        [&] { return ::open(path.c_str(), flags_of(mode) | O_CLOEXEC, 0600); });
    if (fd < 0) return disk_error("cannot open", path);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(fd, path));
  }

  Status make_directories(const std::string& path) override {
    for (std::size_t end = path.find('/', 1); !path.empty(); end = path.find('/', end + 1)) {
      const std::string part = path.substr(0, end);
      if (::mkdir(part.c_str(), 0700) == 0) {
        // Else a power cut could take a whole log whose files were all synced.
        // A parent that may not be read cannot be synced either; that is no reason not to start.
        const auto status = sync_directory(parent_of(part));
        if (!status.ok() && status.error().code != ErrorCode::kPermissionDenied) return status;
      } else if (!is_directory(part)) {
        return disk_error("cannot create directory", part);
      }
      if (end == std::string::npos) break;
    }
    return {};
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return disk_error("cannot rename to", to);
    return {};
  }

  Status remove(const std::string& path) override {
    if (::remove(path.c_str()) != 0) return disk_error("cannot remove", path);
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& directory) override {
    DIR* handle = ::opendir(directory.c_str());
    if (handle == nullptr) return disk_error("cannot list", directory);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(handle)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    const int saved_errno = errno;
    ::closedir(handle);
    errno = saved_errno;
    if (errno != 0) return disk_error("cannot list", directory);
    std::sort(names.begin(), names.end());
    return names;
  }

  bool exists(const std::string& path) override { return ::access(path.c_str(), F_OK) == 0; }

  Status sync_directory(const std::string& path) override {
    const int fd = without_interruption(
        [&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) return disk_error("cannot open directory", path);
    const Descriptor directory(fd);
    if (without_interruption([&] { return ::fsync(directory.get()); }) != 0) {
      return disk_error("cannot sync directory", path);
    }
    return {};
  }

  // flock belongs to the open file, so a second holder inside this process is refused as well.
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    const int fd = without_interruption(
        [&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600); });
    if (fd < 0) return disk_error("cannot open lock file", path);
    auto held = std::make_unique<PosixLock>(fd);
    if (without_interruption([&] { return ::flock(fd, LOCK_EX | LOCK_NB); }) != 0) {
      if (errno != EWOULDBLOCK) return disk_error("cannot lock", path);
      return make_error(ErrorCode::kAlreadyExists, ErrorOrigin::kConfig, holder_message(fd, path));
    }
    const std::string owner = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd, 0) != 0 ||
        ::pwrite(fd, owner.data(), owner.size(), 0) != static_cast<ssize_t>(owner.size())) {
      return disk_error("cannot write lock file", path);
    }
    return std::unique_ptr<FileLock>(std::move(held));
  }

  Result<Space> space(const std::string& directory) override {
    struct statvfs info {};
    if (::statvfs(directory.c_str(), &info) != 0)
      return disk_error("cannot stat disk of", directory);
    return Space{std::uint64_t{info.f_bavail} * info.f_frsize,
                 std::uint64_t{info.f_blocks} * info.f_frsize};
  }

 private:
  static std::string holder_message(int fd, const std::string& path) {
    char text[32] = {};
    const ssize_t got = ::pread(fd, text, sizeof text - 1, 0);
    std::string owner(text, got > 0 ? static_cast<std::size_t>(got) : 0);
    if (const auto end = owner.find_first_not_of("0123456789"); end != std::string::npos) {
      owner.resize(end);
    }
    return path + " is locked by another process" +
           (owner.empty() ? std::string() : " (pid " + owner + ")") +
           "; stop it first or use another data directory";
  }
};

}  // namespace

FileSystem& FileSystem::posix() {
  static PosixFileSystem files;
  return files;
}

}  // namespace banyan
