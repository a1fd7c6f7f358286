// SPDX-License-Identifier: Apache-2.0
//
// What a start finds in a stream's folder: tells a torn tail from damage, never cuts durable data.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/base/error.h"
#include "core/base/file_system.h"
#include "recorder/catalog.h"
#include "recorder/meta.h"
#include "recorder/recorder.h"

namespace banyan::recorder {

inline constexpr std::uint64_t kReserveStep = 1ULL << 20;
inline constexpr std::size_t kQuarantineFilesMax = 16;

struct Recovered {
  StreamMeta meta;      // as it stands; the epoch is still the previous one
  Offset previous_end;  // behind the last record that is kept
  Offset next;          // where the numbering goes on
  std::int64_t last_append_wall_ns = 0;
  Chain chain{};  // of the last batch that is kept, where batches are chained
  RecoveryReport report;
};

// Fills the empty catalog. Holds the stream's lock already. Needs no key: a batch is judged by its
// checksums.
Result<Recovered> recover_stream(FileSystem& files, Catalog& catalog);

// Moves a file aside into the stream's quarantine/, which keeps the newest few.
Status quarantine_file(FileSystem& files, const std::string& stream_directory,
                       const std::string& path, const std::string& name);

}  // namespace banyan::recorder
