// SPDX-License-Identifier: Apache-2.0
//
// What the admin port asks of whoever loads the config (app): its state, and a reload.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "comparator/readiness.h"

namespace banyan::admin {

// One problem of a config file, as config's Diagnostic.
struct ConfigProblem {
  std::string file;
  int line = 0, column = 0;
  bool is_warning = false;
  bool needs_restart = false;
  std::string message, offending, hint;
};

struct ReloadReport {
  enum class Result {
    kOk,
    kInvalid,       // the file, or something it names, is wrong; the old config stays
    kNeedsRestart,  // it changes what cannot change at run time; likewise
    kFailed,        // it could not be put in force (disk, stopping …); likewise
  };
  Result result = Result::kOk;
  std::uint64_t generation = 0;  // in force afterwards
  std::int64_t at_wall_ns = 0;
  std::string by;
  std::string message;               // why not; "" where ok
  std::vector<std::string> changed;  // sections of the file, where ok
  std::vector<std::string> warnings;
  std::vector<ConfigProblem> problems;
};
std::string_view to_string(ReloadReport::Result result);

struct ConfigStatus {
  std::string path;
  std::uint64_t generation = 1;  // grows with each reload that took effect
  std::int64_t loaded_wall_ns = 0;
  std::optional<ReloadReport> last_reload;
  std::vector<std::string> legacy_urls, candidate_urls;
  bool every_route_fails_open = true;
  comparator::ReadinessOptions readiness;
  // Systems asked over TLS whose certificate nobody checks (tls.verify = false).
  std::vector<std::string> unverified_systems;
};

// Any thread.
class ConfigService {
 public:
  virtual ~ConfigService() = default;
  // Reads the file again and puts it in force, as a whole or not at all. Blocks; one at a time.
  virtual ReloadReport reload(std::string_view by) = 0;
  virtual std::shared_ptr<const ConfigStatus> status() const = 0;
};

}  // namespace banyan::admin
