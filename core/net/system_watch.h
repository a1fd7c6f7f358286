// SPDX-License-Identifier: Apache-2.0
//
// Keeps the Endpoints of one system current: its URLs resolved again and again, active checks of
// every address. Confined to its loop.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/net/endpoints.h"
#include "core/net/health_probe.h"
#include "core/net/name_watch.h"
#include "core/net/resolver.h"
#include "core/net/system_url.h"
#include "core/net/upstream.h"

namespace banyan::net {

// A system as it is configured.
struct SystemSpec {
  std::vector<std::string> urls;
  EndpointsOptions judgement;
  HealthOptions health;
  UpstreamOptions upstream;  // how checks connect; its addresses are not used
  std::string host;          // of checks: "" takes the URL's
};

class SystemWatch {
 public:
  // `on_settled` runs once, when every name has had an answer or a failure. A bad URL is logged and
  // left out.
  SystemWatch(EventLoop& loop, Resolver& resolver, std::shared_ptr<Endpoints> endpoints,
              SystemSpec spec, std::function<void()> on_settled);
  ~SystemWatch();
  // Names and addresses that stay keep what is known of them.
  void update(SystemSpec spec);
  bool is_settled() const;

 private:
  struct Source {
    SystemUrl url;
    std::shared_ptr<NameWatch> names;  // null: a literal; URLs of one name share it
  };
  void take_urls();
  void publish();
  void sync_probes();
  std::string host_for(const Endpoint& endpoint) const;
  void sweep();

  EventLoop& loop_;
  Resolver& resolver_;
  const std::shared_ptr<Endpoints> endpoints_;
  SystemSpec spec_;
  std::function<void()> on_settled_;
  std::vector<Source> sources_;
  std::vector<std::unique_ptr<HealthProbe>> probes_;
  Timer sweeper_;
};

}  // namespace banyan::net
