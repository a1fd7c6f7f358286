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
#include "core/model/record_io.h"
#include "core/model/redaction.h"
#include "core/obs/metrics.h"
#include "proxy/capture.h"
#include "proxy/networks.h"
#include "proxy/options.h"
#include "proxy/proxy.h"
#include "routing/routing_table.h"

namespace banyan::proxy {

// Counts connections against both limits. Any thread; the lock is taken once per connection, and
// only where a limit per client is tighter than that for all.
class ConnectionLimits {
 public:
  explicit ConnectionLimits(const LimitOptions& options) : options_(options) {}
  bool enter(const std::string& address);
  void leave(const std::string& address);
  std::size_t open() const { return open_->load(std::memory_order_relaxed); }
  std::shared_ptr<const std::atomic<std::size_t>> shared_open() const { return open_; }

 private:
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
};

// Immutable once the workers run, but for the limits. Outlives them.
struct Shared {
  Shared(ProxyOptions given, Clock& a_clock, routing::RoutingCell& cell, LogDoor door,
         const model::Redactor& a_redactor, const crypto::KeyRing& keys, obs::Metrics& a_metrics,
         RefusedListener listener);

  const ProxyOptions options;
  Clock& clock;
  routing::RoutingCell& routing;
  const LogDoor log;
  const model::Redactor& redactor;
  obs::Metrics& metrics;
  const RefusedListener on_refused;
  const CaptureLimits capture_limits;
  const int workers;
  ConnectionLimits connections;
};

}  // namespace banyan::proxy
