// SPDX-License-Identifier: Apache-2.0
#include "core/base/file_system.h"

namespace banyan {
namespace {

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Status File::write_pieces_at(Position position, const std::vector<std::string_view>& pieces) {
  for (const std::string_view piece : pieces) {
    BANYAN_RETURN_IF_ERROR(write_at(position, piece));
    position.value += piece.size();
  }
  return {};
}

Result<std::string> FileSystem::read_file(const std::string& path, std::uint64_t bytes_max) {
  auto file = open(path, Mode::kReadOnly);
  if (!file.ok()) return file.error();
  const auto size = (*file)->size();
  if (!size.ok()) return size.error();
  if (*size > bytes_max) {
    return make_error(ErrorCode::kExhausted, ErrorOrigin::kDisk,
                      path + " has " + std::to_string(*size) + " bytes; at most " +
                          std::to_string(bytes_max) + " are expected");
  }
  std::string content;
  BANYAN_RETURN_IF_ERROR((*file)->read_at(Position{0}, *size, content));
  return content;
}

Status FileSystem::write_file_atomically(const std::string& path, std::string_view content) {
  const std::string temporary = path + ".tmp";
  // Always a new file: one that is left from a failed try may be one whose sync failed, and no
  // later sync of such a file can be believed.
  if (exists(temporary)) BANYAN_RETURN_IF_ERROR(remove(temporary));
  {
    auto file = open(temporary, Mode::kCreateNew);
    if (!file.ok()) return file.error();
    BANYAN_RETURN_IF_ERROR((*file)->write_at(Position{0}, content));
    BANYAN_RETURN_IF_ERROR((*file)->sync());
  }
  BANYAN_RETURN_IF_ERROR(rename(temporary, path));
  return sync_directory(directory_of(path));
}

}  // namespace banyan
