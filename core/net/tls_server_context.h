// SPDX-License-Identifier: Apache-2.0
//
// The server's side of TLS for one listener: certificates by name, versions, ciphers, ALPN,
// clients' certificates, resumption. A reload builds a new one and puts it into the cell;
// handshakes from then on use it, open connections keep what they have.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/mutex.h"
#include "core/net/tls_options.h"
#include "core/net/tls_session.h"

namespace banyan::net {

class TicketKeys;

// Immutable; any thread. All workers of a listener share one, so that a client may resume at any.
class TlsServerContext : public std::enable_shared_from_this<TlsServerContext> {
 public:
  // Reads the files (blocking). `earlier` is what this one replaces: clients of both resume.
  // Certificates that are out of date are no error here: see check_tls().
  static Result<std::shared_ptr<const TlsServerContext>> create(
      const TlsServerOptions& options, const TlsServerContext* earlier = nullptr);
  ~TlsServerContext();

  std::unique_ptr<TlsSession> new_session() const;

  // What a person may want to know of a certificate: its names and its end.
  struct CertificateFacts {
    std::string file;
    std::string subject;
    std::vector<std::string> names;  // DNS names and addresses of the SAN
    std::int64_t not_before_s = 0;   // seconds since 1970
    std::int64_t not_after_s = 0;
  };
  const std::vector<CertificateFacts>& certificates() const;
  bool wants_client_certificates() const;

 private:
  TlsServerContext();
  friend struct TlsServerCallbacks;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Where the workers of a listener find its context. Any thread.
class TlsServerCell {
 public:
  explicit TlsServerCell(std::shared_ptr<const TlsServerContext> first)
      : context_(std::move(first)) {}
  std::shared_ptr<const TlsServerContext> load() const {
    MutexLock lock(mutex_);
    return context_;
  }
  void store(std::shared_ptr<const TlsServerContext> context) {
    MutexLock lock(mutex_);
    context_.swap(context);
  }

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const TlsServerContext> context_ GUARDED_BY(mutex_);
};

}  // namespace banyan::net
