// SPDX-License-Identifier: Apache-2.0
#include "core/codec/gzip_stream.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

namespace banyan::codec {
namespace {

constexpr int kGzipWindowBits = 15 + 16;  // zlib's way to say: a gzip header, and check its trailer
constexpr std::size_t kInputBytesMax = 1U << 30;

}  // namespace

struct GzipStream::State {
  State() {
    std::memset(&stream, 0, sizeof stream);
    is_open = inflateInit2(&stream, kGzipWindowBits) == Z_OK;
  }
  ~State() {
    if (is_open) inflateEnd(&stream);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  z_stream stream;
  bool is_open = false;
  bool is_at_boundary = true;
};

GzipStream::GzipStream() : state_(std::make_unique<State>()) {}
GzipStream::~GzipStream() = default;

bool GzipStream::is_at_boundary() const { return state_->is_at_boundary; }

Status GzipStream::decode(std::string_view& input, std::string& out) {
  State& state = *state_;
  out.clear();
  if (!state.is_open) {
    return make_error(ErrorCode::kExhausted, ErrorOrigin::kInternal, "zlib: out of memory");
  }
  if (state.is_at_boundary) {
    if (input.empty()) return {};
    inflateReset(&state.stream);
    state.is_at_boundary = false;
  }
  out.resize(kOutputBytes);
  const std::size_t given = std::min(input.size(), kInputBytesMax);
  state.stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
  state.stream.avail_in = static_cast<uInt>(given);
  state.stream.next_out = reinterpret_cast<Bytef*>(out.data());
  state.stream.avail_out = static_cast<uInt>(out.size());
  const int code = inflate(&state.stream, Z_NO_FLUSH);
  out.resize(out.size() - state.stream.avail_out);
  input.remove_prefix(given - state.stream.avail_in);
  if (code == Z_STREAM_END) {
    state.is_at_boundary = true;
    return {};
  }
  // Z_BUF_ERROR: it needs more input, or more room at the next call.
  if (code == Z_OK || code == Z_BUF_ERROR) return {};
  const char* const why = state.stream.msg != nullptr ? state.stream.msg : "damaged data";
  return make_error(ErrorCode::kDamaged, ErrorOrigin::kClient, std::string("gzip: ") + why);
}

}  // namespace banyan::codec
