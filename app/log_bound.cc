// SPDX-License-Identifier: Apache-2.0
#include "app/log_bound.h"

#include "core/base/clock.h"
#include "core/base/text.h"

namespace banyan::app {

Result<LogBound> parse_bound(const std::string& text, const char* flag) {
  LogBound bound;
  if (text.empty()) return bound;
  if (const auto offset = parse_u64(text)) {
    bound.offset = Offset{*offset};
    return bound;
  }
  bound.wall_ns = parse_time(text, SystemClock::instance().wall_ns());
  if (bound.wall_ns) return bound;
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kInternal,
                    std::string(flag) + ": \"" + escape_for_terminal(text) +
                        "\" is neither an offset nor a time (RFC 3339, or -15m)");
}

}  // namespace banyan::app
