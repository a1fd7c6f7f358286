// SPDX-License-Identifier: Apache-2.0
#include "core/codec/zstd_block.h"

#include <zstd.h>

#include <memory>

namespace banyan::codec {
namespace {

constexpr int kLevel = 1;

// Setting a context up costs more than a small block.
ZSTD_CCtx* compressor() {
  struct Free {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  };
  thread_local const std::unique_ptr<ZSTD_CCtx, Free> context(ZSTD_createCCtx());
  return context.get();
}

ZSTD_DCtx* decompressor() {
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  thread_local const std::unique_ptr<ZSTD_DCtx, Free> context(ZSTD_createDCtx());
  return context.get();
}

Error damaged(const std::string& what) {
  return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk, "zstd: " + what);
}

}  // namespace

std::size_t zstd_compress(std::string_view bytes, std::string& out) {
  if (bytes.size() < 2 || bytes.size() > kZstdBytesMax || compressor() == nullptr) return 0;
  const std::size_t before = out.size();
  const std::size_t room = bytes.size() - 1;
  out.resize(before + room);
  const std::size_t made = ZSTD_compressCCtx(compressor(), out.data() + before, room, bytes.data(),
                                             bytes.size(), kLevel);
  out.resize(before + (ZSTD_isError(made) != 0 ? 0 : made));
  return out.size() - before;
}

Result<std::string> zstd_decompress(std::string_view block, std::size_t size) {
  if (size > kZstdBytesMax || block.size() > kZstdBytesMax) {
    return damaged("a block of " + std::to_string(size) + " bytes is over the limit of " +
                   std::to_string(kZstdBytesMax));
  }
  if (decompressor() == nullptr) {
    return make_error(ErrorCode::kExhausted, ErrorOrigin::kInternal, "zstd: out of memory");
  }
  std::string out(size, '\0');
  const std::size_t made =
      ZSTD_decompressDCtx(decompressor(), out.data(), size, block.data(), block.size());
  if (ZSTD_isError(made) != 0) return damaged("damaged block");
  if (made != size) {
    return damaged("a block holds " + std::to_string(made) + " bytes instead of " +
                   std::to_string(size));
  }
  return out;
}

}  // namespace banyan::codec
