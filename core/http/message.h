// SPDX-License-Identifier: Apache-2.0
//
// HTTP messages as parsed. Heads hold views into a buffer their reader owns; see each reader for
// how long they stay valid.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/leniency.h"

namespace banyan::http {

// One field line. The name keeps its spelling; compare without case (RFC 9110 section 5.1).
struct Header {
  std::string_view name;
  std::string_view value;
  bool operator==(const Header&) const = default;
};
using HeaderList = std::vector<Header>;

// First value of the field, nullopt where absent.
std::optional<std::string_view> find_header(const HeaderList& fields, std::string_view name);
std::size_t count_header(const HeaderList& fields, std::string_view name);
// True if a comma-separated list field holds `token`, without case (RFC 9110 section 5.6.1).
bool list_field_contains(const HeaderList& fields, std::string_view name, std::string_view token);

enum class BodyFraming {
  kNone,           // no body follows
  kContentLength,  // exactly content_length bytes
  kChunked,
  kUntilClose,  // answers only
};

struct RequestHead {
  std::string_view method;
  std::string_view target;  // origin form, or "*" for OPTIONS; an absolute form is already split
  std::string_view
      authority;          // the value of Host (or of the absolute form, which then replaced it)
  int version_major = 1;  // 2: HTTP/2, with version_minor 0
  int version_minor = 1;
  HeaderList fields;  // all of them, hop-by-hop too, in order
  BodyFraming framing = BodyFraming::kNone;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  bool expects_continue = false;
  bool wants_upgrade = false;
  Leniencies lenient;  // what it was excused for
  bool is_1_0() const { return version_major == 1 && version_minor == 0; }
};

struct ResponseHead {
  int status = 0;
  std::string_view reason;
  int version_major = 1;  // as in RequestHead
  int version_minor = 1;
  HeaderList fields;
  BodyFraming framing = BodyFraming::kNone;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  Leniencies lenient;
};

// Safe by the IANA method registry: GET HEAD OPTIONS TRACE PROPFIND REPORT SEARCH QUERY.
bool is_safe_method(std::string_view method);
// RFC 9110 section 9.2.2: the safe ones, PUT and DELETE.
bool is_idempotent_method(std::string_view method);
// Connection, Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding, Upgrade (RFC
// 9110 7.6.1).
bool is_hop_by_hop(std::string_view name);
// Hop-by-hop, or named by a Connection field of `fields`.
bool is_connection_specific(const HeaderList& fields, std::string_view name);

// is_connection_specific() for all fields of one message: looks at Connection once. Views `fields`.
class ConnectionFields {
 public:
  explicit ConnectionFields(const HeaderList& fields);
  bool contains(std::string_view name) const {
    return is_hop_by_hop(name) ||
           (names_others_ && list_field_contains(fields_, "Connection", name));
  }

 private:
  const HeaderList& fields_;
  bool names_others_ = false;  // beyond the hop-by-hop ones
};

std::string_view reason_phrase(int status);

}  // namespace banyan::http
