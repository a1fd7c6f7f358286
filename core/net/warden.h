// SPDX-License-Identifier: Apache-2.0
//
// The thread that keeps the addresses of all systems current: DNS, active health checks, what is
// said when an ejection ends. Nobody waits for it: pools use what was published last, so a DNS
// server that hangs costs no request and holds up no rollback.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/net/endpoints.h"
#include "core/net/resolver.h"
#include "core/net/system_watch.h"

namespace banyan::obs {
class Metrics;
}

namespace banyan::net {

class Warden {
 public:
  struct System {
    std::string name;  // "legacy"
    SystemSpec spec;
  };
  // The metrics (banyan_upstream_*) read Endpoints that live as long as they do.
  static Result<std::unique_ptr<Warden>> open(DnsOptions dns, std::vector<System> systems,
                                              obs::Metrics& metrics);
  ~Warden();  // stop()s
  // In the order of open(). Any thread; what is published in it changes, the object stays.
  const std::shared_ptr<Endpoints>& endpoints(std::size_t system) const;

  void start();
  // Waits until every name has an answer or a failure; false where `patience_ns` was not enough.
  // Literal addresses are there before.
  bool wait_until_settled(std::int64_t patience_ns);
  void stop();

  // Any thread, between start() and stop(). Takes effect soon after; names and addresses that stay
  // keep what is known of them.
  void update(std::size_t system, SystemSpec spec);
  void update_dns(DnsOptions dns);

 private:
  Warden();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace banyan::net
