// SPDX-License-Identifier: Apache-2.0
//
// Small files of lines whose first line says what they are and in which version, and whose last one
// is a checksum of all before it (never a defence against tampering). Any thread.
//
//   banyan-rules 1
//   … lines …
//   checksum 0123456789abcdef
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace banyan {

struct TextFormat {
  std::string_view file;     // "the file of saved rules", for messages
  std::string_view magic;    // "banyan-rules "
  std::string_view version;  // "1"
  std::size_t bytes_max = 0;
};

// kDamaged: "the file of saved rules is damaged: …".
Error damaged_text(const TextFormat& format, std::string_view what);

// Behind the first line and `lines`, which end with a line break: the checksum.
std::string seal_text(const TextFormat& format, std::string_view lines);

// All lines but the checksum, once it holds, with the first one. kDamaged, or kUnsupported where
// the file is whole and of another version.
Result<std::vector<std::string_view>> open_text(const TextFormat& format, std::string_view text);

}  // namespace banyan
