// SPDX-License-Identifier: Apache-2.0
#include "core/codec/content_coding.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/base/text.h"
#include "core/codec/decoders.h"

namespace banyan::codec {
namespace {

using Decoder = Status (*)(std::string_view, std::size_t, std::string&);

Decoder decoder_of(std::string_view coding) {
  constexpr std::pair<std::string_view, Decoder> kDecoders[] = {
      {"gzip", decode_gzip}, {"x-gzip", decode_gzip}, {"deflate", decode_deflate},
      {"br", decode_brotli}, {"zstd", decode_zstd},
  };
  for (const auto& [name, decoder] : kDecoders) {
    if (equal_ignoring_case(name, coding)) return decoder;
  }
  return nullptr;
}

std::size_t size_limit(std::size_t encoded, const DecodeLimits& limits) {
  if (encoded >= limits.bytes_max) return limits.bytes_max;
  return std::min(limits.bytes_max, encoded * limits.ratio_max + limits.slack_bytes);
}

}  // namespace

Error malformed(std::string_view coding, std::string_view what) {
  return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kInternal,
                    std::string(coding) + ": " + std::string(what));
}

Error too_large(std::string_view coding, std::size_t bytes_max) {
  return make_error(
      ErrorCode::kExhausted, ErrorOrigin::kInternal,
      std::string(coding) + ": decodes to more than " + std::to_string(bytes_max) + " bytes");
}

Result<std::string> decode_content(std::string_view coding, std::string_view bytes,
                                   const DecodeLimits& limits) {
  std::vector<Decoder> decoders;
  for (const std::string_view part : split(coding, ',')) {
    const std::string_view name = trim(part);
    if (name.empty() || equal_ignoring_case(name, "identity")) continue;
    const Decoder decoder = decoder_of(name);
    if (decoder == nullptr) {
      return make_error(ErrorCode::kUnsupported, ErrorOrigin::kInternal,
                        "content coding \"" + escape_for_terminal(name, 32) + "\" is not known");
    }
    if (decoders.size() == limits.codings_max) {
      return make_error(ErrorCode::kExhausted, ErrorOrigin::kInternal,
                        "more than " + std::to_string(limits.codings_max) + " content codings");
    }
    decoders.push_back(decoder);
  }
  // One bound for all layers, by what came over the wire, so that nesting gains nothing.
  const std::size_t bytes_max = size_limit(bytes.size(), limits);
  std::string decoded;
  if (decoders.empty()) {
    if (bytes.size() > limits.bytes_max) return too_large("identity", limits.bytes_max);
    decoded.assign(bytes);
    return decoded;
  }
  std::string input;
  for (auto decoder = decoders.rbegin(); decoder != decoders.rend(); ++decoder) {
    std::string out;
    BANYAN_RETURN_IF_ERROR((*decoder)(bytes, bytes_max, out));
    input = std::move(out);
    bytes = input;
  }
  return input;
}

}  // namespace banyan::codec
