// SPDX-License-Identifier: Apache-2.0
//
// Socket activation as systemd does it: LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES say which
// descriptors from 3 on are listening sockets.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/net/socket.h"

namespace banyan::app {

inline constexpr int kFirstInheritedFd = 3;
inline constexpr std::size_t kInheritedMax = 1024;

// What the environment says; null pointers where a variable is not set.
struct ListenEnvironment {
  const char* pid = nullptr;
  const char* fds = nullptr;
  const char* names = nullptr;
  static ListenEnvironment of_process();
};

// One name per descriptor ("" where none was given). Empty where nothing was handed over, or it was
// meant for another process; an error for a count that is none.
Result<std::vector<std::string>> names_of_inherited(const ListenEnvironment& environment,
                                                    long own_pid);

// Takes the sockets over and the variables out of the environment, so that no child believes them.
// An error names the descriptor and what it is not.
Result<std::vector<net::Listening>> take_inherited_sockets();

}  // namespace banyan::app
