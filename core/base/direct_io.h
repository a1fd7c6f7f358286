// SPDX-License-Identifier: Apache-2.0
//
// Transfers of one file around the page cache (O_DIRECT): a page of the cache costs more than the
// disk does where large pieces are written once. Whole blocks only; the rest is the caller's.
// Any thread: each brings an aligned buffer of its own, made at its first transfer.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace banyan {

// Memory, places and sizes are multiples of it; a disk with larger blocks refuses and gets none.
inline constexpr std::size_t kDirectBlockBytes = 4096;
// Smaller transfers are cheaper through the cache, where readers find them.
inline constexpr std::size_t kDirectBytesMin = 64U << 10;

// Takes bytes from pieces that lie one after the other.
class PieceWalk {
 public:
  explicit PieceWalk(const std::vector<std::string_view>& pieces);
  std::size_t left() const { return left_; }
  // At most left().
  void copy(char* out, std::size_t size);

 private:
  const std::vector<std::string_view>& pieces_;
  std::size_t piece_ = 0;
  std::size_t at_ = 0;  // in that piece
  std::size_t left_ = 0;
};

class DirectIo {
 public:
  // A second descriptor of the file that `fd` is; null where there is none to be had.
  static std::unique_ptr<DirectIo> open(const std::string& path, int fd);
  ~DirectIo();
  DirectIo(const DirectIo&) = delete;
  DirectIo& operator=(const DirectIo&) = delete;

  // False once the disk has refused such a transfer.
  bool is_usable() const { return is_usable_.load(std::memory_order_relaxed); }

  // Writes whole blocks at `at` as long as `pieces` has them, and moves `at` behind them. False
  // with errno where a write failed. Where the disk refuses the kind, `refused` holds what was
  // taken from the pieces and not written.
  bool write(off_t& at, PieceWalk& pieces, std::string_view& refused);

  // Reads [at, at + size) by whole blocks; fewer bytes only at the end of the file. -1 with errno.
  // EINVAL: the disk refuses the kind.
  ssize_t read(off_t at, char* out, std::size_t size);

 private:
  explicit DirectIo(int fd) : fd_(fd) {}
  const int fd_;
  std::atomic<bool> is_usable_{true};
};

}  // namespace banyan
