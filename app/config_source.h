// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace banyan::app {

// Where the config comes from, at the start and at each reload: a file, and what the command line
// puts over it.
struct ConfigSource {
  std::string path;
  std::vector<std::string> overrides;  // --set, and --data-dir as one of them

  void override_data_dir(std::string_view data_dir) {
    std::string text = "data_dir=\"";
    for (const char c : data_dir) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    overrides.push_back(text + "\"");
  }
  config::LoadResult load() const { return config::load_file(path, overrides); }
  // Errors as well where `running` cannot become it.
  config::LoadResult reload(const config::Config& running) const {
    return config::reload_file(path, overrides, running);
  }
};

}  // namespace banyan::app
