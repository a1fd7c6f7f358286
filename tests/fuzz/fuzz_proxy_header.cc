// SPDX-License-Identifier: Apache-2.0
//
// However a PROXY header is cut, it is read the same; nothing behind it is taken.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/check.h"
#include "core/net/proxy_header_reader.h"

using banyan::net::ProxyHeaderReader;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ProxyHeaderReader whole;
  std::string_view rest = bytes;
  const auto outcome = whole.next(rest);

  ProxyHeaderReader cut;
  auto cut_outcome = ProxyHeaderReader::Outcome::kNeedMore;
  std::size_t at = 0;
  while (at < size && cut_outcome == ProxyHeaderReader::Outcome::kNeedMore) {
    std::string_view byte = bytes.substr(at, 1);
    cut_outcome = cut.next(byte);
    if (byte.empty()) ++at;
    CHECK(byte.empty() || cut_outcome != ProxyHeaderReader::Outcome::kNeedMore);
  }
  CHECK(cut_outcome == outcome);
  CHECK(cut.client().bytes == whole.client().bytes);
  if (outcome == ProxyHeaderReader::Outcome::kDone) {
    CHECK(rest.size() == size - at);
    CHECK(size - rest.size() <= ProxyHeaderReader::kBinaryBytesMax);
    (void)whole.client().text();
  }
  return 0;
}
