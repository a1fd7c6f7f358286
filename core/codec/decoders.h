// SPDX-License-Identifier: Apache-2.0
//
// One function per coding, for decode_content alone. Each appends to `out` and stops with
// kExhausted before `out` would pass `bytes_max`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace banyan::codec {

// Bytes a decoder may add in one step.
inline constexpr std::size_t kDecodeStepBytes = 64 * 1024;

Status decode_gzip(std::string_view bytes, std::size_t bytes_max, std::string& out);
Status decode_deflate(std::string_view bytes, std::size_t bytes_max, std::string& out);
Status decode_brotli(std::string_view bytes, std::size_t bytes_max, std::string& out);
Status decode_zstd(std::string_view bytes, std::size_t bytes_max, std::string& out);

Error malformed(std::string_view coding, std::string_view what);
Error too_large(std::string_view coding, std::size_t bytes_max);

}  // namespace banyan::codec
