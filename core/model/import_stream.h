// SPDX-License-Identifier: Apache-2.0
//
// The streams of the log that `log import` writes. What is in them did not come through this
// Banyan: it is read, replayed and compared as everything else, but no total of admitted exchanges
// counts it.
#pragma once

#include <string_view>

namespace banyan::model {

inline constexpr std::string_view kImportStream = "import";

inline bool is_imported(std::string_view stream) { return stream.starts_with(kImportStream); }

}  // namespace banyan::model
