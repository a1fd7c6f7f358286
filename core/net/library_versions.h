// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace banyan::net {

// The libraries this room stands on, as they are linked at run time: name and version.
std::vector<std::pair<std::string, std::string>> library_versions();

}  // namespace banyan::net
