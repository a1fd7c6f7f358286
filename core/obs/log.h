// SPDX-License-Identifier: Apache-2.0
//
// The operator's log (stderr, spdlog behind it): one line per event, control bytes escaped, never a
// secret or a payload. A reader of stderr that does not keep up costs lines, counted, and never
// holds a thread for longer than kLogPatience. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace banyan::obs {

enum class Level { kDebug, kInfo, kWarning, kError };

inline constexpr std::chrono::milliseconds kLogPatience{20};
inline constexpr std::size_t kLogMessageBytesMax = 2048;  // longer messages are cut
// Lines are at most this long, so that a pipe that is ready takes one without blocking (PIPE_BUF).
inline constexpr std::size_t kLogLineBytesMax = 4096;

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

// Lines that could not be written because stderr was full or gone.
std::uint64_t log_lines_lost();

// Writes to `fd` (borrowed) instead of stderr; -1 for stderr again.
void set_log_descriptor_for_test(int fd);

}  // namespace banyan::obs
