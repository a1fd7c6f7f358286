// SPDX-License-Identifier: Apache-2.0
//
// GoReplay's files (docs/formats/interchange.md): what both sides of it share.
#pragma once

#include <string_view>

namespace banyan::interchange {

// Behind every payload. Nothing escapes it: a payload that holds it cannot be written.
inline constexpr std::string_view kGorSeparator =
    "\n\xF0\x9F\x90\xB5\xF0\x9F\x99\x88\xF0\x9F\x99\x89\n";

enum class GorType : char { kRequest = '1', kResponse = '2', kReplayed = '3' };

}  // namespace banyan::interchange
