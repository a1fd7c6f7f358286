// SPDX-License-Identifier: Apache-2.0
//
// From the config's systems to the warden that keeps their addresses, and back to the pools.
#pragma once

#include <vector>

#include "config/config.h"
#include "core/net/warden.h"

namespace banyan::app {

// Legacy, then candidate. TLS of `upstream` has to be set before: health checks take it along.
std::vector<net::Warden::System> systems_of(const config::Config& config);

// Lets every pool that is made of this config use the warden's endpoints, which stay the same over
// a reload.
void use_endpoints(const net::Warden& warden, config::Config& config);

// A reload: names and addresses that stay keep what is known of them.
void update_warden(net::Warden& warden, const config::Config& config);

}  // namespace banyan::app
