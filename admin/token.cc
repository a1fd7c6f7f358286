// SPDX-License-Identifier: Apache-2.0
#include "admin/token.h"

#include <sys/random.h>

#include <cerrno>

#include "admin/admin_server.h"
#include "core/base/text.h"

namespace banyan::admin {
namespace {

constexpr std::size_t kTokenBytes = 32;

std::string token_path(const std::string& data_dir) { return data_dir + "/" + kAdminTokenFile; }

}  // namespace

Result<std::string> read_admin_token(FileSystem& files, const std::string& data_dir) {
  const std::string path = token_path(data_dir);
  if (!files.exists(path)) {
    return make_error(ErrorCode::kNotFound, ErrorOrigin::kDisk,
                      "there is no " + path + " yet; `banyan serve` makes it at its first start");
  }
  const auto text = files.read_file(path, 1024);
  if (!text.ok()) return text.error();
  std::string_view token = *text;
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.remove_suffix(1);
  const auto bytes = bytes_of_hex(token);
  if (!bytes || bytes->size() != kTokenBytes) {
    return make_error(ErrorCode::kDamaged, ErrorOrigin::kDisk,
                      path +
                          " does not hold 64 hex digits; remove it and restart the server to "
                          "get a new token");
  }
  return std::string(token);
}

Result<std::string> open_admin_token(FileSystem& files, const std::string& data_dir) {
  auto known = read_admin_token(files, data_dir);
  if (known.ok() || known.error().code != ErrorCode::kNotFound) return known;
  std::string bytes(kTokenBytes, '\0');
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(kTokenBytes)) {
    return error_from_errno(errno, ErrorOrigin::kInternal, "no random bytes for the admin token");
  }
  std::string token = hex_of_bytes(bytes);
  BANYAN_RETURN_IF_ERROR(files.write_file_atomically(token_path(data_dir), token + "\n"));
  return token;
}

}  // namespace banyan::admin
