// SPDX-License-Identifier: Apache-2.0
//
// Two ends of a stream, both the test's own.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <utility>

#include "core/net/socket.h"

namespace banyan::net {

struct SocketPair {
  UniqueFd client, server;  // non-blocking
};

inline SocketPair connected_sockets() {
  auto listening = listen_on("127.0.0.1:0", false);
  EXPECT_TRUE(listening.ok());
  const auto addresses = resolve_host_port(listening->address, false);
  const std::string& bytes = addresses->front().bytes;
  SocketPair pair;
  pair.client.reset(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  (void)::connect(pair.client.get(), reinterpret_cast<const sockaddr*>(bytes.data()),
                  static_cast<socklen_t>(bytes.size()));
  pollfd waiting{listening->fd.get(), POLLIN, 0};
  EXPECT_EQ(1, ::poll(&waiting, 1, 5000));
  Accepted accepted;
  EXPECT_EQ(AcceptOutcome::kAccepted, accept_from(listening->fd.get(), accepted));
  pair.server = std::move(accepted.fd);
  return pair;
}

inline SocketPair local_sockets() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends));
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace banyan::net
