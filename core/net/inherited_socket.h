// SPDX-License-Identifier: Apache-2.0
//
// Listening sockets that somebody else opened and holds on to (systemd socket activation), so that
// clients can connect while no Banyan runs.
#pragma once

#include "core/base/error.h"
#include "core/net/socket.h"

namespace banyan::net {

// Takes a descriptor over: checks that it is a listening TCP socket, and makes it non-blocking and
// close-on-exec. On an error it is left as it is.
Result<Listening> adopt_listener(int fd);
// A further descriptor of the same socket: it shares the queue of who waits to be accepted.
Result<UniqueFd> duplicate(int fd);

}  // namespace banyan::net
