// SPDX-License-Identifier: Apache-2.0
//
// The formats by name, and which one a file is. docs/formats/interchange.md says what each holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace banyan::interchange {

enum class Format : std::uint8_t {
  kHar,      // HTTP Archive 1.2: one JSON document; for browsers and people
  kCurl,     // a shell script; export only
  kNdjson,   // one exchange a line, ECS names; holds everything
  kGor,      // GoReplay's files
  kCapture,  // lines of OpenSearch Migrations' capture proxy; import only
};

std::string_view to_string(Format format);
std::optional<Format> parse_format(std::string_view name);

// By the first bytes of a file (some hundred are enough); nullopt where they fit none. kCurl is
// never found.
std::optional<Format> detect_format(std::string_view beginning);

}  // namespace banyan::interchange
