// SPDX-License-Identifier: Apache-2.0
#include "core/net/upstream_metrics.h"

#include <functional>
#include <string_view>
#include <utility>

#include "core/base/clock.h"
#include "core/obs/metrics.h"

namespace banyan::net {
namespace {

using Emit = obs::Metrics::Emit;
using Systems = std::vector<std::shared_ptr<Endpoints>>;

double number(std::uint64_t value) { return static_cast<double>(value); }

class Registrar {
 public:
  Registrar(obs::Metrics& metrics, Systems systems)
      : metrics_(metrics), systems_(std::move(systems)) {}

  void per_system(std::string_view name, std::string_view type, std::string_view help,
                  std::function<void(const EndpointsStatus&, const Emit&)> collect) {
    metrics_.collected(name, help, type, [systems = systems_, collect](const Emit& emit) {
      const std::int64_t now = SystemClock::instance().mono_ns();
      for (const auto& system : systems) collect(system->status(now), emit);
    });
  }
  void per_address(std::string_view name, std::string_view type, std::string_view help,
                   double (*value)(const EndpointStatus&)) {
    per_system(name, type, help, [value](const EndpointsStatus& status, const Emit& emit) {
      for (const EndpointStatus& endpoint : status.endpoints) {
        emit({{"system", status.system}, {"address", endpoint.address}}, value(endpoint));
      }
    });
  }
  void one_per_system(std::string_view name, std::string_view type, std::string_view help,
                      double (*value)(const EndpointsStatus&)) {
    per_system(name, type, help, [value](const EndpointsStatus& status, const Emit& emit) {
      emit({{"system", status.system}}, value(status));
    });
  }

 private:
  obs::Metrics& metrics_;
  const Systems systems_;
};

void add_addresses(Registrar& add) {
  add.per_address("banyan_upstream_in_flight", "gauge", "Requests under way, by address.",
                  [](const EndpointStatus& it) { return number(it.in_flight); });
  add.per_address("banyan_upstream_connections", "gauge", "Connections open, by address.",
                  [](const EndpointStatus& it) { return number(it.connections); });
  add.per_address("banyan_upstream_requests_total", "counter", "Requests sent, by address.",
                  [](const EndpointStatus& it) { return number(it.requests); });
  add.per_address("banyan_upstream_address_failures_total", "counter",
                  "Requests and connections that failed, by address.",
                  [](const EndpointStatus& it) { return number(it.failures); });
  add.per_address("banyan_upstream_ejections_total", "counter", "Ejections, by address.",
                  [](const EndpointStatus& it) { return number(it.ejections); });
  add.per_address("banyan_upstream_usable", "gauge",
                  "1 while an address takes requests; 0 ejected, unhealthy or resting.",
                  [](const EndpointStatus& it) {
                    return it.state == "usable" || it.state == "slow_start" ? 1.0 : 0.0;
                  });
  add.per_address("banyan_upstream_share", "gauge",
                  "Share of a full address's load: less than 1 during a slow start.",
                  [](const EndpointStatus& it) { return it.share; });
}

void add_systems(Registrar& add) {
  add.one_per_system("banyan_upstream_addresses", "gauge", "Addresses in use.",
                     [](const EndpointsStatus& it) { return number(it.endpoints.size()); });
  add.one_per_system("banyan_upstream_addresses_left_out", "gauge",
                     "Addresses past the limit, not in use.",
                     [](const EndpointsStatus& it) { return number(it.addresses_left_out); });
  add.per_system(
      "banyan_upstream_failures_total", "counter", "Failed requests and connections, by kind.",
      [](const EndpointsStatus& status, const Emit& emit) {
        for (int kind = 0; kind < kUpstreamFailureKinds; ++kind) {
          emit({{"system", status.system},
                {"kind", std::string(to_string(static_cast<UpstreamFailureKind>(kind)))}},
               number(status.failures[kind]));
        }
      });
  add.one_per_system("banyan_upstream_circuit_open", "gauge",
                     "1 while the circuit of a system is open or half open.",
                     [](const EndpointsStatus& it) { return it.circuit == "closed" ? 0.0 : 1.0; });
  add.one_per_system("banyan_upstream_circuit_openings_total", "counter",
                     "Times the circuit of a system opened.",
                     [](const EndpointsStatus& it) { return number(it.circuit_openings); });
  add.one_per_system("banyan_upstream_lookups_total", "counter", "Lookups of names in DNS.",
                     [](const EndpointsStatus& it) {
                       std::uint64_t sum = 0;
                       for (const NameStatus& name : it.names) sum += name.lookups;
                       return number(sum);
                     });
  add.one_per_system("banyan_upstream_lookup_failures_total", "counter",
                     "Lookups that brought no address; the old ones stay in use.",
                     [](const EndpointsStatus& it) {
                       std::uint64_t sum = 0;
                       for (const NameStatus& name : it.names) sum += name.failures;
                       return number(sum);
                     });
}

}  // namespace

void register_upstream_metrics(obs::Metrics& metrics, Systems systems) {
  Registrar add(metrics, std::move(systems));
  add_addresses(add);
  add_systems(add);
}

}  // namespace banyan::net
