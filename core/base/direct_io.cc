// SPDX-License-Identifier: Apache-2.0
#include "core/base/direct_io.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/base/check.h"

namespace banyan {
namespace {

// One huge page of x86-64, and of arm64 with pages of 4 KiB.
constexpr std::size_t kStepBytes = 2U << 20;
// Writes from which on the rate counts, and the memory does not.
constexpr std::size_t kHugeBytesMin = 256U << 10;

struct Free {
  void operator()(char* memory) const { std::free(memory); }
};

std::unique_ptr<char, Free> make_buffer(std::size_t alignment) {
  auto* const buffer = static_cast<char*>(std::aligned_alloc(alignment, kStepBytes));
  CHECK(buffer != nullptr);
  return std::unique_ptr<char, Free>(buffer);
}

// Of this thread. It takes the memory that the largest transfer needed.
char* aligned_buffer() {
  thread_local const auto buffer = make_buffer(kDirectBlockBytes);
  return buffer.get();
}

// Likewise, but one piece of physical memory at once, where the kernel has one: a transfer is then
// a single segment for the disk instead of one per page, which doubles the rate of a virtual disk.
char* huge_buffer() {
  thread_local const auto buffer = [] {
    auto made = make_buffer(kStepBytes);
    (void)::madvise(made.get(), kStepBytes, MADV_HUGEPAGE);
    return made;
  }();
  return buffer.get();
}

bool is_same_file(int a, int b) {
  struct stat info_a {};
  struct stat info_b {};
  return ::fstat(a, &info_a) == 0 && ::fstat(b, &info_b) == 0 && info_a.st_dev == info_b.st_dev &&
         info_a.st_ino == info_b.st_ino;
}

}  // namespace

PieceWalk::PieceWalk(const std::vector<std::string_view>& pieces) : pieces_(pieces) {
  for (const std::string_view piece : pieces) left_ += piece.size();
}

void PieceWalk::copy(char* out, std::size_t size) {
  CHECK(size <= left_);
  left_ -= size;
  while (size > 0) {
    const std::string_view rest = pieces_[piece_].substr(at_);
    const std::size_t of_this = std::min(size, rest.size());
    std::memcpy(out, rest.data(), of_this);
    out += of_this;
    size -= of_this;
    at_ += of_this;
    if (at_ < pieces_[piece_].size()) continue;
    ++piece_;
    at_ = 0;
  }
}

std::unique_ptr<DirectIo> DirectIo::open(const std::string& path, int fd) {
  const int access = ::fcntl(fd, F_GETFL);
  if (access < 0) return nullptr;
  const int direct = ::open(path.c_str(), (access & O_ACCMODE) | O_DIRECT | O_CLOEXEC);
  if (direct < 0) return nullptr;
  std::unique_ptr<DirectIo> io(new DirectIo(direct));
  if (!is_same_file(fd, direct)) return nullptr;
  return io;
}

DirectIo::~DirectIo() { ::close(fd_); }

bool DirectIo::write(off_t& at, PieceWalk& pieces, std::string_view& refused) {
  char* const buffer = pieces.left() >= kHugeBytesMin ? huge_buffer() : aligned_buffer();
  while (pieces.left() >= kDirectBlockBytes) {
    const std::size_t step =
        std::min(kStepBytes, pieces.left() / kDirectBlockBytes * kDirectBlockBytes);
    pieces.copy(buffer, step);
    std::size_t done = 0;
    while (done < step) {
      const ssize_t written =
          ::pwrite(fd_, buffer + done, step - done, at + static_cast<off_t>(done));
      if (written < 0 && errno == EINTR) continue;
      const bool is_whole =
          written > 0 && static_cast<std::size_t>(written) % kDirectBlockBytes == 0;
      if (is_whole) {
        done += static_cast<std::size_t>(written);
        continue;
      }
      if (written < 0 && errno != EINVAL) return false;
      // It refuses, or stopped inside a block: the cache takes the rest from there on.
      if (written < 0) is_usable_.store(false, std::memory_order_relaxed);
      at += static_cast<off_t>(done);
      refused = std::string_view(buffer + done, step - done);
      return true;
    }
    at += static_cast<off_t>(step);
  }
  return true;
}

ssize_t DirectIo::read(off_t at, char* out, std::size_t size) {
  char* const buffer = aligned_buffer();
  std::size_t done = 0;
  while (done < size) {
    const off_t place = at + static_cast<off_t>(done);
    const off_t begin = place - place % static_cast<off_t>(kDirectBlockBytes);
    const auto skipped = static_cast<std::size_t>(place - begin);
    const std::size_t wanted =
        std::min(kStepBytes, (skipped + size - done + kDirectBlockBytes - 1) / kDirectBlockBytes *
                                 kDirectBlockBytes);
    const ssize_t got = ::pread(fd_, buffer, wanted, begin);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      if (errno == EINVAL) is_usable_.store(false, std::memory_order_relaxed);
      return -1;
    }
    if (static_cast<std::size_t>(got) <= skipped) break;
    const std::size_t useful = std::min(static_cast<std::size_t>(got) - skipped, size - done);
    std::memcpy(out + done, buffer + skipped, useful);
    done += useful;
    if (static_cast<std::size_t>(got) < wanted) break;
  }
  return static_cast<ssize_t>(done);
}

}  // namespace banyan
