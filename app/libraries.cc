// SPDX-License-Identifier: Apache-2.0
#include "app/libraries.h"

#include "core/base/text.h"
#include "core/net/library_versions.h"

namespace banyan::app {

std::vector<std::pair<std::string, std::string>> linked_libraries() {
  return net::library_versions();
}

const std::vector<KnownBad>& known_bad_packages() {
  static const std::vector<KnownBad> kKnown = {
      {"libnghttp2-14", "1.52.0-1", 3,
       "rapid reset and CONTINUATION floods (CVE-2023-44487, CVE-2024-28182, CVE-2026-27135)"},
  };
  return kKnown;
}

bool is_known_bad(const KnownBad& known, std::string_view version) {
  if (version.substr(0, known.base.size()) != known.base) return false;
  const std::string_view rest = version.substr(known.base.size());
  if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return false;  // another revision
  constexpr std::string_view kUpdate = "+deb12u";
  if (rest.substr(0, kUpdate.size()) != kUpdate) return rest.empty();
  std::size_t digits = kUpdate.size();
  while (digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9') ++digits;
  const auto update = parse_u64(rest.substr(kUpdate.size(), digits - kUpdate.size()));
  return !update || *update < static_cast<std::uint64_t>(known.fixed_in_update);
}

std::optional<std::string> version_in_status(std::string_view status, std::string_view package) {
  bool is_ours = false, is_installed = false;
  std::string version;
  while (!status.empty()) {
    const std::size_t end = status.find('\n');
    const std::string_view line = status.substr(0, end);
    status = end == std::string_view::npos ? std::string_view() : status.substr(end + 1);
    if (line.empty() || status.empty()) {
      if (is_ours && is_installed && !version.empty()) return version;
      if (line.empty()) {
        is_ours = is_installed = false;
        version.clear();
        continue;
      }
    }
    if (line.rfind("Package: ", 0) == 0) {
      is_ours = trim(line.substr(9)) == package;
    } else if (is_ours && line.rfind("Status: ", 0) == 0) {
      is_installed = line.find(" installed") != std::string_view::npos;
    } else if (is_ours && line.rfind("Version: ", 0) == 0) {
      version = std::string(trim(line.substr(9)));
    }
  }
  if (is_ours && is_installed && !version.empty()) return version;
  return std::nullopt;
}

}  // namespace banyan::app
