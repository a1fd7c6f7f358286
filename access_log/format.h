// SPDX-License-Identifier: Apache-2.0
//
// One line per exchange, in four formats. Whatever a peer sent, a line stays one line and each
// field stays in its place. Pure; any thread.
#pragma once

#include <cstddef>
#include <string>

#include "access_log/options.h"
#include "proxy/access_entry.h"

namespace banyan::access_log {

// Of the target, and of referer and user agent each; what is longer is cut and ends in "…".
inline constexpr std::size_t kTargetBytesMax = 4096;
inline constexpr std::size_t kFieldBytesMax = 1024;

// Appends the line with its line feed.
void append_line(Format format, const proxy::AccessEntry& entry, std::string& out);

}  // namespace banyan::access_log
