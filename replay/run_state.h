// SPDX-License-Identifier: Apache-2.0
//
// A run on disk: state/runs/<id>, text lines "key value", replaced as a whole. What was sent stands
// in the log (SHADOW records with the run's id), so the file needs no journal of its own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/file_system.h"
#include "replay/runs.h"

namespace banyan::replay {

struct StoredRun {
  RunStatus status;
  model::Cursor until;  // exchanges behind it came after the run was asked for
};

std::string to_text(const StoredRun& run);
// kDamaged for anything that to_text() does not write.
Result<StoredRun> parse_stored_run(std::string_view text);

std::string_view to_string(RunKind kind);
std::string_view to_string(RunOnly only);
std::string_view to_string(RunState state);

// One thread at a time.
class RunStore {
 public:
  static constexpr std::uint64_t kFileBytesMax = 1U << 20;

  RunStore(FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}
  Status save(const StoredRun& run);
  // Every run that can be read, by id; others are named in `warnings`.
  Result<std::vector<StoredRun>> load_all(std::vector<std::string>& warnings);

 private:
  FileSystem& files_;
  const std::string directory_;
};

}  // namespace banyan::replay
