// SPDX-License-Identifier: Apache-2.0
#include "app/upstreams.h"

#include <utility>

#include "core/net/system_url.h"

namespace banyan::app {
namespace {

net::Warden::System system_of(const char* name, const std::vector<std::string>& urls,
                              const proxy::SystemOptions& options) {
  net::Warden::System system;
  system.name = name;
  system.spec.urls = urls;
  system.spec.judgement = options.judgement;
  system.spec.health = options.health;
  system.spec.upstream = options.upstream;
  system.spec.host = options.host;
  return system;
}

std::string first_authority(const std::vector<std::string>& urls) {
  const auto url = urls.empty() ? Result<net::SystemUrl>(Error()) : net::parse_system_url(urls[0]);
  return url.ok() ? url->authority() : "";
}

}  // namespace

std::vector<net::Warden::System> systems_of(const config::Config& config) {
  std::vector<net::Warden::System> systems = {
      system_of("legacy", config.legacy_urls, config.proxy.legacy),
      system_of("candidate", config.candidate_urls, config.proxy.candidate)};
  if (!config.twin_urls.empty()) {
    systems.push_back(system_of("legacy_twin", config.twin_urls, config.twin));
  }
  return systems;
}

void use_endpoints(const net::Warden& warden, config::Config& config) {
  config.proxy.legacy.upstream.endpoints = warden.endpoints(0);
  config.proxy.legacy.authority = first_authority(config.legacy_urls);
  config.proxy.candidate.upstream.endpoints = warden.endpoints(1);
  config.proxy.candidate.authority = first_authority(config.candidate_urls);
  if (config.twin_urls.empty()) return;
  config.twin.upstream.endpoints = warden.endpoints(2);
  config.twin.authority = first_authority(config.twin_urls);
}

void update_warden(net::Warden& warden, const config::Config& config) {
  warden.update_dns(config.dns);
  auto systems = systems_of(config);
  for (std::size_t i = 0; i < systems.size(); ++i) warden.update(i, std::move(systems[i].spec));
}

}  // namespace banyan::app
