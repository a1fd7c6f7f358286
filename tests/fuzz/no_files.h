// SPDX-License-Identifier: Apache-2.0
//
// The least disk a key ring needs, for fuzz targets: files in a map, nothing ever fails.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/file_system.h"

namespace banyan::fuzz {

class OneFolder final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, Mode mode) override {
    if (!files_.contains(path)) {
      if (mode != Mode::kCreateNew && mode != Mode::kCreateOrOpen) {
        return make_error(ErrorCode::kNotFound, ErrorOrigin::kDisk, path);
      }
      files_[path] = std::make_shared<std::string>();
    }
    return std::unique_ptr<File>(std::make_unique<Held>(files_[path]));
  }
  Status make_directories(const std::string&) override { return {}; }
  Status rename(const std::string& from, const std::string& to) override {
    files_[to] = std::exchange(files_[from], nullptr);
    files_.erase(from);
    return {};
  }
  Status remove(const std::string& path) override {
    files_.erase(path);
    return {};
  }
  Result<std::vector<std::string>> list(const std::string&) override {
    return std::vector<std::string>();
  }
  bool exists(const std::string& path) override { return files_.contains(path); }
  Status sync_directory(const std::string&) override { return {}; }
  Result<std::unique_ptr<FileLock>> lock(const std::string&) override {
    return std::unique_ptr<FileLock>(std::make_unique<FileLock>());
  }
  Result<Space> space(const std::string&) override { return Space{}; }

 private:
  class Held final : public File {
   public:
    explicit Held(std::shared_ptr<std::string> bytes) : bytes_(std::move(bytes)) {}
    Status write_at(Position position, std::string_view bytes) override {
      bytes_->resize(std::max<std::size_t>(bytes_->size(), position.value + bytes.size()));
      bytes_->replace(position.value, bytes.size(), bytes);
      return {};
    }
    Status read_at(Position position, std::size_t size, std::string& out) const override {
      out = position.value < bytes_->size() ? bytes_->substr(position.value, size) : std::string();
      return {};
    }
    Result<std::uint64_t> size() const override { return std::uint64_t{bytes_->size()}; }
    Status truncate(std::uint64_t size) override {
      bytes_->resize(size);
      return {};
    }
    Status reserve(std::uint64_t) override { return {}; }
    Status sync() override { return {}; }

   private:
    const std::shared_ptr<std::string> bytes_;
  };

  std::map<std::string, std::shared_ptr<std::string>> files_;
};

}  // namespace banyan::fuzz
