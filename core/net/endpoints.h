// SPDX-License-Identifier: Apache-2.0
//
// The addresses of one system, shared by everybody who asks it: proxy workers, the mirror, runs and
// health checks. The list is a published snapshot that re-resolution and reload replace; an address
// that stays keeps its state, one that comes starts slowly, one that leaves takes no new requests.
// Pools report what they meet; here it is judged: rest after a refused connection, ejection after
// failures in a row, never of the last usable address.
// Any thread. The lock is taken when something changes or fails, never for a request that goes
// well.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/mutex.h"
#include "core/net/circuit.h"
#include "core/net/endpoint.h"
#include "core/net/upstream_failure.h"

namespace banyan::net {

struct EndpointsOptions {
  std::uint32_t failures_max = 5;             // in a row, then the address is ejected; 0: never
  bool counts_gateway_errors = true;          // answers 502, 503 and 504 are failures too
  std::int64_t ejection_ns = 10'000'000'000;  // doubles each time it is ejected again
  std::int64_t ejection_max_ns = 300'000'000'000;  // up to here; after as long it starts over
  std::uint32_t ejected_percent_max = 50;  // of the addresses at once; one of two always may be
  std::int64_t slow_start_ns = 10'000'000'000;  // of a new or recovered address; 0: none
  Circuit::Options circuit;
};

// Small, fast, and good enough to break ties. Confined to its owner.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed | 1) {}
  std::uint32_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<std::uint32_t>(state_ >> 32);
  }
  std::uint32_t below(std::uint32_t count) {
    return static_cast<std::uint32_t>((std::uint64_t{next()} * count) >> 32);
  }

 private:
  std::uint64_t state_;
};

// Immutable list; the endpoints in it live on.
class EndpointSet {
 public:
  EndpointSet(std::vector<std::shared_ptr<Endpoint>> endpoints, std::uint64_t version)
      : endpoints_(std::move(endpoints)), version_(version) {}

  static constexpr std::size_t kNone = SIZE_MAX;
  std::size_t size() const { return endpoints_.size(); }
  Endpoint& at(std::size_t index) const { return *endpoints_[index]; }
  const std::shared_ptr<Endpoint>& shared(std::size_t index) const { return endpoints_[index]; }
  std::uint64_t version() const { return version_; }
  bool has_usable(std::int64_t now_ns) const;
  bool has_usable_beside(const Endpoint& endpoint, std::int64_t now_ns) const;

  // Where one more request goes: of up to four addresses (of all, where there are no more) the one
  // with the fewest requests in flight; ties fall at random. Passes over those that are not usable;
  // if none is, takes the one that has been out longest. kNone if there is no address.
  std::size_t choose(std::int64_t now_ns, Dice& dice) const {
    if (endpoints_.size() <= 1) return endpoints_.empty() ? kNone : 0;
    return choose_of_many(now_ns, dice);
  }

 private:
  std::size_t choose_of_many(std::int64_t now_ns, Dice& dice) const;
  std::size_t choose_of_all(std::int64_t now_ns, Dice& dice) const;
  std::size_t least_bad() const;

  friend class Endpoints;
  const std::vector<std::shared_ptr<Endpoint>> endpoints_;
  const std::uint64_t version_;
};

// For status and metrics. Times are monotonic.
struct EndpointStatus {
  std::string address;
  std::string state;   // usable | slow_start | resting | ejected | unhealthy
  std::string health;  // unchecked | healthy | unhealthy
  std::string reason;  // why ejected or unhealthy; "" else
  std::uint64_t in_flight = 0, connections = 0, requests = 0, failures = 0, ejections = 0;
  std::uint64_t failures_in_a_row = 0;
  std::int64_t ejected_for_ns = 0;  // from now; 0 if it is not
  double share = 1;                 // of a full address's load
};

// A name among the system's URLs.
struct NameStatus {
  std::string name;
  std::size_t addresses = 0;  // in use
  std::uint64_t lookups = 0, failures = 0;
  std::uint64_t failures_in_a_row = 0;
  std::string error;  // of the last lookup; "" if it went well
};

struct EndpointsStatus {
  std::string system;
  std::string circuit;  // closed | open | half_open
  std::uint64_t circuit_openings = 0;
  std::uint64_t overloaded = 0;          // calls refused by bounds of pools
  std::uint64_t addresses_left_out = 0;  // past kAddressesMax, of the newest list
  std::uint64_t failures[kUpstreamFailureKinds] = {};
  std::vector<EndpointStatus> endpoints;
  std::vector<NameStatus> names;
};

class Endpoints {
 public:
  // More addresses of one system are left out, which is logged and shown.
  static constexpr std::size_t kAddressesMax = 240;

  // `system` names it in messages: "legacy".
  explicit Endpoints(std::string system, EndpointsOptions options = {});
  // Of addresses that never change, for the command line, probes and tests.
  static std::shared_ptr<Endpoints> fixed(std::vector<UpstreamAddress> addresses);

  // ---- for pools
  // `held` is the caller's copy; refreshed when stale.
  const EndpointSet& load(std::shared_ptr<const EndpointSet>& held) const {
    if (!held || held->version() != version_.load(std::memory_order_acquire)) refresh(held);
    return *held;
  }
  // A whole final head came.
  void answered(Endpoint& endpoint, int status, std::int64_t now_ns) {
    if (status >= 502 && status <= 504)
      return answered_with_gateway_error(endpoint, status, now_ns);
    if (endpoint.failures_in_a_row_.load(std::memory_order_relaxed) != 0)
      recovered(endpoint, now_ns);
    if (circuit_.succeeded()) announce_closed();
  }
  // What happened on this address; `detail` is for people.
  void failed(Endpoint& endpoint, UpstreamFailureKind kind, std::string_view detail,
              std::int64_t now_ns);
  // Passes it over for a second while others remain, as after a refused connection.
  void rest(Endpoint& endpoint, std::int64_t now_ns);
  // A bound of the pool refused a call, or the circuit did.
  void refused(UpstreamFailureKind kind);
  Circuit& circuit() { return circuit_; }

  // ---- for those who keep it current
  // Addresses that come start slowly, unless they are the first, or the system itself just starts.
  void set_addresses(std::vector<UpstreamAddress> addresses, std::int64_t now_ns,
                     bool is_starting = false);
  void set_options(const EndpointsOptions& options);
  void set_names(std::vector<NameStatus> names);  // for status()
  std::shared_ptr<const EndpointSet> snapshot() const;
  // One active check ended. After `needed` in a row that contradict the present health it turns;
  // the first check of all decides at once if it is good.
  void checked(Endpoint& endpoint, bool is_good, std::string_view why, std::uint32_t needed,
               std::int64_t now_ns);
  // Active checks were switched off: nobody is unhealthy any more.
  void forget_checks(std::int64_t now_ns);
  // Announces ejections that have ended. Called about once a second.
  void sweep(std::int64_t now_ns);

  const std::string& system() const { return system_; }
  EndpointsStatus status(std::int64_t now_ns) const;

 private:
  void refresh(std::shared_ptr<const EndpointSet>& held) const;
  void answered_with_gateway_error(Endpoint& endpoint, int status, std::int64_t now_ns);
  void recovered(Endpoint& endpoint, std::int64_t now_ns);
  void count_failure(Endpoint& endpoint, std::int64_t now_ns, bool is_connect,
                     std::string_view what);
  void try_to_eject(Endpoint& endpoint, std::int64_t now_ns, std::string_view what)
      REQUIRES(mutex_);
  bool may_eject(const Endpoint& endpoint, std::int64_t now_ns) const REQUIRES(mutex_);
  void start_slowly(Endpoint& endpoint, std::int64_t from_ns) REQUIRES(mutex_);
  static void settle(Endpoint& endpoint);
  EndpointStatus status_of(const Endpoint& endpoint, std::int64_t now_ns) const REQUIRES(mutex_);
  void announce_closed();
  void say(bool is_bad, const std::string& message) const;

  const std::string system_;
  Circuit circuit_;
  std::atomic<std::uint64_t> version_{0};
  std::atomic<std::uint32_t> failures_max_;
  std::atomic<bool> counts_gateway_errors_;
  std::atomic<std::uint64_t> failures_[kUpstreamFailureKinds] = {};
  mutable Mutex mutex_;
  EndpointsOptions options_ GUARDED_BY(mutex_);
  std::shared_ptr<const EndpointSet> set_ GUARDED_BY(mutex_);
  std::uint64_t left_out_ GUARDED_BY(mutex_) = 0;
  std::vector<NameStatus> names_ GUARDED_BY(mutex_);
};

}  // namespace banyan::net
