// SPDX-License-Identifier: Apache-2.0
//
// Zstandard frames of known size, for whoever stores sizes and checksums beside them (the
// recorder). Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace banyan::codec {

// Larger blocks are refused in both directions.
inline constexpr std::size_t kZstdBytesMax = 256ULL << 20;

// Appends the compressed block (level 1) and answers its size; 0 (nothing appended) where it would
// not be smaller than `bytes`, or past kZstdBytesMax: store the bytes as they are then.
std::size_t zstd_compress(std::string_view bytes, std::string& out);

// The block must decompress to exactly `size` bytes. kDamaged otherwise.
Result<std::string> zstd_decompress(std::string_view block, std::size_t size);

}  // namespace banyan::codec
