// SPDX-License-Identifier: Apache-2.0
//
// [access_log].
#include "config/loaders.h"

namespace banyan::config {

void load_access_log(TableReader& root, Config& config) {
  TableReader table = root.table("access_log");
  if (table.is_present() && table.node().find("path") == nullptr) {
    table.problems().error(table.node(), "access_log needs a path",
                           "path = \"/var/log/banyan/access.log\", or \"-\" for standard output");
  }
  if (table.read("path", config.access_log.path) && config.access_log.path.empty()) {
    table.problems().error(*table.node().find("path"), "access_log.path is empty",
                           "leave [access_log] out to keep none");
  }
  if (const auto format = table.read_name("format", {"json", "ecs", "common", "combined"})) {
    config.access_log.format = static_cast<access_log::Format>(*format);
  }
  table.finish();
}

}  // namespace banyan::config
