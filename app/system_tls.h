// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/config.h"
#include "core/base/error.h"

namespace banyan::app {

// Reads the files of both systems' `tls`, where they have https:// URLs, into how their connections
// begin (`upstream.tls`). At start and at a reload; blocking.
Status open_system_tls(config::Config& config);

}  // namespace banyan::app
