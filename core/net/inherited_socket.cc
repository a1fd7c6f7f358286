// SPDX-License-Identifier: Apache-2.0
#include "core/net/inherited_socket.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

namespace banyan::net {
namespace {

int option_of(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

}  // namespace

Result<Listening> adopt_listener(int fd) {
  const int domain = option_of(fd, SO_DOMAIN);
  const bool is_inet = domain == AF_INET || domain == AF_INET6;
  if (!is_inet || option_of(fd, SO_TYPE) != SOCK_STREAM || option_of(fd, SO_ACCEPTCONN) != 1) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
                      "descriptor " + std::to_string(fd) + " is not a listening TCP socket");
  }
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return error_from_errno(errno, ErrorOrigin::kConfig,
                            "cannot tell the address of descriptor " + std::to_string(fd));
  }
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
      ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    return error_from_errno(errno, ErrorOrigin::kConfig,
                            "cannot set up descriptor " + std::to_string(fd));
  }
  set_no_delay(fd);  // accepted ones inherit it
  Listening result;
  result.fd = UniqueFd(fd);
  result.address = SocketAddress{std::string(reinterpret_cast<const char*>(&storage), size)}.text();
  return result;
}

Result<UniqueFd> duplicate(int fd) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy.is_open()) {
    return error_from_errno(errno, ErrorOrigin::kConfig, "cannot duplicate a listening socket");
  }
  return copy;
}

}  // namespace banyan::net
