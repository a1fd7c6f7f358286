// SPDX-License-Identifier: Apache-2.0
//
// A look at refused bytes that cannot show a secret: every letter and digit is masked but those of
// a few words of the protocol, so that only the shape stays: "Transfer-Encoding: xxxx\x0b\r\n".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace banyan::http {

inline constexpr std::size_t kSampleBytesMax = 48;

// Of `bytes` the part around `position`. Printable ASCII.
std::string masked_sample(std::string_view bytes, std::size_t position);

}  // namespace banyan::http
