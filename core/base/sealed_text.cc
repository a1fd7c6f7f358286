// SPDX-License-Identifier: Apache-2.0
#include "core/base/sealed_text.h"

#include "core/base/hash.h"
#include "core/base/text.h"

namespace banyan {
namespace {

std::string checksum_line(std::string_view content) {
  return "checksum " + hex_of_u64(xxh3_64(content)) + "\n";
}

}  // namespace

Error damaged_text(const TextFormat& format, std::string_view what) {
  return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk,
                    std::string(format.file) + " is damaged: " + std::string(what));
}

std::string seal_text(const TextFormat& format, std::string_view lines) {
  std::string out(format.magic);
  out.append(format.version).append("\n").append(lines);
  return out + checksum_line(out);
}

Result<std::vector<std::string_view>> open_text(const TextFormat& format, std::string_view text) {
  if (text.size() > format.bytes_max) return damaged_text(format, "it is too large");
  if (!text.starts_with(format.magic)) return damaged_text(format, "its first line is missing");
  const std::size_t size = checksum_line({}).size();
  if (text.size() < size || text.back() != '\n') return damaged_text(format, "it is cut");
  const std::string_view content = text.substr(0, text.size() - size);
  if (text.substr(content.size()) != checksum_line(content)) {
    return damaged_text(format, "its checksum does not match");
  }
  // Only an intact file can be of another version; a damaged digit is damage.
  const std::string_view version =
      content.substr(format.magic.size(), content.find('\n') - format.magic.size());
  if (version != format.version) {
    return make_error(ErrorCode::kUnsupported, ErrorOrigin::kDisk,
                      std::string(format.file) + " has version " +
                          escape_for_terminal(version, 20) + ", this Banyan reads version " +
                          std::string(format.version));
  }
  if (content.back() != '\n') return damaged_text(format, "a line is cut");
  return split(content.substr(0, content.size() - 1), '\n');
}

}  // namespace banyan
