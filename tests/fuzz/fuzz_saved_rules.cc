// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a file of saved rules, as they are and with a checksum that holds: never crashes,
// and what is accepted survives encode and decode.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "comparator/rule_options.h"
#include "comparator/saved_rules.h"
#include "core/base/hash.h"
#include "core/base/text.h"

namespace {

using banyan::comparator::decode_saved_rules;
using banyan::comparator::encode_saved_rules;

void check(std::string_view text) {
  const auto rules = decode_saved_rules(text);
  if (!rules.ok()) return;
  const std::string normal = encode_saved_rules(*rules);
  const auto again = decode_saved_rules(normal);
  if (!again.ok() || encode_saved_rules(*again) != normal) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text);
  std::string content(text.substr(0, text.rfind("checksum ")));
  const std::uint64_t checksum = banyan::xxh3_64(content);
  content += "checksum " + banyan::hex_of_u64(checksum) + "\n";
  check(content);
  (void)banyan::comparator::tolerance_of(text);
  (void)banyan::comparator::unordered_of(text);
  (void)banyan::comparator::parse_expiry(text, 1);
  return 0;
}
