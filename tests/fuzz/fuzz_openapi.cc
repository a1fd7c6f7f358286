// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as an OpenAPI document: never crashes, errors name a line, and what is accepted are
// paths that templates take.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "comparator/path_templates.h"
#include "config/openapi.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto paths = banyan::config::read_openapi(text, "api.yaml");
  if (!paths.ok()) {
    if (!paths.error().message.starts_with("api.yaml:")) std::abort();
    return 0;
  }
  for (const std::string& path : *paths) {
    if (!path.starts_with('/')) std::abort();
  }
  banyan::comparator::PathTemplates templates(*paths);
  (void)templates.name_of("GET " + (paths->empty() ? std::string("/") : paths->front()));
  return 0;
}
