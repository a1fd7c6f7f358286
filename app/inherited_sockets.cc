// SPDX-License-Identifier: Apache-2.0
#include "app/inherited_sockets.h"

#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "core/base/text.h"
#include "core/net/inherited_socket.h"

namespace banyan::app {

ListenEnvironment ListenEnvironment::of_process() {
  return {std::getenv("LISTEN_PID"), std::getenv("LISTEN_FDS"), std::getenv("LISTEN_FDNAMES")};
}

Result<std::vector<std::string>> names_of_inherited(const ListenEnvironment& environment,
                                                    long own_pid) {
  std::vector<std::string> names;
  if (environment.pid == nullptr || environment.fds == nullptr) return names;
  const auto pid = parse_u64(environment.pid);
  if (!pid || *pid != static_cast<std::uint64_t>(own_pid)) return names;
  const auto count = parse_u64(environment.fds);
  if (!count || *count > kInheritedMax) {
    return make_error(ErrorCode::kInvalidArgument, ErrorOrigin::kConfig,
                      "LISTEN_FDS=\"" + escape_for_terminal(environment.fds, 64) +
                          "\" is no number of sockets (at most " + std::to_string(kInheritedMax) +
                          ")");
  }
  names.resize(static_cast<std::size_t>(*count));
  if (environment.names == nullptr) return names;
  const auto given = split(environment.names, ':');
  for (std::size_t i = 0; i < names.size() && i < given.size(); ++i) {
    names[i] = escape_for_terminal(given[i], 64);
  }
  return names;
}

Result<std::vector<net::Listening>> take_inherited_sockets() {
  const auto names = names_of_inherited(ListenEnvironment::of_process(), getpid());
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) unsetenv(name);
  if (!names.ok()) return names.error();
  std::vector<net::Listening> sockets;
  for (std::size_t i = 0; i < names->size(); ++i) {
    auto socket = net::adopt_listener(kFirstInheritedFd + static_cast<int>(i));
    if (!socket.ok()) {
      Error error = socket.error();
      const std::string& name = (*names)[i];
      error.message = "socket activation: " + error.message +
                      (name.empty() ? std::string() : " (\"" + name + "\")") +
                      "; give ListenStream= an address and a port, as the [[listeners]] have them";
      return error;
    }
    sockets.push_back(*std::move(socket));
  }
  return sockets;
}

}  // namespace banyan::app
