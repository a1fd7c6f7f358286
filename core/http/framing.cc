// SPDX-License-Identifier: Apache-2.0
#include "core/http/framing.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "core/base/text.h"
#include "core/http/char_classes.h"
#include "core/http/head_parser.h"

namespace banyan::http {
namespace {

constexpr std::uint64_t kLengthMax = std::numeric_limits<std::int64_t>::max();

// Calls on_element for each element of a comma-separated list.
template <typename F>
void for_each_element(std::string_view list, F on_element) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    const auto element = trim(list.substr(0, comma));
    if (!element.empty()) on_element(element);
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

void read_connection(std::string_view value, FramingFields& found) {
  for_each_element(value, [&](std::string_view option) {
    if (equal_ignoring_case(option, "close")) found.has_close = true;
    if (equal_ignoring_case(option, "keep-alive")) found.has_keep_alive = true;
    if (equal_ignoring_case(option, "upgrade")) found.has_connection_upgrade = true;
  });
}

// 19 digits hold 2^63 - 1; parse_u64 takes plain digits only.
std::optional<std::uint64_t> length_of(std::string_view text) {
  const auto value = text.size() <= 19 ? parse_u64(text) : std::nullopt;
  return value && *value <= kLengthMax ? value : std::nullopt;
}

// Makes one Content-Length of twins and lists that all say the same text; leaves others alone.
template <typename Head>
bool join_equal_lengths(FramingFields& found, Head& head) {
  std::string_view one;
  std::size_t count = 0;
  bool are_equal = true;
  for (const Header& field : head.fields) {
    if (!equal_ignoring_case(field.name, "Content-Length")) continue;
    std::string_view list = field.value;
    for (;;) {
      const auto comma = list.find(',');
      const std::string_view element = trim(list.substr(0, comma));
      if (count++ == 0) one = element;
      are_equal = are_equal && element == one && length_of(element).has_value();
      if (comma == std::string_view::npos) break;
      list.remove_prefix(comma + 1);
    }
  }
  if (!are_equal || count < 2) return false;
  bool is_first = true;
  std::erase_if(head.fields, [&](Header& field) {
    if (!equal_ignoring_case(field.name, "Content-Length")) return false;
    field.value = one;
    return !std::exchange(is_first, false);
  });
  found.length = one;
  found.length_count = 1;
  head.lenient.add(Leniency::kEqualLengths);
  return true;
}

template <typename Head>
std::optional<ReadError> parse_length(FramingFields& found, const ReadLimits& limits, Head& head) {
  if (limits.lenient.has(Leniency::kEqualLengths)) join_equal_lengths(found, head);
  if (found.length_count > 1) {
    return refuse(400, "conflicting_length", "the message has more than one Content-Length",
                  found.length);
  }
  const auto value = length_of(found.length);
  if (!value) {
    return refuse(400, "bad_length", "the Content-Length is no plain number below 2^63",
                  found.length);
  }
  head.content_length = *value;
  return std::nullopt;
}

// Only one field that says "chunked" and nothing else. A well-formed list that ends in chunked is
// lawful but not spoken (501); all else is malformed or ambiguous.
std::optional<ReadError> check_coding(const FramingFields& found, int version_minor) {
  if (version_minor == 0) {
    return refuse(400, "coding_in_http_1_0", "Transfer-Encoding in an HTTP/1.0 message",
                  found.coding);
  }
  if (found.length_count > 0) {
    return refuse(400, "length_and_coding",
                  "the message has both Content-Length and Transfer-Encoding", found.coding);
  }
  if (found.coding_count > 1) {
    return refuse(400, "conflicting_coding", "the message has more than one Transfer-Encoding",
                  found.coding);
  }
  if (equal_ignoring_case(found.coding, "chunked")) return std::nullopt;
  bool is_well_formed = true;
  int chunked = 0;
  std::string_view last;
  for_each_element(found.coding, [&](std::string_view element) {
    is_well_formed = is_well_formed && is_token(element);
    if (equal_ignoring_case(element, "chunked")) ++chunked;
    last = element;
  });
  if (is_well_formed && chunked == 1 && equal_ignoring_case(last, "chunked")) {
    return refuse(501, "unknown_coding", "a transfer coding other than chunked is not supported",
                  found.coding);
  }
  return refuse(400, "bad_coding", "the Transfer-Encoding is not chunked alone", found.coding);
}

bool is_kept_alive(const FramingFields& found, int version_minor) {
  return !found.has_close && (version_minor > 0 || found.has_keep_alive);
}

std::optional<ReadError> check_body_limit(std::uint64_t length, const ReadLimits& limits) {
  if (limits.body_bytes_max == 0 || length <= limits.body_bytes_max) return std::nullopt;
  return refuse(413, "body_too_large", "the body is over its limit");
}

}  // namespace

namespace {

// "X_Forwarded_For": a server that turns names into variables cannot tell it from the real one.
bool is_disguised(std::string_view name) {
  if (name.find('_') == std::string_view::npos) return false;
  std::string plain(name);
  std::replace(plain.begin(), plain.end(), '_', '-');
  for (const std::string_view guarded : {"Content-Length", "Transfer-Encoding", "X-Request-Id",
                                         "X-Real-Ip", "Proxy-Authorization", "Http2-Settings"}) {
    if (equal_ignoring_case(plain, guarded)) return true;
  }
  return starts_with_ignoring_case(plain, "X-Forwarded-") ||
         starts_with_ignoring_case(plain, "Banyan-");
}

// What every guarded name begins with; most fields are settled by it.
bool may_be_disguised(std::string_view name) {
  switch (name.front() | 0x20) {
    case 'x':
    case 'c':
    case 't':
    case 'b':
    case 'p':
    case 'h': return is_disguised(name);
    default: return false;
  }
}

}  // namespace

FramingFields find_framing_fields(const HeaderList& fields, bool may_have_underscores) {
  FramingFields found;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const Header& field = fields[i];
    if (may_have_underscores && may_be_disguised(field.name)) found.disguised = field.name;
    switch (field.name.size()) {  // By length first: most fields are none of these.
      case 4:
        if (equal_ignoring_case(field.name, "Host")) {
          ++found.host_count;
          found.host_index = i;
        }
        break;
      case 6:
        if (equal_ignoring_case(field.name, "Expect")) {
          found.has_expect = true;
          if (!equal_ignoring_case(field.value, "100-continue")) found.has_other_expect = true;
        }
        break;
      case 7:
        if (equal_ignoring_case(field.name, "Upgrade")) found.has_upgrade = true;
        break;
      case 10:
        if (equal_ignoring_case(field.name, "Connection")) read_connection(field.value, found);
        break;
      case 14:
        if (equal_ignoring_case(field.name, "Content-Length")) {
          ++found.length_count;
          found.length = field.value;
        }
        break;
      case 17:
        if (equal_ignoring_case(field.name, "Transfer-Encoding")) {
          ++found.coding_count;
          found.coding = field.value;
        }
        break;
      default: break;
    }
  }
  return found;
}

std::optional<ReadError> apply_request_framing(FramingFields& found, const ReadLimits& limits,
                                               RequestHead& head) {
  if (!found.disguised.empty()) {
    if (!limits.lenient.has(Leniency::kUnderscoreNames)) {
      return refuse(400, "underscore_name",
                    "a field name can be taken for another one where _ is read as -",
                    found.disguised);
    }
    head.lenient.add(Leniency::kUnderscoreNames);
  }
  if (found.coding_count > 0) {
    if (auto error = check_coding(found, head.version_minor)) return error;
    head.framing = BodyFraming::kChunked;
  } else if (found.length_count > 0) {
    if (auto error = parse_length(found, limits, head)) return error;
    if (auto error = check_body_limit(head.content_length, limits)) return error;
    head.framing = head.content_length > 0 ? BodyFraming::kContentLength : BodyFraming::kNone;
  }
  if (found.has_other_expect) {
    return refuse(417, "unknown_expectation", "an expectation other than 100-continue");
  }
  head.keep_alive = is_kept_alive(found, head.version_minor);
  // An expectation in HTTP/1.0 or without a body means nothing (RFC 9110 section 10.1.1).
  head.expects_continue =
      found.has_expect && head.version_minor > 0 && head.framing != BodyFraming::kNone;
  head.wants_upgrade = found.has_upgrade && found.has_connection_upgrade && head.version_minor > 0;
  return std::nullopt;
}

std::optional<ReadError> apply_response_framing(FramingFields found, const ReadLimits& limits,
                                                bool answers_head, ResponseHead& head) {
  const bool drops_length = found.coding_count > 0 && found.length_count > 0 &&
                            limits.lenient.has(Leniency::kCodingOverLengthInAnswers);
  if (drops_length) {
    // Chunked wins, and what may follow on the connection is not trusted (RFC 9112 section 6.3).
    found.length_count = 0;
    found.has_close = true;
    std::erase_if(head.fields, [](const Header& field) {
      return equal_ignoring_case(field.name, "Content-Length");
    });
    head.lenient.add(Leniency::kCodingOverLengthInAnswers);
  }
  if (found.coding_count > 0) {
    if (auto error = check_coding(found, head.version_minor)) return error;
  } else if (found.length_count > 0) {
    if (auto error = parse_length(found, limits, head)) return error;
  }
  head.keep_alive = is_kept_alive(found, head.version_minor);
  const bool is_bodiless =
      answers_head || head.status < 200 || head.status == 204 || head.status == 304;
  if (is_bodiless) {
    head.framing = BodyFraming::kNone;
  } else if (found.coding_count > 0) {
    head.framing = BodyFraming::kChunked;
  } else if (found.length_count > 0) {
    if (auto error = check_body_limit(head.content_length, limits)) return error;
    head.framing = head.content_length > 0 ? BodyFraming::kContentLength : BodyFraming::kNone;
  } else {
    head.framing = BodyFraming::kUntilClose;
    head.keep_alive = false;
  }
  return std::nullopt;
}

}  // namespace banyan::http
