// SPDX-License-Identifier: Apache-2.0
//
// LZ4 blocks: no frame, no checksum, no size inside; whoever stores a block stores those. Any
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace banyan::codec {

// Larger blocks are refused in both directions.
inline constexpr std::size_t kLz4BytesMax = 256ULL << 20;

// Appends the compressed block and answers its size; 0 (nothing appended) where it would not be
// smaller than `bytes`, or past kLz4BytesMax: store the bytes as they are then.
std::size_t lz4_compress(std::string_view bytes, std::string& out);

// The block must decompress to exactly `size` bytes. kDamaged otherwise.
Result<std::string> lz4_decompress(std::string_view block, std::size_t size);

}  // namespace banyan::codec
