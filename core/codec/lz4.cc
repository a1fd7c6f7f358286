// SPDX-License-Identifier: Apache-2.0
#include "core/codec/lz4.h"

#include <lz4.h>

namespace banyan::codec {

static_assert(kLz4BytesMax <= LZ4_MAX_INPUT_SIZE);

std::size_t lz4_compress(std::string_view bytes, std::string& out) {
  if (bytes.size() < 2 || bytes.size() > kLz4BytesMax) return 0;
  const std::size_t before = out.size();
  const std::size_t room = bytes.size() - 1;
  out.resize(before + room);
  const int made = LZ4_compress_default(bytes.data(), out.data() + before,
                                        static_cast<int>(bytes.size()), static_cast<int>(room));
  out.resize(before + static_cast<std::size_t>(made > 0 ? made : 0));
  return out.size() - before;
}

Result<std::string> lz4_decompress(std::string_view block, std::size_t size) {
  if (size > kLz4BytesMax || block.size() > kLz4BytesMax) {
    return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk,
                      "lz4: a block of " + std::to_string(size) + " bytes is over the limit of " +
                          std::to_string(kLz4BytesMax));
  }
  std::string out(size, '\0');
  const int made = LZ4_decompress_safe(block.data(), out.data(), static_cast<int>(block.size()),
                                       static_cast<int>(size));
  if (made < 0) return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk, "lz4: damaged block");
  if (static_cast<std::size_t>(made) != size) {
    return make_error(
        ErrorCode::kDamaged, ErrorOrigin::kDisk,
        "lz4: a block holds " + std::to_string(made) + " bytes instead of " + std::to_string(size));
  }
  return out;
}

}  // namespace banyan::codec
