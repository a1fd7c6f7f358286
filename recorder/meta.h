// SPDX-License-Identifier: Apache-2.0
//
// The small text files beside the segments: a stream's meta and the consumers' cursors.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "core/base/file_system.h"
#include "core/base/ids.h"
#include "core/model/record_io.h"
#include "recorder/log_keys.h"

namespace banyan::recorder {

struct StreamMeta {
  std::string uuid;  // 16 bytes
  std::uint16_t node = 0;
  Epoch epoch;
  Offset reserved;  // no record has an offset at or above this
  bool is_clean = false;
  Offset end;     // the next offset, where is_clean
  Chain chain{};  // of the last batch, where is_clean and batches are chained
};

// A random uuid and node.
StreamMeta make_stream_meta();
// kNotFound where there is none, kDamaged where it is not whole, kUnsupported for another version.
Result<StreamMeta> load_stream_meta(FileSystem& files, const std::string& stream_directory);
Status store_stream_meta(FileSystem& files, const std::string& stream_directory,
                         const StreamMeta& meta);

struct StoredCursor {
  model::Cursor cursor;
  bool pins = false;
};

bool is_consumer_name(std::string_view name);
Result<StoredCursor> load_cursor_file(FileSystem& files, const std::string& log_directory,
                                      std::string_view consumer);
Status store_cursor_file(FileSystem& files, const std::string& log_directory,
                         std::string_view consumer, const StoredCursor& stored);

std::uint64_t random_u64();

}  // namespace banyan::recorder
