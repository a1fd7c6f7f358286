// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a routing state file, as they are and with a checksum that holds: never crashes, and
// what is accepted survives encode and decode.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/base/hash.h"
#include "core/base/text.h"
#include "routing/path_pattern.h"
#include "routing/state_file.h"

namespace {

void check(std::string_view text) {
  const auto state = banyan::routing::decode_state(text);
  if (!state.ok()) return;
  const auto again = banyan::routing::decode_state(banyan::routing::encode_state(*state));
  if (!again.ok() || !(*again == *state)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text);
  std::string content(text.substr(0, text.rfind("checksum ")));
  const std::uint64_t checksum = banyan::xxh3_64(content);
  content += "checksum " + banyan::hex_of_u64(checksum) + "\n";
  check(content);
  // The normal form of a path is its own normal form.
  banyan::routing::NormalPath path, again;
  path.assign(text);
  const std::string normal = path.to_string();
  again.assign(normal);
  if (text.find('%') == std::string_view::npos && again.to_string() != normal) std::abort();
  const auto pattern = banyan::routing::PathPattern::compile(text.substr(0, text.find('\n')));
  if (pattern.ok()) (void)pattern->matches(path);
  return 0;
}
