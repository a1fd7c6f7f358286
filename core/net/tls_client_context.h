// SPDX-License-Identifier: Apache-2.0
//
// The client's side of TLS towards one system. Verifies the server's certificate and its name
// unless told not to. Keeps sessions per name, so that new connections resume.
#pragma once

#include <memory>
#include <string_view>

#include "core/base/error.h"
#include "core/net/tls_options.h"
#include "core/net/tls_session.h"

namespace banyan::net {

// Immutable to its users; any thread.
class TlsClientContext : public std::enable_shared_from_this<TlsClientContext> {
 public:
  // Reads the files (blocking).
  static Result<std::shared_ptr<const TlsClientContext>> create(const TlsClientOptions& options);
  ~TlsClientContext();

  // `host` is the host of the system's URL: a name, or an address without brackets. What is sent
  // as SNI and verified is `server_name` where the options give one, else `host`.
  // `only_http1`: offers no other protocol, whatever the options say.
  std::unique_ptr<TlsSession> new_session(std::string_view host, bool only_http1 = false) const;
  bool verifies() const;

 private:
  TlsClientContext();
  friend struct TlsClientCallbacks;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace banyan::net
