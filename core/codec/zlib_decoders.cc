// SPDX-License-Identifier: Apache-2.0
//
// The frames of gzip are read here and only their middle is given to zlib, so that a wrong trailer
// can be told apart and named.
#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "core/codec/decoders.h"

namespace banyan::codec {
namespace {

constexpr std::size_t kGzipHeadBytes = 10;
constexpr std::size_t kGzipTrailerBytes = 8;

// Owns one z_stream.
class Inflater {
 public:
  explicit Inflater(int window_bits) {
    std::memset(&stream_, 0, sizeof stream_);
    is_open_ = inflateInit2(&stream_, window_bits) == Z_OK;
  }
  ~Inflater() {
    if (is_open_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Inflates one stream from the front of `input` and moves behind it.
  Status run(std::string_view name, std::string_view& input, std::size_t bytes_max,
             std::string& out) {
    if (!is_open_) {
      return make_error(ErrorCode::kExhausted, ErrorOrigin::kInternal, "zlib: out of memory");
    }
    for (;;) {
      const std::size_t before = out.size();
      if (before > bytes_max) return too_large(name, bytes_max);
      // One byte over the limit is asked for, to tell "full" from "over".
      const std::size_t room = std::min(kDecodeStepBytes, bytes_max - before + 1);
      out.resize(before + room);
      const auto given = static_cast<uInt>(std::min<std::size_t>(input.size(), 1U << 30));
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
      stream_.avail_in = given;
      stream_.next_out = reinterpret_cast<Bytef*>(out.data() + before);
      stream_.avail_out = static_cast<uInt>(room);
      const int code = inflate(&stream_, Z_NO_FLUSH);
      const std::size_t made = room - stream_.avail_out;
      out.resize(before + made);
      const std::size_t taken = given - stream_.avail_in;
      input.remove_prefix(taken);
      if (out.size() > bytes_max) return too_large(name, bytes_max);
      if (code == Z_STREAM_END) return {};
      if (code == Z_NEED_DICT) return malformed(name, "needs a dictionary");
      if (code != Z_OK && code != Z_BUF_ERROR) {
        return malformed(name, stream_.msg != nullptr ? stream_.msg : "damaged data");
      }
      if (made == 0 && taken == 0) return malformed(name, "ends within the compressed data");
    }
  }

 private:
  z_stream stream_;
  bool is_open_ = false;
};

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value |= std::uint32_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return value;
}

bool skip_text(std::string_view& input) {
  const std::size_t end = input.find('\0');
  if (end == std::string_view::npos) return false;
  input.remove_prefix(end + 1);
  return true;
}

// RFC 1952 section 2.3.
Status skip_gzip_head(std::string_view& input) {
  const std::string_view whole = input;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(whole[i]); };
  if (whole.size() < 2 || byte(0) != 0x1F || byte(1) != 0x8B) {
    return malformed("gzip", "does not start with 1f 8b");
  }
  const Error cut = malformed("gzip", "ends within the header");
  if (whole.size() < kGzipHeadBytes) return cut;
  if (byte(2) != 8) return malformed("gzip", "compression method is not deflate");
  const unsigned flags = byte(3);
  if ((flags & 0xE0) != 0) return malformed("gzip", "reserved flags are set");
  input.remove_prefix(kGzipHeadBytes);
  if ((flags & 0x04) != 0) {
    if (input.size() < 2) return cut;
    const std::size_t size = static_cast<unsigned char>(input[0]) +
                             std::size_t{static_cast<unsigned char>(input[1])} * 256;
    if (input.size() < 2 + size) return cut;
    input.remove_prefix(2 + size);
  }
  if ((flags & 0x08) != 0 && !skip_text(input)) return cut;
  if ((flags & 0x10) != 0 && !skip_text(input)) return cut;
  if ((flags & 0x02) != 0) {
    if (input.size() < 2) return cut;
    const auto crc = crc32(0, reinterpret_cast<const Bytef*>(whole.data()),
                           static_cast<uInt>(whole.size() - input.size()));
    const unsigned told =
        static_cast<unsigned char>(input[0]) + static_cast<unsigned char>(input[1]) * 256U;
    if ((crc & 0xFFFF) != told) return malformed("gzip", "header checksum does not match");
    input.remove_prefix(2);
  }
  return {};
}

Status check_gzip_trailer(std::string_view& input, std::string_view decoded) {
  if (input.size() < kGzipTrailerBytes) return malformed("gzip", "ends within the trailer");
  const std::uint32_t told_crc = little_endian(input);
  const std::uint32_t told_size = little_endian(input.substr(4));
  if (told_size != static_cast<std::uint32_t>(decoded.size())) {
    return malformed("gzip", "trailer length " + std::to_string(told_size) + " does not match " +
                                 std::to_string(decoded.size()) + " decoded bytes");
  }
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(decoded.data()), decoded.size());
  if (told_crc != static_cast<std::uint32_t>(crc)) {
    return malformed("gzip", "trailer checksum does not match the decoded bytes");
  }
  input.remove_prefix(kGzipTrailerBytes);
  return {};
}

}  // namespace

Status decode_gzip(std::string_view bytes, std::size_t bytes_max, std::string& out) {
  do {
    BANYAN_RETURN_IF_ERROR(skip_gzip_head(bytes));
    const std::size_t start = out.size();
    Inflater inflater(-MAX_WBITS);
    BANYAN_RETURN_IF_ERROR(inflater.run("gzip", bytes, bytes_max, out));
    BANYAN_RETURN_IF_ERROR(check_gzip_trailer(bytes, std::string_view(out).substr(start)));
  } while (bytes.starts_with("\x1F\x8B"));
  if (!bytes.empty()) {
    return malformed("gzip", std::to_string(bytes.size()) + " bytes follow the last member");
  }
  return {};
}

Status decode_deflate(std::string_view bytes, std::size_t bytes_max, std::string& out) {
  if (bytes.empty()) return malformed("deflate", "is empty");
  // RFC 9110 means the zlib format; many servers send the bare stream, and every client takes both.
  const auto byte = [&](std::size_t i) { return unsigned{static_cast<unsigned char>(bytes[i])}; };
  const bool has_zlib_head =
      bytes.size() >= 2 && (byte(0) & 0x0F) == 8 && (byte(0) * 256 + byte(1)) % 31 == 0;
  Inflater inflater(has_zlib_head ? MAX_WBITS : -MAX_WBITS);
  BANYAN_RETURN_IF_ERROR(inflater.run("deflate", bytes, bytes_max, out));
  if (!bytes.empty()) {
    return malformed("deflate", std::to_string(bytes.size()) + " bytes follow the end");
  }
  return {};
}

}  // namespace banyan::codec
