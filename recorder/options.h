// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "recorder/log_keys.h"

namespace banyan::recorder {

struct RecorderOptions {
  std::string directory;        // data_dir/log
  std::string stream = "main";  // log/<stream>/
  std::uint64_t segment_bytes = 256ULL << 20;
  std::int64_t flush_interval_ns = 50'000'000;
  std::int64_t retention_age_ns = 7LL * 24 * 3600 * 1'000'000'000;
  std::uint64_t retention_bytes = 50ULL << 30;
  double min_free_ratio = 0.05;               // of the disk; or
  std::uint64_t min_free_bytes = 0;           // where a size was configured
  std::uint64_t lane_bytes_max = 4ULL << 20;  // accepted and not yet written, per lane
  // Memory of the newest cuts that readers take without the disk; 0: none. Some flush intervals of
  // a busy log, so that readers of what is durable find their place as well.
  std::uint64_t tail_bytes_max = 16ULL << 20;
  enum class Compression { kNone, kLz4, kZstd };
  Compression compression = Compression::kNone;
  std::shared_ptr<const LogKeys> keys = LogKeys::none();
  bool encrypts = false;  // batches, by data keys that the first of `keys` wraps
  bool chains = false;    // batches, so that a change of history shows
};

}  // namespace banyan::recorder
