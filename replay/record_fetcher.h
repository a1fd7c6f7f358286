// SPDX-License-Identifier: Apache-2.0
//
// Reading single records again. Reads in rising order go on from where the last one ended.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/model/record_io.h"

namespace banyan::replay {

// A cursor that reads `stream` from `from` and leaves out what all other streams hold now.
model::Cursor only_stream(const model::LogAccess& log, std::string_view stream, Offset from);

// One thread.
class RecordFetcher {
 public:
  explicit RecordFetcher(model::LogAccess& log) : log_(log) {}
  // The record at that place; valid until the next fetch. kNotFound where it was deleted (the
  // message is "retention") or damaged.
  Result<std::string_view> fetch(std::string_view stream, Offset offset);
  // Frees the source (and the segment it may keep open).
  void rest();

 private:
  // Records, and bytes of them, read over rather than opening a source anew.
  static constexpr std::uint64_t kReadOverMax = 2048;
  static constexpr std::uint64_t kReadOverBytesMax = 1U << 20;

  Status open(std::string_view stream, Offset offset);

  model::LogAccess& log_;
  std::unique_ptr<model::RecordSource> source_;
  std::string stream_;
  std::uint64_t next_ = 0;
};

}  // namespace banyan::replay
