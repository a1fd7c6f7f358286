// SPDX-License-Identifier: Apache-2.0
//
// Where lines go: a file that is appended to, a pipe, or standard output. Blocks; for the writing
// thread alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace banyan::access_log {

class AccessFile {
 public:
  // Makes the file if need be (mode 0640 less the umask). "-" is standard output.
  static Result<AccessFile> open(const std::string& path);
  AccessFile() = default;
  ~AccessFile();
  AccessFile(AccessFile&& other) noexcept;
  AccessFile& operator=(AccessFile&& other) noexcept;

  bool is_open() const { return fd_ >= 0; }
  // Writes whole lines. Bytes that a full disk, or a reader that does not read for kPatienceMs, did
  // not take are gone; the answer tells how many lines that cost, and the next line starts on its
  // own.
  struct Outcome {
    std::uint64_t lines_written = 0;
    std::uint64_t lines_lost = 0;
    std::string failure;  // "" where all went out
  };
  Outcome write(std::string_view lines);

  static constexpr int kPatienceMs = 1000;

 private:
  explicit AccessFile(int fd, std::string path, bool is_regular)
      : fd_(fd), path_(std::move(path)), is_regular_(is_regular) {}
  // Bytes taken; fewer than given only with `failure` set.
  std::size_t write_bytes(std::string_view bytes, std::string& failure);

  int fd_ = -1;
  std::string path_;
  bool is_regular_ = true;
  bool is_torn_ = false;  // the last byte written is inside of a line
};

}  // namespace banyan::access_log
