// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "core/json/json_writer.h"
#include "core/net/endpoints.h"

namespace banyan::admin {

// The members of `GET status` systems.X that tell of its addresses; inside an open object.
void write_upstream(json::JsonWriter& json, const net::EndpointsStatus& status);

}  // namespace banyan::admin
