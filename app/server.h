// SPDX-License-Identifier: Apache-2.0
//
// `banyan serve`: opens every room in order, wires them, runs until a signal, and closes them in
// reverse. Everything the rooms do not know of each other meets here.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/config_source.h"
#include "app/service_notifier.h"
#include "config/config.h"
#include "core/base/error.h"
#include "core/net/socket.h"

namespace banyan::app {

struct Roles {
  bool mirror = true;
  bool compare = true;
  bool admin = true;
  // "proxy,mirror,compare,admin". The proxy's process serves routing and owns the log, so it is
  // always among them; see docs/decisions/ on the others as processes of their own.
  static Result<Roles> parse(const std::string& list);
};

// What a server starts with.
struct ServerSetup {
  ConfigSource source;    // read again at a reload
  config::Config config;  // as it was read from there
  Roles roles;
  std::vector<net::Listening> inherited;  // listening sockets that the service manager holds
};

class Server {
 public:
  // Opens and binds; warnings go to the operator's log. Nothing is served yet. `notifier` outlives
  // the server.
  static Result<std::unique_ptr<Server>> open(ServerSetup setup, const ServiceNotifier& notifier);
  ~Server();
  void start();
  std::string ready_line() const;
  // Both return at once.
  void request_reload(const std::string& by);
  void reopen_access_log();
  void roll_back_all(const std::string& by, const std::string& reason);
  // Drains and flushes. hurry() from another thread ends the drain at once.
  void stop();
  void hurry();

 private:
  Server();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Blocks signals, opens, starts, waits. Returns the exit code.
int serve(ConfigSource source, config::Config config, const Roles& roles);

}  // namespace banyan::app
