// SPDX-License-Identifier: Apache-2.0
//
// The operator's log (stderr, spdlog behind it): one line per event, control bytes escaped, never a
// secret or a payload. Any thread.
#pragma once

#include <string_view>

namespace banyan::obs {

enum class Level { kDebug, kInfo, kWarning, kError };

void set_log_level(Level level);
// `where` is the room: "recorder", "proxy" …
void log(Level level, std::string_view where, std::string_view message);
inline void log_info(std::string_view where, std::string_view message) {
  log(Level::kInfo, where, message);
}
inline void log_warning(std::string_view where, std::string_view message) {
  log(Level::kWarning, where, message);
}
inline void log_error(std::string_view where, std::string_view message) {
  log(Level::kError, where, message);
}

}  // namespace banyan::obs
