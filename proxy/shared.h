// SPDX-License-Identifier: Apache-2.0
//
// What all workers of one proxy share.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "core/base/clock.h"
#include "core/base/mutex.h"
#include "core/crypto/key_ring.h"
#include "core/crypto/subject_keys.h"
#include "core/http/message_reader.h"
#include "core/model/record_io.h"
#include "core/model/redaction.h"
#include "core/net/tls_server_context.h"
#include "core/obs/metrics.h"
#include "proxy/access_entry.h"
#include "proxy/capture.h"
#include "proxy/networks.h"
#include "proxy/options.h"
#include "proxy/proxy.h"
#include "proxy/refusals.h"
#include "routing/routing_table.h"

namespace banyan::proxy {

// Counts connections against both limits. Any thread; the lock is taken once per connection, and
// only where a limit per client is tighter than that for all.
class ConnectionLimits {
 public:
  explicit ConnectionLimits(const LimitOptions& options) : options_(options) {}
  // Without an address a connection counts only in the sum, until name_client().
  bool enter(const std::string& address);
  void leave(const std::string& address);
  // A connection that entered without an address has found out whose it is. False where that
  // client has enough; then it stays without.
  bool name_client(const std::string& address);
  std::size_t open() const { return open_->load(std::memory_order_relaxed); }
  std::shared_ptr<const std::atomic<std::size_t>> shared_open() const { return open_; }

 private:
  void forget_client(const std::string& address);
  bool counts_clients() const {
    return options_.connections_per_client_max < options_.connections_max;
  }
  const LimitOptions& options_;
  const std::shared_ptr<std::atomic<std::size_t>> open_ =
      std::make_shared<std::atomic<std::size_t>>(0);
  Mutex mutex_;
  std::unordered_map<std::string, std::size_t> by_client_ GUARDED_BY(mutex_);
};

struct ListenerFacts {
  NetworkSet trusted;
  bool writes_via = false;
  bool has_proxy_header = false;
  std::shared_ptr<net::TlsServerCell> tls;  // null: plain
  bool speaks_http2 = false;
};

// What can fail of a listener's options. `earlier` are those that these replace.
Result<std::shared_ptr<ListenerFacts>> make_facts(const ListenerOptions& options,
                                                  const ListenerFacts* earlier = nullptr);

// Outlives the workers. Immutable once they run, but for the limits, and for `options`,
// `capture_limits` and `read_limits`: these change at a reload, in place, while every worker stands
// still (Standstill). So whoever runs on a worker reads them without a lock, and keeps no view into
// them from one turn to the next.
struct Shared {
  Shared(ProxyOptions given, Clock& a_clock, routing::RoutingCell& cell, LogDoor door,
         const model::Redactor& a_redactor, const crypto::KeyRing& keys, obs::Metrics& a_metrics,
         RefusedListener listener, AccessSink* access_sink, crypto::SubjectKeys* subject_keys);
  void take_over(const ProxyOptions& next);

  ProxyOptions options;
  Clock& clock;
  routing::RoutingCell& routing;
  const LogDoor log;
  const model::Redactor& redactor;
  obs::Metrics& metrics;
  const RefusedListener on_refused;
  AccessSink* const access;             // null: no access log
  crypto::SubjectKeys* const subjects;  // null: records have no subject
  CaptureLimits capture_limits;
  const int workers;
  ConnectionLimits connections;
  Refusals refusals;
  http::ReadLimits read_limits;  // of requests; made of `options`
};

}  // namespace banyan::proxy
