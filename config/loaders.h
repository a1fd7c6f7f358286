// SPDX-License-Identifier: Apache-2.0
//
// One function per part of the file; each takes its keys from the root and fills its options.
#pragma once

#include "config/config.h"
#include "config/table_reader.h"

namespace banyan::config {

void load_systems(TableReader& root, Config& config);
// Parts of the two above and below.
void load_system_tls(TableReader& system, const std::vector<std::string>& urls,
                     net::TlsClientOptions& out);
void load_listener_tls(TableReader& listener, proxy::ListenerOptions& out);
// After `urls` and `tls` are read: sets what TLS offers by ALPN.
void load_system_protocol(TableReader& table, const std::vector<std::string>& urls,
                          proxy::SystemOptions& out);
// Of one [systems.X]: bounds, health, ejection, circuit, slow start.
void load_upstreams(TableReader& system, proxy::SystemOptions& out);
void load_dns(TableReader& root, Config& config);
void load_listeners(TableReader& root, Config& config);
void load_admin(TableReader& root, Config& config);
void load_log(TableReader& root, Config& config);
void load_limits(TableReader& root, Config& config);
void load_http(TableReader& root, Config& config);
void load_timeouts(TableReader& root, Config& config);
void load_mirror(TableReader& root, Config& config);
void load_noise(TableReader& root, Config& config);
void load_routes(TableReader& root, Config& config);
void load_readiness(TableReader& root, Config& config);
void load_endpoints(TableReader& root, Config& config);
// Of one [[routes]].
void load_route_readiness(TableReader& route, const std::string& name, Config& config);
void load_compare(TableReader& root, Config& config);
void load_record(TableReader& root, Config& config);
void load_access_log(TableReader& root, Config& config);

}  // namespace banyan::config
