// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "core/base/error.h"
#include "core/base/file_system.h"

namespace banyan::admin {

// The token of the data directory; made (0600, 32 random bytes as hex) where there is none yet.
Result<std::string> open_admin_token(FileSystem& files, const std::string& data_dir);

}  // namespace banyan::admin
