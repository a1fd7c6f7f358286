// SPDX-License-Identifier: Apache-2.0
//
// Paths of differences that name a header or a trailer: their names are without case, and what they
// show is one finding for all endpoints of a route. For the comparator's own sources.
#pragma once

#include <string>
#include <string_view>

#include "core/base/text.h"

namespace banyan::comparator {

// The endpoint of such a finding.
inline constexpr std::string_view kEveryEndpoint = "*";

inline bool is_field(std::string_view path) {
  return path.starts_with("header:") || path.starts_with("trailer:");
}

// One spelling for all of a path.
inline std::string known_path(std::string_view path) {
  return is_field(path) ? to_lower(path) : std::string(path);
}

}  // namespace banyan::comparator
