// SPDX-License-Identifier: Apache-2.0
#include "core/codec/content_encoding.h"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include <limits>
#include <utility>

#include "core/base/text.h"

namespace banyan::codec {
namespace {

constexpr int kBrotliQuality = 1;
constexpr int kBrotliWindowBits = 18;
constexpr int kZstdLevel = 1;
constexpr int kZlibMemory = 8;
constexpr int kZlibWindow = 15;
constexpr int kGzipWrapper = 16;  // added to the window bits

Error gave_up(std::string_view coding) {
  return make_error(ErrorCode::kExhausted, ErrorOrigin::kInternal,
                    std::string(coding) + ": the body cannot be encoded");
}

Result<std::string> encode_zlib(std::string_view coding, std::string_view bytes, int window) {
  z_stream stream{};
  if (bytes.size() > std::numeric_limits<uInt>::max() ||
      deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, window, kZlibMemory, Z_DEFAULT_STRATEGY) !=
          Z_OK) {
    return gave_up(coding);
  }
  std::string out(deflateBound(&stream, static_cast<uLong>(bytes.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int end = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (end != Z_STREAM_END) return gave_up(coding);
  return out;
}

Result<std::string> encode_brotli(std::string_view bytes) {
  std::size_t size = BrotliEncoderMaxCompressedSize(bytes.size());
  std::string out(size, '\0');
  if (size == 0 ||
      BrotliEncoderCompress(kBrotliQuality, kBrotliWindowBits, BROTLI_MODE_GENERIC, bytes.size(),
                            reinterpret_cast<const std::uint8_t*>(bytes.data()), &size,
                            reinterpret_cast<std::uint8_t*>(out.data())) != BROTLI_TRUE) {
    return gave_up("br");
  }
  out.resize(size);
  return out;
}

Result<std::string> encode_zstd(std::string_view bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const std::size_t size =
      ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), kZstdLevel);
  if (ZSTD_isError(size) != 0) return gave_up("zstd");
  out.resize(size);
  return out;
}

Result<std::string> encode_one(std::string_view coding, std::string_view bytes) {
  if (equal_ignoring_case(coding, "gzip") || equal_ignoring_case(coding, "x-gzip")) {
    return encode_zlib("gzip", bytes, kZlibWindow + kGzipWrapper);
  }
  if (equal_ignoring_case(coding, "deflate")) return encode_zlib("deflate", bytes, kZlibWindow);
  if (equal_ignoring_case(coding, "br")) return encode_brotli(bytes);
  if (equal_ignoring_case(coding, "zstd")) return encode_zstd(bytes);
  return make_error(ErrorCode::kUnsupported, ErrorOrigin::kInternal,
                    "content coding \"" + escape_for_terminal(coding, 32) + "\" is not known");
}

}  // namespace

Result<std::string> encode_content(std::string_view coding, std::string_view bytes) {
  std::string encoded(bytes);
  for (const std::string_view part : split(coding, ',')) {
    const std::string_view name = trim(part);
    if (name.empty() || equal_ignoring_case(name, "identity")) continue;
    auto next = encode_one(name, encoded);
    if (!next.ok()) return next;
    encoded = *std::move(next);
  }
  return encoded;
}

}  // namespace banyan::codec
