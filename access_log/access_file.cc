// SPDX-License-Identifier: Apache-2.0
#include "access_log/access_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

namespace banyan::access_log {
namespace {

std::uint64_t count_lines(std::string_view text) {
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

Result<AccessFile> AccessFile::open(const std::string& path) {
  int fd = -1;
  if (path == "-") {
    fd = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
  } else {
    // Non-blocking for the sake of a named pipe without a reader; regular files do not mind.
    fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                0640);
  }
  if (fd < 0) {
    return error_from_errno(
        errno, ErrorOrigin::kDisk,
        "access_log.path: cannot open " + (path == "-" ? std::string("standard output") : path));
  }
  struct stat facts {};
  const bool is_regular = ::fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode);
  return AccessFile(fd, path, is_regular);
}

AccessFile::~AccessFile() {
  if (fd_ >= 0) ::close(fd_);
}

AccessFile::AccessFile(AccessFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      is_regular_(other.is_regular_),
      is_torn_(other.is_torn_) {}

AccessFile& AccessFile::operator=(AccessFile&& other) noexcept {
  if (this == &other) return *this;
  if (fd_ >= 0) ::close(fd_);
  fd_ = std::exchange(other.fd_, -1);
  path_ = std::move(other.path_);
  is_regular_ = other.is_regular_;
  is_torn_ = other.is_torn_;
  return *this;
}

std::size_t AccessFile::write_bytes(std::string_view bytes, std::string& failure) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    std::size_t size = bytes.size() - done;
    if (!is_regular_) {
      // A pipe that is ready takes this much without blocking.
      size = std::min<std::size_t>(size, PIPE_BUF);
      pollfd ready{fd_, POLLOUT, 0};
      const int polled = ::poll(&ready, 1, kPatienceMs);
      if (polled < 0 && errno == EINTR) continue;
      if (polled == 0) {
        failure = "nobody reads " + path_;
        return done;
      }
    }
    const ssize_t written = ::write(fd_, bytes.data() + done, size);
    if (written > 0) {
      done += static_cast<std::size_t>(written);
    } else if (written < 0 && errno != EINTR && errno != EAGAIN) {
      failure = error_from_errno(errno, ErrorOrigin::kDisk, "cannot write " + path_).message;
      return done;
    }
  }
  return done;
}

AccessFile::Outcome AccessFile::write(std::string_view lines) {
  Outcome outcome;
  if (lines.empty()) return outcome;
  if (is_torn_) {
    // The rest of a line that the disk did not take must not swallow the next one.
    if (write_bytes("\n", outcome.failure) == 0) {
      outcome.lines_lost = count_lines(lines);
      return outcome;
    }
    is_torn_ = false;
  }
  const std::size_t done = write_bytes(lines, outcome.failure);
  outcome.lines_written = count_lines(lines.substr(0, done));
  outcome.lines_lost = count_lines(lines.substr(done));
  is_torn_ = done > 0 && lines[done - 1] != '\n';
  return outcome;
}

}  // namespace banyan::access_log
