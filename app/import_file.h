// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/base/error.h"
#include "core/codec/gzip_stream.h"
#include "interchange/byte_input.h"

namespace banyan::app {

// A file to import, or standard input ("-"). What is gzip is unpacked on the way. One thread.
class ImportFile final : public interchange::ByteInput {
 public:
  // kNotFound where there is no such file.
  static Result<std::unique_ptr<ImportFile>> open(const std::string& path);
  ~ImportFile() override;
  ImportFile(const ImportFile&) = delete;
  ImportFile& operator=(const ImportFile&) = delete;

  Result<bool> read(std::string& piece) override;
  std::uint64_t bytes_read() const { return bytes_read_; }  // of the file as it lies there
  std::uint64_t size() const { return size_; }              // 0 where it is not known

 private:
  ImportFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  Result<bool> read_raw(std::string& piece);
  Result<bool> read_unpacked(std::string& piece);

  const int fd_;
  const std::string path_;
  std::uint64_t bytes_read_ = 0;
  std::uint64_t size_ = 0;
  bool is_first_ = true;
  std::unique_ptr<codec::GzipStream> gzip_;
  std::string packed_;
  std::string_view packed_left_;
};

}  // namespace banyan::app
