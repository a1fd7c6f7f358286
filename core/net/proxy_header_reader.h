// SPDX-License-Identifier: Apache-2.0
//
// Reads the header of HAProxy's PROXY protocol, version 1 (text) and 2 (binary), from the front of
// a stream. Strict: what is not exactly such a header is refused. Pure, no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/net/socket.h"

namespace banyan::net {

// Why a header was refused, as a small set for counters.
enum class ProxyHeaderProblem {
  kNone,
  kMissing,  // the stream begins with something else
  kMalformed,
  kTooLong,
  kUnsupported,  // a version, command, or family that says nothing about a TCP client
};
std::string_view to_string(ProxyHeaderProblem problem);  // "missing", "malformed" …

class ProxyHeaderReader {
 public:
  enum class Outcome { kNeedMore, kDone, kRefused };

  // Takes bytes of the header off the front of `input`, never one behind it. Call until it is not
  // kNeedMore.
  Outcome next(std::string_view& input);

  // After kDone. False where the header names nobody (UNKNOWN, LOCAL, a socket of another family):
  // then the peer of the socket is the client, a health check of the balancer for example.
  bool names_client() const { return !client_.bytes.empty(); }
  const SocketAddress& client() const { return client_; }
  ProxyHeaderProblem problem() const { return problem_; }

  static constexpr std::size_t kTextBytesMax = 107;     // of version 1, with its CRLF
  static constexpr std::size_t kBinaryBytesMax = 4096;  // of version 2, with its extensions

 private:
  Outcome take(std::string_view& input, std::size_t size);
  Outcome next_text(std::string_view& input);
  Outcome next_binary(std::string_view& input);
  Outcome read_text(std::string_view line);
  Outcome read_binary();
  Outcome refuse(ProxyHeaderProblem problem);

  std::string bytes_;  // of the header so far
  SocketAddress client_;
  ProxyHeaderProblem problem_ = ProxyHeaderProblem::kNone;
};

}  // namespace banyan::net
