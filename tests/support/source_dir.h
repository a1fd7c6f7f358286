// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace banyan {

// Where this tree lies, without a slash at its end.
std::string source_dir();

}  // namespace banyan
