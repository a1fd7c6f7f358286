// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "config/config.h"
#include "config/loaders.h"
#include "config/restart_keys.h"
#include "core/base/file_system.h"
#include "core/base/text.h"

namespace banyan::config {
namespace {

Config read_config(TableReader& root) {
  Config config;
  if (root.read("data_dir", config.data_dir) && config.data_dir.empty()) {
    root.problems().error(*root.node().find("data_dir"), "data_dir is empty");
  }
  root.read_integer("workers", config.proxy.workers, {0, 256});
  load_systems(root, config);
  load_dns(root, config);
  load_listeners(root, config);
  load_admin(root, config);
  load_log(root, config);
  load_limits(root, config);
  load_http(root, config);
  load_timeouts(root, config);
  load_mirror(root, config);
  load_noise(root, config);
  load_routes(root, config);
  load_compare(root, config);
  load_readiness(root, config);
  load_endpoints(root, config);
  load_record(root, config);
  load_access_log(root, config);
  root.finish();
  config.recorder.directory = config.data_dir + "/log";
  config.routing.state_directory = config.data_dir + "/state";
  return config;
}

// `running`: of a reload, else null.
LoadResult load(std::string_view text, const std::string& name,
                const std::vector<std::string>& overrides, const Config* running) {
  LoadResult result;
  if (text.size() > kConfigBytesMax) {
    Problems problems("", name);
    problems.error_at(0, 0, "a config file has at most " + format_size(kConfigBytesMax));
    result.diagnostics = problems.take();
    return result;
  }
  Problems problems(text, name);
  Node root;
  if (parse_document(text, problems, root)) {
    for (const std::string& override_text : overrides) {
      apply_override(override_text, problems, root);
    }
    TableReader reader(problems, &root, "");
    result.config = read_config(reader);
    result.config.sections = sections_of(root);
    if (running != nullptr) check_restart_keys(root, *running, result.config, problems);
  }
  result.diagnostics = problems.take();
  if (running != nullptr) result.be_strict();
  return result;
}

LoadResult load_from(const std::string& path, const std::vector<std::string>& overrides,
                     const Config* running) {
  const auto text = FileSystem::posix().read_file(path, kConfigBytesMax);
  if (text.ok()) return load(*text, path, overrides, running);
  LoadResult result;
  Diagnostic found;
  found.file = path;
  found.message = text.error().message;
  if (text.error().code == ErrorCode::kNotFound)
    found.hint = "`banyan init` writes a starter config";
  result.diagnostics.push_back(std::move(found));
  return result;
}

}  // namespace

LoadResult load_text(std::string_view text, const std::string& name,
                     const std::vector<std::string>& overrides) {
  return load(text, name, overrides, nullptr);
}

LoadResult load_file(const std::string& path, const std::vector<std::string>& overrides) {
  return load_from(path, overrides, nullptr);
}

LoadResult reload_text(std::string_view text, const std::string& name,
                       const std::vector<std::string>& overrides, const Config& running) {
  return load(text, name, overrides, &running);
}

LoadResult reload_file(const std::string& path, const std::vector<std::string>& overrides,
                       const Config& running) {
  return load_from(path, overrides, &running);
}

}  // namespace banyan::config
