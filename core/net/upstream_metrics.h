// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "core/net/endpoints.h"

namespace banyan::obs {
class Metrics;
}

namespace banyan::net {

// Families banyan_upstream_*, read at scrape. They keep the Endpoints alive, so a late scrape is
// harmless. At most Endpoints::kAddressesMax label sets a system.
void register_upstream_metrics(obs::Metrics& metrics,
                               std::vector<std::shared_ptr<Endpoints>> systems);

}  // namespace banyan::net
