// SPDX-License-Identifier: Apache-2.0
//
// Puts HTTP content codings on a body again, for a body that was decoded, changed and has to fit
// its Content-Encoding field. Made for short bodies: fast rather than small. The same input gives
// the same output. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "core/base/error.h"

namespace banyan::codec {

// `coding` as for decode_content(), which is its inverse. kUnsupported for another one, kExhausted
// where a library gives up.
Result<std::string> encode_content(std::string_view coding, std::string_view bytes);

}  // namespace banyan::codec
