// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/file_system.h"

namespace banyan::app {

// Where an export goes: standard output, or a file that appears under its name when it is whole. A
// file that was not finished is removed. One thread.
class ExportFile {
 public:
  // "" and "-": standard output.
  static Result<std::unique_ptr<ExportFile>> open(FileSystem& files, const std::string& path);
  ~ExportFile();
  ExportFile(const ExportFile&) = delete;
  ExportFile& operator=(const ExportFile&) = delete;

  Status write(std::string_view bytes);
  // Everything was written: syncs and renames.
  Status finish();
  // Who read our standard output has gone; not an error.
  bool is_reader_gone() const { return is_reader_gone_; }
  std::uint64_t bytes() const { return position_; }

 private:
  ExportFile(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}
  std::string temporary() const { return path_ + ".tmp"; }

  FileSystem& files_;
  const std::string path_;  // "" for standard output
  std::unique_ptr<File> file_;
  std::uint64_t position_ = 0;
  bool is_reader_gone_ = false;
  bool is_finished_ = false;
};

}  // namespace banyan::app
