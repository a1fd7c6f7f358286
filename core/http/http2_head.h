// SPDX-License-Identifier: Apache-2.0
//
// Field sections of HTTP/2 (RFC 9113 section 8) as the heads that the rest of the code knows. As
// strict as the reader of HTTP/1: what passes here can be written as HTTP/1 and is read there as
// the same request.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/message.h"
#include "core/http/message_reader.h"

namespace banyan::http {

// One decoded field section with its bytes, in the order of the wire, pseudo fields too. Past its
// limit it keeps no more, and says so.
class FieldSection {
 public:
  // `bytes_max` counts as SETTINGS_MAX_HEADER_LIST_SIZE does: 32 more for each field.
  void add(std::string_view name, std::string_view value, std::size_t bytes_max);
  bool is_over_limit() const { return is_over_limit_; }
  // With what was dropped past the limit.
  std::size_t list_bytes() const { return list_bytes_; }
  // Views of this object, valid until it is changed.
  void list(HeaderList& out) const;
  void clear();
  void swap(FieldSection& other) noexcept;

 private:
  struct Span {
    std::uint32_t name_bytes, value_bytes;
  };
  std::string bytes_;  // name, value, name, value …
  std::vector<Span> spans_;
  std::size_t list_bytes_ = 0;
  bool is_over_limit_ = false;
};

// `storage` keeps what had to be put together (Cookie); every view of `out` is of it, of `section`
// or a literal. `has_body`: the stream goes on after the section.
std::optional<ReadError> parse_http2_request(const FieldSection& section, bool has_body,
                                             const ReadLimits& limits, std::string& storage,
                                             RequestHead& out);
// No pseudo field may stand here.
std::optional<ReadError> parse_http2_trailers(const FieldSection& section, const ReadLimits& limits,
                                              HeaderList& out);

}  // namespace banyan::http
