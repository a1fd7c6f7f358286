// SPDX-License-Identifier: Apache-2.0
//
// Which libraries we run on, and which of Debian's packages of them are known to be bad. A
// library's own version does not tell: Debian fixes 2.1.12 without calling it 2.1.13.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"

namespace banyan::app {

std::vector<std::pair<std::string, std::string>> linked_libraries();

struct KnownBad {
  std::string_view package;  // "libnghttp2-14"
  std::string_view base;     // versions that begin so …
  int fixed_in_update;       // … are good from +deb12uN on
  std::string_view what;     // why
};
const std::vector<KnownBad>& known_bad_packages();
bool is_known_bad(const KnownBad& known, std::string_view version);

// The version of an installed package in a text like /var/lib/dpkg/status; nullopt: not installed.
std::optional<std::string> version_in_status(std::string_view status, std::string_view package);
inline constexpr const char* kDpkgStatus = "/var/lib/dpkg/status";
inline constexpr std::uint64_t kDpkgStatusBytesMax = 64ULL << 20;

}  // namespace banyan::app
