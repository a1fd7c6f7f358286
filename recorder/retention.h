// SPDX-License-Identifier: Apache-2.0
//
// Which sealed segments may go. Pure; the sequencer acts on it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/file_system.h"
#include "recorder/catalog.h"
#include "recorder/options.h"

namespace banyan::recorder {

struct RetentionInput {
  std::vector<std::shared_ptr<Segment>> segments;  // the last one is being written and stays
  std::int64_t now_wall_ns = 0;
  std::optional<Offset> pinned;  // age keeps what lies at or behind it
  std::optional<FileSystem::Space> space;
};

// The first `count` segments go. Age waits for pinning cursors, size and free space do not.
std::size_t count_expired(const RetentionInput& input, const RecorderOptions& options);

}  // namespace banyan::recorder
