// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace banyan::access_log {

enum class Format : std::uint8_t { kJson, kEcs, kCommon, kCombined };

struct AccessLogOptions {
  std::string path;  // "": none is kept; "-": standard output
  Format format = Format::kJson;
  std::size_t lane_bytes_max = 1 << 20;  // of one worker, waiting for the disk; past it lines drop
  bool operator==(const AccessLogOptions&) const = default;
};

}  // namespace banyan::access_log
