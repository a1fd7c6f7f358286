// SPDX-License-Identifier: Apache-2.0
//
// [endpoints]. The files are read here already, so that `banyan check` finds what is wrong in them.
#include <string>
#include <vector>

#include "comparator/message_types.h"
#include "comparator/path_templates.h"
#include "config/loaders.h"
#include "config/openapi.h"
#include "core/base/file_system.h"

namespace banyan::config {
namespace {

constexpr std::size_t kFilesMax = 16;
constexpr const char* kDescriptorHint =
    "a descriptor set of at most 16 MiB, as `protoc --include_imports --descriptor_set_out=FILE` "
    "or "
    "`buf build -o FILE` writes it";

void load_openapi(TableReader& table, Config& config) {
  std::vector<std::string> files;
  table.read_strings("openapi", files);
  const Node* place = table.node().find("openapi");
  if (files.size() > kFilesMax) {
    table.problems().error(*place, table.name_of_key("openapi") + " names at most 16 files");
    files.resize(kFilesMax);
  }
  for (const std::string& file : files) {
    const auto text = FileSystem::posix().read_file(file, kOpenApiBytesMax);
    auto paths =
        text.ok() ? read_openapi(*text, file) : Result<std::vector<std::string>>(text.error());
    if (!paths.ok()) {
      table.problems().error(*place, table.name_of_key("openapi") + ": " + paths.error().message,
                             "an OpenAPI 3 or Swagger 2 document, YAML or JSON, of at most 8 MiB");
      continue;
    }
    config.endpoint_paths.insert(config.endpoint_paths.end(), paths->begin(), paths->end());
  }
  if (config.endpoint_paths.size() > comparator::PathTemplates::kTemplatesMax) {
    table.problems().error(
        *place, table.name_of_key("openapi") + ": there are more than 5000 paths in all");
  }
}

// The sets are taken as they are: a file that changes counts from the next reload on.
void load_descriptors(TableReader& table, Config& config) {
  std::vector<std::string> files;
  table.read_strings("descriptors", files);
  if (files.empty()) return;
  const Node& place = *table.node().find("descriptors");
  const std::string key = table.name_of_key("descriptors");
  if (files.size() > kFilesMax) {
    table.problems().error(place, key + " names at most 16 files");
    files.resize(kFilesMax);
  }
  std::vector<comparator::DescriptorSet> sets;
  for (const std::string& file : files) {
    auto bytes = FileSystem::posix().read_file(file, comparator::kDescriptorSetBytesMax);
    if (!bytes.ok()) {
      table.problems().error(place, key + ": " + bytes.error().message, kDescriptorHint);
      return;
    }
    sets.push_back({file, *std::move(bytes)});
  }
  auto messages = comparator::MessageTypes::read(sets);
  if (!messages.ok()) {
    table.problems().error(place, key + ": " + messages.error().message, kDescriptorHint);
    return;
  }
  config.comparator.messages = *std::move(messages);
}

}  // namespace

void load_endpoints(TableReader& root, Config& config) {
  TableReader table = root.table("endpoints");
  load_openapi(table, config);
  load_descriptors(table, config);
  table.finish();
}

}  // namespace banyan::config
