// SPDX-License-Identifier: Apache-2.0
//
// A secret that a program prints, for keys that live in a key service.
#pragma once

#include <string>
#include <vector>

#include "core/base/error.h"

namespace banyan::config {

inline constexpr int kSecretCommandSecondsMax = 10;
inline constexpr std::size_t kSecretBytesMax = 4096;

// Runs the program (no shell; its first word is a path or is looked up in PATH) and gives what it
// printed, without the line's end. An error where it cannot be started, takes too long (it is
// killed then), prints nothing or too much, or ends with another status than 0. Says nothing of
// what it printed. Blocks.
Result<std::string> output_of_command(const std::vector<std::string>& words);

}  // namespace banyan::config
