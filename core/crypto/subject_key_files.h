// SPDX-License-Identifier: Apache-2.0
//
// data_dir/keys/subjects on the disk: files of entries of one size, so that one can be overwritten
// in place, and the list of erasures. docs/formats/log.md has the bytes. One thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/file_system.h"

namespace banyan::crypto {

struct SubjectKeyEntry {
  std::array<char, 16> id{};
  std::array<char, 16> token{};  // keyed, of the subject
  std::int64_t created_wall_ns = 0;
  std::array<char, 32> key{};
  std::uint64_t sequence = 0;  // in memory alone
};

class SubjectKeyFiles {
 public:
  static constexpr std::size_t kEntryBytes = 128;
  static constexpr std::size_t kEntriesMax = 8192;  // of one file
  static constexpr std::uint64_t kErasuresBytesMax = 64ULL << 20;

  SubjectKeyFiles(FileSystem& files, std::string directory, std::string_view secret);
  ~SubjectKeyFiles();

  Status make_directory();
  // Every whole entry that is there. Damaged ones (a torn end, or overwritten) are passed over.
  Status for_each(const std::function<void(const SubjectKeyEntry&)>& take);
  // Appends and syncs. After a failure the file is left as it is, and the next call begins another.
  Status append(const std::vector<SubjectKeyEntry>& entries);
  // Overwrites the entries that `is_to_go` names, torn ones too, syncs, and removes files of which
  // nothing is left. Answers how many.
  Result<std::size_t> overwrite(
      const std::function<bool(std::string_view id, std::int64_t created_wall_ns)>& is_to_go);

  // The erasures' list: of each, what was begun, and whether it was ended.
  struct Erasure {
    std::int64_t at_wall_ns = 0;
    std::vector<std::string> ids;  // 16 bytes each
    std::string by;
    bool is_ended = false;
  };
  Result<std::vector<Erasure>> erasures();
  Status begin_erasure(const Erasure& erasure);
  // Of all that were begun.
  Status end_erasures(std::int64_t at_wall_ns);

 private:
  Result<std::vector<std::string>> names();
  Status append_line(const std::string& line);
  std::string encode(const SubjectKeyEntry& entry) const;
  bool decode(std::string_view bytes, SubjectKeyEntry& entry) const;
  Status open_next();

  FileSystem& files_;
  const std::string directory_;
  std::string wrapping_key_;
  std::unique_ptr<File> file_;  // that is appended to; null: the next append begins one
  std::string file_name_;
  std::size_t entries_ = 0;  // in it
};

}  // namespace banyan::crypto
