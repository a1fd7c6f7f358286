// SPDX-License-Identifier: Apache-2.0
#include "app/import_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace banyan::app {
namespace {

constexpr std::size_t kPieceBytes = 256 * 1024;

}  // namespace

Result<std::unique_ptr<ImportFile>> ImportFile::open(const std::string& path) {
  const bool is_stdin = path == "-";
  const int fd = is_stdin ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const int saved_errno = errno;
    Error error = error_from_errno(saved_errno, ErrorOrigin::kClient, "cannot open " + path);
    error.code = saved_errno == ENOENT ? ErrorCode::kNotFound : error.code;
    return error;
  }
  std::unique_ptr<ImportFile> file(new ImportFile(fd, is_stdin ? "standard input" : path));
  struct stat facts {};
  if (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode)) {
    file->size_ = static_cast<std::uint64_t>(facts.st_size);
  }
  return file;
}

ImportFile::~ImportFile() {
  if (fd_ != STDIN_FILENO) ::close(fd_);
}

Result<bool> ImportFile::read_raw(std::string& piece) {
  piece.resize(kPieceBytes);
  for (;;) {
    const ssize_t count = ::read(fd_, piece.data(), piece.size());
    if (count >= 0) {
      piece.resize(static_cast<std::size_t>(count));
      bytes_read_ += piece.size();
      return count > 0;
    }
    if (errno != EINTR) {
      return error_from_errno(errno, ErrorOrigin::kDisk, "cannot read " + path_);
    }
  }
}

Result<bool> ImportFile::read(std::string& piece) {
  if (gzip_ != nullptr) return read_unpacked(piece);
  auto more = read_raw(piece);
  if (!more.ok() || !is_first_) return more;
  is_first_ = false;
  if (!codec::GzipStream::begins(piece)) return more;
  gzip_ = std::make_unique<codec::GzipStream>();
  packed_ = std::move(piece);
  packed_left_ = packed_;
  return read_unpacked(piece);
}

Result<bool> ImportFile::read_unpacked(std::string& piece) {
  for (;;) {
    if (const Status decoded = gzip_->decode(packed_left_, piece); !decoded.ok()) {
      Error error = decoded.error();
      error.message = path_ + ": " + error.message;
      return error;
    }
    if (!piece.empty()) return true;
    if (!packed_left_.empty()) continue;
    auto more = read_raw(packed_);
    if (!more.ok()) return more.error();
    packed_left_ = packed_;
    if (*more) continue;
    if (gzip_->is_at_boundary()) return false;
    return make_error(ErrorCode::kDamaged, ErrorOrigin::kClient, path_ + ": gzip: the file is cut");
  }
}

}  // namespace banyan::app
