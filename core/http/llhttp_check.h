// SPDX-License-Identifier: Apache-2.0
//
// llhttp's reading of a head that has passed the strict check. A message is accepted only if llhttp
// accepts it too, sees as many fields, and finds the same framing: two parsers that disagree are
// how requests are smuggled.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/http/message.h"
#include "core/http/message_reader.h"

namespace banyan::http {

std::optional<ReadError> check_request_with_llhttp(std::string_view head_bytes,
                                                   const RequestHead& head);
std::optional<ReadError> check_response_with_llhttp(std::string_view head_bytes,
                                                    const ResponseHead& head);

// Methods outside of llhttp's list are refused with 501.
bool is_known_method(std::string_view method);

// What llhttp makes of one whole message, for differential tests and fuzzing.
struct LlhttpReading {
  bool is_accepted = false;  // exactly one message, and nothing behind it
  std::string body;
};
LlhttpReading read_request_with_llhttp(std::string_view message);
LlhttpReading read_response_with_llhttp(std::string_view message, bool answers_head);

}  // namespace banyan::http
