// SPDX-License-Identifier: Apache-2.0
//
// --from and --to of commands that read the log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "core/base/ids.h"

namespace banyan::app {

// A bound of a range: an offset of stream main, or a time. Neither: none was given.
struct LogBound {
  std::optional<Offset> offset;
  std::optional<std::int64_t> wall_ns;
};
// `flag` is for the message.
Result<LogBound> parse_bound(const std::string& text, const char* flag);

}  // namespace banyan::app
