// SPDX-License-Identifier: Apache-2.0
//
// Two ends of a TCP connection on loopback with TLS over it, driven in turns on one thread.
#pragma once

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "core/net/channel.h"
#include "core/net/socket.h"
#include "core/net/tls_client_context.h"
#include "core/net/tls_server_context.h"
#include "tests/core/net/socket_pair.h"
#include "tests/support/tls_material.h"

namespace banyan::net {

// Waits until one of both has something to read, at most briefly.
inline void wait_for_bytes(int a, int b) {
  pollfd waiting[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
  (void)::poll(waiting, 2, 50);
}

struct TlsPair {
  Channel client, server;
  HandshakeOutcome client_outcome = HandshakeOutcome::kWantRead;
  HandshakeOutcome server_outcome = HandshakeOutcome::kWantRead;
  TlsFailure client_failure = TlsFailure::kNone;
  std::string client_message;

  TlsPair(const std::shared_ptr<const TlsServerContext>& ours,
          const std::shared_ptr<const TlsClientContext>& theirs,
          std::string_view host = "localhost") {
    SocketPair sockets = connected_sockets();
    client = Channel(std::move(sockets.client), theirs->new_session(host));
    server = Channel(std::move(sockets.server), ours->new_session());
    shake();
  }

  bool is_done() const {
    return client_outcome == HandshakeOutcome::kDone && server_outcome == HandshakeOutcome::kDone;
  }

  // The client's first read takes the session tickets with it.
  std::string exchange(std::string_view request, std::string_view answer) {
    EXPECT_EQ(request.size(), client.send(request).bytes);
    std::string got = read_some(server);
    EXPECT_EQ(answer.size(), server.send(answer).bytes);
    return got + "|" + read_some(client);
  }

  // Bytes, or how it ended: "<closed>", "<truncated>", "<failed>".
  static std::string read_some(Channel& from) {
    char buffer[65536];
    for (int i = 0; i < 100; ++i) {
      const Received got = from.receive(buffer, sizeof buffer);
      switch (got.outcome) {
        case ReceiveOutcome::kBytes: return std::string(got.bytes);
        case ReceiveOutcome::kClosed: return "<closed>";
        case ReceiveOutcome::kFailed: return got.is_truncated ? "<truncated>" : "<failed>";
        case ReceiveOutcome::kWouldBlock: wait_for_bytes(from.fd(), from.fd());
      }
    }
    return "<nothing>";
  }

 private:
  static bool is_open(HandshakeOutcome outcome) {
    return outcome == HandshakeOutcome::kWantRead || outcome == HandshakeOutcome::kWantWrite;
  }
  void shake() {
    for (int i = 0; i < 200 && (is_open(client_outcome) || is_open(server_outcome)); ++i) {
      if (is_open(client_outcome)) client_outcome = client.handshake();
      if (is_open(server_outcome)) server_outcome = server.handshake();
      if (client_outcome == HandshakeOutcome::kFailed && client.is_open()) {
        client_failure = client.tls()->failure();
        client_message = client.tls()->failure_message();
        client.close();
      }
      if (server_outcome == HandshakeOutcome::kFailed) return last_words();
      wait_for_bytes(client.fd(), server.fd());
    }
  }
  // What the client learns of a server that refused.
  void last_words() {
    if (client_outcome == HandshakeOutcome::kDone) {
      char buffer[256];
      for (int i = 0; i < 20; ++i) {
        wait_for_bytes(client.fd(), client.fd());
        if (client.receive(buffer, sizeof buffer).outcome != ReceiveOutcome::kWouldBlock) break;
      }
      return;
    }
    for (int i = 0; i < 20 && is_open(client_outcome); ++i) {
      client_outcome = client.handshake();
      if (is_open(client_outcome)) wait_for_bytes(client.fd(), client.fd());
    }
  }
};

}  // namespace banyan::net
