// SPDX-License-Identifier: Apache-2.0
//
// One request to the admin port and its answer, as values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"

namespace banyan::admin {

struct HttpRequest {
  std::string method;
  std::string target;
  std::string authority;  // the value of Host
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
  std::string peer;        // address of the client, without port
  std::string local_host;  // address the client reached, without port
  // First value, nullopt where absent; names without case.
  std::optional<std::string_view> field(std::string_view name) const;
  std::size_t count_field(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> fields;
};

// A target in origin form, cut and percent-decoded.
struct Target {
  std::vector<std::string> segments;  // of the path: "/api/v1/routes" is {"api", "v1", "routes"}
  std::vector<std::pair<std::string, std::string>> query;
  // First value of the parameter, "" where absent.
  std::string_view parameter(std::string_view name) const;
};
// kInvalidArgument for bad escapes, empty, "." and ".." segments (before or after decoding),
// control bytes, invalid UTF-8 and more than kSegmentsMax segments or kParametersMax parameters.
inline constexpr std::size_t kSegmentsMax = 16;
inline constexpr std::size_t kParametersMax = 64;
Result<Target> parse_target(std::string_view target);

// {"error":{"code","message","hint"}}
HttpResponse error_response(int status, std::string_view code, std::string_view message,
                            std::string_view hint = {});
HttpResponse error_response(const Error& error);
// 400 "invalid_argument".
HttpResponse invalid_argument(std::string_view message, std::string_view hint = {});
int status_of(ErrorCode code);

}  // namespace banyan::admin
