// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a record: what decodes encodes to something that decodes to the same.
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/check.h"
#include "core/model/record_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto peeked = banyan::model::peek(bytes);
  const auto decoded = banyan::model::decode(bytes);
  if (!decoded.ok()) return 0;
  CHECK(peeked.ok());
  std::string once;
  banyan::model::encode(*decoded, once);
  const auto again = banyan::model::decode(once);
  CHECK(again.ok());
  std::string twice;
  banyan::model::encode(*again, twice);
  CHECK(once == twice);
  CHECK(banyan::model::peek(once)->exchange == peeked->exchange);
  return 0;
}
