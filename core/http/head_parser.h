// SPDX-License-Identifier: Apache-2.0
//
// The strict check of a whole head. What passes it is given to llhttp as well (llhttp_check.h), and
// only what both read alike is accepted. Each refusal has a stable code, see ReadError.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/http/message.h"
#include "core/http/message_reader.h"

namespace banyan::http {

// `at` views the bytes that are wrong.
[[gnu::cold]] ReadError refuse(int status, std::string_view code, std::string_view message,
                               std::string_view at = {});

// The method and target of a request line (without CRLF), with all its rules but those that need
// the fields. Also used on the line alone, so that HTTP/0.9 is refused before the head's end.
struct RequestLine {
  std::string_view method;
  std::string_view target;
  int version_minor = 1;
  bool has_high_bytes = false;  // in the target; only where they are excused
};
std::optional<ReadError> parse_request_line(std::string_view line, const ReadLimits& limits,
                                            RequestLine& out);

// `bytes` is a whole head with its empty line and stays the storage of every view in `out`. It may
// be changed: a version 1.2 to 1.9 is read as 1.1, an absolute target is split in place, and folds
// that are excused become spaces.
std::optional<ReadError> parse_request_head(std::string& bytes, std::size_t line_count,
                                            const ReadLimits& limits, RequestHead& out);
std::optional<ReadError> parse_response_head(std::string& bytes, std::size_t line_count,
                                             const ReadLimits& limits, bool answers_head,
                                             ResponseHead& out);

// Field lines up to and with the empty line; of a head or of a trailer section.
// `excuses_space` removes white space before a colon and says so in `had_space`.
struct FieldRules {
  std::size_t fields_max = 0;
  bool excuses_space = false;
  bool had_space = false;
  bool has_underscore = false;  // in a name, see find_framing_fields()
};
std::optional<ReadError> parse_fields(std::string_view lines, FieldRules& rules, HeaderList& out);

// host, host:port, [IPv6] or [IPv6]:port; nothing else.
bool is_authority(std::string_view text);
// False for fields that frame, route, authenticate or change a message: they mean nothing in a
// trailer section and are dropped there (RFC 9110 section 6.5.1).
bool is_allowed_in_trailers(std::string_view name);

}  // namespace banyan::http
