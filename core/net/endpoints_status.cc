// SPDX-License-Identifier: Apache-2.0
//
// What Endpoints tells status and metrics.
#include "core/net/endpoints.h"

namespace banyan::net {

EndpointStatus Endpoints::status_of(const Endpoint& endpoint, std::int64_t now_ns) const {
  EndpointStatus status;
  status.address = endpoint.address().text;
  status.in_flight = endpoint.in_flight();
  status.connections = endpoint.connections_.load(std::memory_order_relaxed);
  status.requests = endpoint.requests_.load(std::memory_order_relaxed);
  status.failures = endpoint.failures_.load(std::memory_order_relaxed);
  status.failures_in_a_row = endpoint.failures_in_a_row_.load(std::memory_order_relaxed);
  status.ejections = endpoint.ejections_;
  status.share = static_cast<double>(endpoint.share(now_ns)) / Endpoint::kFullShare;
  const bool is_ejected = endpoint.ejected_until_ns_ > now_ns;
  if (is_ejected) status.ejected_for_ns = endpoint.ejected_until_ns_ - now_ns;
  status.health = !endpoint.is_checked_    ? "unchecked"
                  : endpoint.is_unhealthy_ ? "unhealthy"
                                           : "healthy";
  if (endpoint.is_unhealthy_) {
    status.state = "unhealthy";
  } else if (is_ejected) {
    status.state = "ejected";
  } else if (!endpoint.is_usable(now_ns)) {
    status.state = "resting";
  } else {
    status.state = status.share < 1 ? "slow_start" : "usable";
  }
  if (endpoint.is_unhealthy_ || is_ejected) status.reason = endpoint.reason_;
  return status;
}

EndpointsStatus Endpoints::status(std::int64_t now_ns) const {
  EndpointsStatus status;
  status.system = system_;
  status.circuit = to_string(circuit_.state());
  status.circuit_openings = circuit_.openings();
  for (int i = 0; i < kUpstreamFailureKinds; ++i) {
    status.failures[i] = failures_[i].load(std::memory_order_relaxed);
  }
  status.overloaded = status.failures[static_cast<int>(UpstreamFailureKind::kOverloaded)];
  MutexLock lock(mutex_);
  status.addresses_left_out = left_out_;
  status.names = names_;
  for (const auto& endpoint : set_->endpoints_) {
    status.endpoints.push_back(status_of(*endpoint, now_ns));
  }
  return status;
}

}  // namespace banyan::net
