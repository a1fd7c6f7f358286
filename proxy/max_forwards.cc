// SPDX-License-Identifier: Apache-2.0
#include "proxy/max_forwards.h"

#include <algorithm>

#include "core/base/text.h"
#include "proxy/answer_head.h"

namespace banyan::proxy {
namespace {

constexpr std::string_view kName = "max-forwards";

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

HopsLeft hops_left(const http::RequestHead& head) {
  HopsLeft found;
  if (head.method != "OPTIONS" && head.method != "TRACE") return found;
  for (const http::Header& field : head.fields) {
    if (field.name.size() != kName.size() || !equal_ignoring_case(field.name, kName)) continue;
    if (found.is_given || !is_number(field.value)) {
      found.is_bad = true;
      return found;
    }
    found.is_given = true;
    // Only what does not fit into 64 bits is no value.
    found.count = std::min(parse_u64(field.value).value_or(HopsLeft::kMax), HopsLeft::kMax);
  }
  return found;
}

std::string refused_trace_body(std::string_view exchange) {
  ErrorAnswer answer;
  answer.code = "trace_refused";
  answer.message = "Max-Forwards ended here, and this proxy reflects no request";
  answer.exchange = exchange;
  return error_body(answer);
}

}  // namespace banyan::proxy
