// SPDX-License-Identifier: Apache-2.0
//
// The paths of an OpenAPI (or Swagger 2) document, YAML or JSON. Events are read, no tree is built
// and no alias is followed, so a document costs what it is long. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace banyan::config {

inline constexpr std::size_t kOpenApiBytesMax = 8 * 1024 * 1024;
inline constexpr std::size_t kOpenApiServersMax = 16;
inline constexpr std::size_t kOpenApiPathBytesMax = 512;
inline constexpr std::size_t kOpenApiDepthMax = 256;

// Each path behind the path of each server: "/v1/users/{id}". An error names file, line and column.
Result<std::vector<std::string>> read_openapi(std::string_view text, const std::string& file);

}  // namespace banyan::config
