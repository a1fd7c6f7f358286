// SPDX-License-Identifier: Apache-2.0
#include <brotli/decode.h>
#include <zstd.h>

#include <algorithm>
#include <memory>

#include "core/codec/decoders.h"

namespace banyan::codec {
namespace {

// RFC 9659: a window of at most 8 MiB for the content coding.
constexpr int kZstdWindowLogMax = 23;

struct FreeBrotli {
  void operator()(BrotliDecoderState* state) const { BrotliDecoderDestroyInstance(state); }
};
struct FreeZstd {
  void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
};

Error out_of_memory(std::string_view coding) {
  return make_error(ErrorCode::kExhausted, ErrorOrigin::kInternal,
                    std::string(coding) + ": out of memory");
}

// Grows `out` by one step, by at most one byte over the limit (to tell "full" from "over").
std::size_t grow(std::string& out, std::size_t bytes_max) {
  const std::size_t room = std::min(kDecodeStepBytes, bytes_max - out.size() + 1);
  out.resize(out.size() + room);
  return room;
}

}  // namespace

Status decode_brotli(std::string_view bytes, std::size_t bytes_max, std::string& out) {
  const std::unique_ptr<BrotliDecoderState, FreeBrotli> state(
      BrotliDecoderCreateInstance(nullptr, nullptr, nullptr));
  if (state == nullptr) return out_of_memory("br");
  auto next_in = reinterpret_cast<const std::uint8_t*>(bytes.data());
  std::size_t left = bytes.size();
  for (;;) {
    const std::size_t before = out.size();
    std::size_t room = grow(out, bytes_max);
    auto next_out = reinterpret_cast<std::uint8_t*>(out.data() + before);
    const auto result =
        BrotliDecoderDecompressStream(state.get(), &left, &next_in, &room, &next_out, nullptr);
    out.resize(out.size() - room);
    if (out.size() > bytes_max) return too_large("br", bytes_max);
    if (result == BROTLI_DECODER_RESULT_ERROR) {
      return malformed("br", BrotliDecoderErrorString(BrotliDecoderGetErrorCode(state.get())));
    }
    if (result == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT) {
      return malformed("br", "ends within the compressed data");
    }
    if (result == BROTLI_DECODER_RESULT_SUCCESS) break;
  }
  if (left > 0) return malformed("br", std::to_string(left) + " bytes follow the end");
  return {};
}

Status decode_zstd(std::string_view bytes, std::size_t bytes_max, std::string& out) {
  const std::unique_ptr<ZSTD_DStream, FreeZstd> stream(ZSTD_createDStream());
  if (stream == nullptr) return out_of_memory("zstd");
  ZSTD_DCtx_setParameter(stream.get(), ZSTD_d_windowLogMax, kZstdWindowLogMax);
  ZSTD_inBuffer input{bytes.data(), bytes.size(), 0};
  std::size_t wanted = 1;  // 0 at the end of a frame
  while (wanted != 0 || input.pos < input.size) {
    const std::size_t before = out.size();
    const std::size_t taken = input.pos;
    const std::size_t room = grow(out, bytes_max);
    ZSTD_outBuffer output{out.data() + before, room, 0};
    wanted = ZSTD_decompressStream(stream.get(), &output, &input);
    out.resize(before + output.pos);
    if (ZSTD_isError(wanted) != 0) return malformed("zstd", ZSTD_getErrorName(wanted));
    if (out.size() > bytes_max) return too_large("zstd", bytes_max);
    if (wanted != 0 && output.pos == 0 && input.pos == taken) {
      return malformed("zstd", "ends within the compressed data");
    }
  }
  return {};
}

}  // namespace banyan::codec
