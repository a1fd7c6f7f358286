// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/http/message.h"

namespace banyan::proxy {

// Max-Forwards of OPTIONS and TRACE (RFC 9110 section 7.6.2): how many may still pass it on. With
// other methods the field says nothing, and stays as it is.
struct HopsLeft {
  // The most we count to; more is lowered to it, as the RFC allows.
  static constexpr std::uint64_t kMax = 1'000'000'000;

  bool is_given = false;
  bool is_bad = false;  // no number, or the field is there twice
  std::uint64_t count = 0;

  // Not to be passed on any more: we answer.
  bool ends_here() const { return is_given && count == 0; }
};
HopsLeft hops_left(const http::RequestHead& head);

// The body of the answer to a TRACE that ends here: it names nothing of the request.
std::string refused_trace_body(std::string_view exchange);

}  // namespace banyan::proxy
