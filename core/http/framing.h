// SPDX-License-Identifier: Apache-2.0
//
// Where a message ends (RFC 9112 section 6): from its fields to BodyFraming, with every ambiguity
// refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/http/message.h"
#include "core/http/message_reader.h"

namespace banyan::http {

// The fields that say how a message is read, found in one pass.
struct FramingFields {
  std::size_t host_count = 0, host_index = 0;
  std::size_t length_count = 0;
  std::string_view length;
  std::size_t coding_count = 0;
  std::string_view coding;  // Transfer-Encoding
  bool has_close = false, has_keep_alive = false, has_connection_upgrade = false;
  bool has_upgrade = false;
  bool has_expect = false, has_other_expect = false;
  std::string_view disguised;  // a name that is another one where _ is read as -
};
// `may_have_underscores`: false where no name holds one.
FramingFields find_framing_fields(const HeaderList& fields, bool may_have_underscores = true);

// May repair `head` where a leniency excuses it; `head` says so then.
std::optional<ReadError> apply_request_framing(FramingFields& found, const ReadLimits& limits,
                                               RequestHead& head);
std::optional<ReadError> apply_response_framing(FramingFields found, const ReadLimits& limits,
                                                bool answers_head, ResponseHead& head);

}  // namespace banyan::http
