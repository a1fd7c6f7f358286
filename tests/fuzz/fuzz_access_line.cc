// SPDX-License-Identifier: Apache-2.0
//
// Whatever bytes a peer sends: one line in every format, JSON that parses, fields that keep their
// place.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "access_log/format.h"
#include "core/base/check.h"
#include "core/json/value.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using banyan::access_log::Format;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  banyan::proxy::AccessEntry entry;
  entry.client = "192.0.2.1";
  entry.protocol = "HTTP/1.1";
  entry.method = bytes.substr(0, size / 4);
  entry.target = bytes.substr(size / 4);
  entry.referer = bytes.substr(size / 2);
  entry.user_agent = bytes.substr(0, size / 2);
  entry.host = entry.server_name = bytes;
  entry.tls_version = "TLSv1.3";
  for (const Format format : {Format::kJson, Format::kEcs, Format::kCommon, Format::kCombined}) {
    std::string line;
    banyan::access_log::append_line(format, entry, line);
    CHECK(line.back() == '\n');
    CHECK(std::count(line.begin(), line.end(), '\n') == 1);
    if (format == Format::kJson || format == Format::kEcs) {
      CHECK(banyan::json::parse(line).ok());
    } else {
      CHECK(std::count(line.begin(), line.end(), '"') == (format == Format::kCommon ? 2 : 6));
      CHECK(
          std::all_of(line.begin(), line.end() - 1, [](char c) { return c >= 0x20 && c < 0x7f; }));
    }
  }
  return 0;
}
