// SPDX-License-Identifier: Apache-2.0
//
// What a client of the admin port writes: targets, filters and authorities, one kind by the first
// byte.
#include <cstdint>
#include <string>
#include <string_view>

#include "admin/gate.h"
#include "admin/http_types.h"
#include "admin/log_filter.h"
#include "core/base/check.h"
#include "core/base/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 'f') {
    const auto filter = banyan::admin::LogFilter::parse(text);
    if (filter.ok()) (void)filter->may_match({});
    return 0;
  }
  if (data[0] == 'h') {
    const auto host = banyan::admin::host_of_authority(text);
    if (host) (void)banyan::admin::is_loopback_name(*host);
    return 0;
  }
  const auto target = banyan::admin::parse_target(text);
  if (!target.ok()) return 0;
  CHECK(target->segments.size() <= banyan::admin::kSegmentsMax);
  CHECK(target->query.size() <= banyan::admin::kParametersMax);
  for (const std::string& segment : target->segments) {
    CHECK(!segment.empty() && segment != "." && segment != ".." && banyan::is_utf8(segment));
    CHECK(segment.find('\0') == std::string::npos);
  }
  return 0;
}
