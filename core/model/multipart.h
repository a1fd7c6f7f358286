// SPDX-License-Identifier: Apache-2.0
//
// Takes a multipart body (RFC 2046, RFC 7578) apart so that its parts can be redacted, or compared,
// and the rest put together again byte by byte. Views point into the body.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace banyan::model {

struct MultipartPart {
  std::string_view delimiter;  // the line "--boundary" with the line ends around it
  std::string_view headers;    // with the empty line behind them
  std::string_view content;
  std::string name;       // of Content-Disposition
  std::string file_name;  // likewise
  std::string_view content_type;
  bool is_readable = true;  // false: a transfer coding, or a name that we do not read
};

struct Multipart {
  std::string_view preamble;
  std::vector<MultipartPart> parts;
  std::string_view closing;  // the last delimiter and what follows
};

inline constexpr std::size_t kMultipartPartsMax = 1000;

// nullopt where the type names no boundary or the body does not keep to it.
std::optional<Multipart> parse_multipart(std::string_view body, std::string_view content_type);

}  // namespace banyan::model
