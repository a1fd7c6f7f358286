// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace banyan::admin {

// GET /: a static page that says what this port is and lists the API. Holds no data.
std::string start_page();

}  // namespace banyan::admin
