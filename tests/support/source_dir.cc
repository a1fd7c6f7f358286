// SPDX-License-Identifier: Apache-2.0
#include "tests/support/source_dir.h"

namespace banyan {

std::string source_dir() { return BANYAN_SOURCE_DIR; }

}  // namespace banyan
