// SPDX-License-Identifier: Apache-2.0
//
// The admin port: JSON API, /metrics, /livez, /readyz. Two threads: an admin loop that does no file
// I/O and answers what is in memory (rollback above all), and a store thread for SQLite, log
// queries and everything else that may block on a disk. When the store thread hangs, its requests
// answer 503 or 504 and rollback still works. Contract: docs/api.md.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "admin/options.h"
#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/file_system.h"

namespace banyan::comparator {
class Comparator;
class FindingsStore;
}  // namespace banyan::comparator
namespace banyan::ledger {
class Ledger;
}
namespace banyan::model {
class LogAccess;
}
namespace banyan::net {
class Endpoints;
}
namespace banyan::obs {
class Metrics;
}
namespace banyan::proxy {
class Proxy;
}
namespace banyan::recorder {
class Recorder;
}
namespace banyan::replay {
class Mirror;
class Runs;
}  // namespace banyan::replay
namespace banyan::routing {
class RoutingControl;
}

namespace banyan::admin {

class ConfigService;
class ErasureService;
class RulesService;

// Borrowed; all of them outlive the server. Null where a role does not run in this process.
struct AdminServices {
  Clock& clock;
  FileSystem& files;
  obs::Metrics& metrics;
  recorder::Recorder& recorder;
  routing::RoutingControl& routing;
  ledger::Ledger& ledger;
  // Used on the store thread alone from start() to stop(); the server keeps it caught up with the
  // log.
  comparator::FindingsStore& findings;
  comparator::Comparator* comparator = nullptr;
  replay::Mirror* mirror = nullptr;
  replay::Runs* runs = nullptr;
  proxy::Proxy* proxy = nullptr;
  ConfigService* config = nullptr;
  // With subjects: the log as it opens for readers, and who erases. Null without.
  model::LogAccess* opened_log = nullptr;
  ErasureService* erasure = nullptr;
  RulesService* rules = nullptr;
  // Alarms of other rooms, one sentence each; asked on the admin loop, must not block.
  std::function<void(std::vector<std::string>&)> add_alarms = {};
  // Of the systems, for status.
  std::shared_ptr<const net::Endpoints> legacy = {}, candidate = {};

  model::LogAccess& log() const;
};

class AdminServer {
 public:
  // Reads or makes data_dir/admin.token, binds the address (in use: an error that names it),
  // registers the services' metrics. Serves nothing before start(). It is the routing's change
  // listener.
  static Result<std::unique_ptr<AdminServer>> open(AdminOptions options, AdminFacts facts,
                                                   AdminServices services);
  ~AdminServer();  // stop()s
  void start();
  // Ends both threads. A store thread hung on a disk is waited for; app calls this last.
  void stop();
  std::string address() const;  // as bound: "127.0.0.1:9901"

 private:
  AdminServer();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The token of a data directory (64 hex digits), for the CLI: kNotFound where there is none yet.
Result<std::string> read_admin_token(FileSystem& files, const std::string& data_dir);
inline constexpr const char* kAdminTokenFile = "admin.token";

}  // namespace banyan::admin
