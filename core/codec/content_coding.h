// SPDX-License-Identifier: Apache-2.0
//
// Removes HTTP content codings (RFC 9110 section 8.4) from a body that is at hand. Strict: a body
// that a lenient client would still show (wrong gzip trailer, bytes behind the end) is an error
// here, because showing such faults is our job. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace banyan::codec {

struct DecodeLimits {
  std::size_t bytes_max = 64ULL << 20;
  // The decoded body may be ratio_max times the encoded one, plus the slack.
  std::size_t ratio_max = 100;
  std::size_t slack_bytes = 1ULL << 20;
  std::size_t codings_max = 4;
};

// `coding` is the value of Content-Encoding: "", "gzip", "x-gzip", "deflate", "br", "zstd",
// "identity", or several of them in the order in which they were applied. kUnsupported for another
// coding, kInvalidArgument for bytes that do not fit it, kExhausted past a limit; the message names
// what is wrong and never holds bytes of the body.
Result<std::string> decode_content(std::string_view coding, std::string_view bytes,
                                   const DecodeLimits& limits = {});

}  // namespace banyan::codec
