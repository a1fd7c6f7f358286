// SPDX-License-Identifier: Apache-2.0
//
// What a reload needs to know of two configs.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "config/config.h"
#include "config/document.h"

namespace banyan::config {

// An error at each key that cannot change while Banyan runs. The list is short on purpose: what
// other processes hold on to (the data directory, the admin port), what threads were made for, and
// the key of what is sealed already.
void check_restart_keys(const Node& root, const Config& running, const Config& next,
                        Problems& problems);
// Config::sections of a document, sorted by name.
std::vector<std::pair<std::string, std::uint64_t>> sections_of(const Node& root);

}  // namespace banyan::config
