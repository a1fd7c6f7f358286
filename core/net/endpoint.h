// SPDX-License-Identifier: Apache-2.0
//
// One address of a system and what is known of it. Shared by the pools of all threads through
// Endpoints (endpoints.h), which alone judges it; a pool only counts.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

namespace banyan::net {

// Where a system can be reached. Two are the same endpoint if all of it is equal.
struct UpstreamAddress {
  std::string text;            // "127.0.0.1:9001": for messages, metrics and status
  std::string socket_address;  // the bytes of a sockaddr
  std::string host;            // as the URL names it, without port: for TLS to verify
  bool is_secure = false;      // https://
  bool operator==(const UpstreamAddress&) const = default;
};

// Any thread. Every figure is a relaxed atomic: readers see some recent value, never a torn one.
class alignas(64) Endpoint {
 public:
  explicit Endpoint(UpstreamAddress address) : address_(std::move(address)) {}
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  const UpstreamAddress& address() const { return address_; }

  // A request is on its way here, until leave().
  void enter() {
    in_flight_.fetch_add(1, std::memory_order_relaxed);
    requests_.fetch_add(1, std::memory_order_relaxed);
  }
  void leave() { in_flight_.fetch_sub(1, std::memory_order_relaxed); }
  std::uint32_t in_flight() const { return in_flight_.load(std::memory_order_relaxed); }

  void connection_opened() { connections_.fetch_add(1, std::memory_order_relaxed); }
  void connection_closed() { connections_.fetch_sub(1, std::memory_order_relaxed); }

  // Not ejected, not unhealthy, and not refused a connection just now.
  bool is_usable(std::int64_t now_ns) const {
    return avoid_until_ns_.load(std::memory_order_relaxed) <= now_ns;
  }
  // Its share of what a full address takes, in 1/256: less while it starts slowly.
  static constexpr std::uint32_t kFullShare = 256;
  std::uint32_t share(std::int64_t now_ns) const {
    const std::int64_t until = ramp_until_ns_.load(std::memory_order_relaxed);
    return until <= now_ns ? kFullShare : ramp_share(now_ns, until);
  }

 private:
  friend class Endpoints;
  friend class EndpointSet;
  static constexpr std::int64_t kForEver = INT64_MAX;

  std::uint32_t ramp_share(std::int64_t now_ns, std::int64_t until_ns) const;

  // What every request touches, on a line of its own.
  std::atomic<std::uint32_t> in_flight_{0};
  std::atomic<std::uint32_t> failures_in_a_row_{0};
  std::atomic<std::int64_t> avoid_until_ns_{0};  // the latest of what stands below
  std::atomic<std::int64_t> ramp_until_ns_{0};
  std::atomic<std::uint64_t> requests_{0};
  std::atomic<std::uint64_t> failures_{0};
  std::atomic<std::int64_t> last_failure_ns_{0};
  std::atomic<std::uint32_t> connections_{0};

  // Written by Endpoints under its lock.
  alignas(64) std::atomic<std::int64_t> ramp_from_ns_{0};
  std::int64_t resting_until_ns_ = 0;
  std::int64_t ejected_until_ns_ = 0;
  std::uint32_t ejections_in_a_row_ = 0;
  std::uint64_t ejections_ = 0;
  bool is_announced_ejected_ = false;  // the operator's log said so
  bool is_checked_ = false;            // by an active health check, at least once
  bool is_unhealthy_ = false;
  std::uint32_t checks_in_a_row_ = 0;  // that contradict the present health
  std::string reason_;                 // of the ejection or bad health
  const UpstreamAddress address_;
};

// A request's place on its endpoint: counts in, and out when it ends.
class EndpointUse {
 public:
  EndpointUse() = default;
  ~EndpointUse() { end(); }
  EndpointUse(const EndpointUse&) = delete;
  EndpointUse& operator=(const EndpointUse&) = delete;
  void begin(Endpoint& endpoint) {
    end();
    endpoint_ = &endpoint;
    endpoint.enter();
  }
  void end() {
    if (endpoint_ != nullptr) endpoint_->leave();
    endpoint_ = nullptr;
  }

 private:
  Endpoint* endpoint_ = nullptr;
};

}  // namespace banyan::net
