// SPDX-License-Identifier: Apache-2.0
//
// Any text as a config: never crashes, and every problem it tells of can be printed.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // No files of this machine are read for a fuzzer.
  if (text.find("${file:") != std::string_view::npos) return 0;
  const auto result = banyan::config::load_text(text, "fuzz.toml", {});
  for (const auto& found : result.diagnostics) {
    if (found.to_text().empty()) std::abort();
  }
  // The same bytes as an override of a good file.
  const auto overridden = banyan::config::load_text(banyan::config::starter_text("", ""), "s.toml",
                                                    {std::string(text)});
  for (const auto& found : overridden.diagnostics) {
    if (found.to_text().empty()) std::abort();
  }
  return 0;
}
