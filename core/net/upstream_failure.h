// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace banyan::net {

// Why a call to a system has no whole answer.
enum class UpstreamFailureKind {
  kConnectFailed,   // refused, unreachable, no address: nothing was sent
  kConnectTimeout,  // nothing was sent
  kOverloaded,      // no free connection within bounds: nothing was sent
  kFirstByteTimeout,
  kIdleTimeout,   // silence in the middle of the answer's body
  kReset,         // connection lost before or in the answer
  kBadAnswer,     // malformed
  kRequestStall,  // the system does not read the request's body
  kCircuitOpen,   // the system failed many times in a row (only who obeys it): nothing was sent
  kTlsFailed,     // no TLS, or none that can be trusted: nothing was sent
};
inline constexpr int kUpstreamFailureKinds = 10;
std::string_view to_string(UpstreamFailureKind kind);

}  // namespace banyan::net
