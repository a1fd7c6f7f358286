// SPDX-License-Identifier: Apache-2.0
#include "core/net/endpoints.h"

#include <algorithm>
#include <utility>

#include "core/base/text.h"
#include "core/obs/log.h"

namespace banyan::net {
namespace {

// An address that refused a connection is passed over for this long while others remain.
constexpr std::int64_t kRestNs = 1'000'000'000;

bool is_connect_failure(UpstreamFailureKind kind) {
  return kind == UpstreamFailureKind::kConnectFailed ||
         kind == UpstreamFailureKind::kConnectTimeout || kind == UpstreamFailureKind::kTlsFailed;
}

std::string what_failed(UpstreamFailureKind kind, std::string_view detail) {
  std::string what(to_string(kind));
  if (!detail.empty()) what.append(" (").append(escape_for_terminal(detail, 200)).append(")");
  return what;
}

}  // namespace

Endpoints::Endpoints(std::string system, EndpointsOptions options)
    : system_(std::move(system)),
      failures_max_(options.failures_max),
      counts_gateway_errors_(options.counts_gateway_errors),
      options_(options),
      set_(std::make_shared<EndpointSet>(std::vector<std::shared_ptr<Endpoint>>(), 0)) {}

std::shared_ptr<Endpoints> Endpoints::fixed(std::vector<UpstreamAddress> addresses) {
  auto endpoints = std::make_shared<Endpoints>("");
  endpoints->set_addresses(std::move(addresses), 0);
  return endpoints;
}

void Endpoints::say(bool is_bad, const std::string& message) const {
  if (system_.empty()) return;
  obs::log(is_bad ? obs::Level::kWarning : obs::Level::kInfo, "net",
           "systems." + system_ + ": " + message);
}

std::shared_ptr<const EndpointSet> Endpoints::snapshot() const {
  MutexLock lock(mutex_);
  return set_;
}

void Endpoints::refresh(std::shared_ptr<const EndpointSet>& held) const { held = snapshot(); }

void Endpoints::set_options(const EndpointsOptions& options) {
  failures_max_.store(options.failures_max, std::memory_order_relaxed);
  counts_gateway_errors_.store(options.counts_gateway_errors, std::memory_order_relaxed);
  MutexLock lock(mutex_);
  options_ = options;
}

void Endpoints::set_names(std::vector<NameStatus> names) {
  MutexLock lock(mutex_);
  names_ = std::move(names);
}

void Endpoints::set_addresses(std::vector<UpstreamAddress> addresses, std::int64_t now_ns,
                              bool is_starting) {
  MutexLock lock(mutex_);
  const EndpointSet& old = *set_;
  std::vector<std::shared_ptr<Endpoint>> next;
  std::string came, left;
  std::uint64_t left_out = 0;
  for (UpstreamAddress& address : addresses) {
    const auto is_same = [&address](const std::shared_ptr<Endpoint>& other) {
      return other->address() == address;
    };
    if (std::any_of(next.begin(), next.end(), is_same)) continue;
    if (next.size() >= kAddressesMax) {
      ++left_out;
      continue;
    }
    const auto known = std::find_if(old.endpoints_.begin(), old.endpoints_.end(), is_same);
    if (known != old.endpoints_.end()) {
      next.push_back(*known);
      continue;
    }
    came += " +" + address.text;
    next.push_back(std::make_shared<Endpoint>(std::move(address)));
    if (old.size() > 0 && !is_starting) start_slowly(*next.back(), now_ns);
  }
  for (const auto& endpoint : old.endpoints_) {
    if (std::find(next.begin(), next.end(), endpoint) == next.end()) {
      left += " -" + endpoint->address().text;
    }
  }
  if (left_out > 0 && left_out_ == 0) {
    say(true, std::to_string(left_out) + " addresses past the limit of " +
                  std::to_string(kAddressesMax) + " are not used; name fewer");
  }
  left_out_ = left_out;
  if (came.empty() && left.empty() && next.size() == old.size()) return;
  say(next.empty(), "addresses:" + came + left + ", " + std::to_string(next.size()) + " now");
  const std::uint64_t version = old.version() + 1;
  set_ = std::make_shared<EndpointSet>(std::move(next), version);
  version_.store(version, std::memory_order_release);
}

// ---- what pools report

void Endpoints::answered_with_gateway_error(Endpoint& endpoint, int status, std::int64_t now_ns) {
  if (circuit_.succeeded()) announce_closed();
  if (!counts_gateway_errors_.load(std::memory_order_relaxed)) return;
  count_failure(endpoint, now_ns, false, "status " + std::to_string(status));
}

void Endpoints::failed(Endpoint& endpoint, UpstreamFailureKind kind, std::string_view detail,
                       std::int64_t now_ns) {
  failures_[static_cast<int>(kind)].fetch_add(1, std::memory_order_relaxed);
  const std::string what = what_failed(kind, detail);
  count_failure(endpoint, now_ns, is_connect_failure(kind), what);
  Circuit::Options circuit;
  {
    MutexLock lock(mutex_);
    circuit = options_.circuit;
  }
  if (circuit_.failed(now_ns, circuit)) {
    say(true, std::to_string(circuit.failures_max) + " requests in a row failed, last " + what +
                  "; the circuit is open: copies wait, one probes from time to time");
  }
}

void Endpoints::rest(Endpoint& endpoint, std::int64_t now_ns) {
  MutexLock lock(mutex_);
  endpoint.resting_until_ns_ = now_ns + kRestNs;
  settle(endpoint);
}

void Endpoints::refused(UpstreamFailureKind kind) {
  failures_[static_cast<int>(kind)].fetch_add(1, std::memory_order_relaxed);
}

void Endpoints::announce_closed() { say(false, "answers again; the circuit is closed"); }

void Endpoints::count_failure(Endpoint& endpoint, std::int64_t now_ns, bool is_connect,
                              std::string_view what) {
  endpoint.failures_.fetch_add(1, std::memory_order_relaxed);
  endpoint.last_failure_ns_.store(now_ns, std::memory_order_relaxed);
  const std::uint32_t in_a_row =
      endpoint.failures_in_a_row_.fetch_add(1, std::memory_order_relaxed) + 1;
  const std::uint32_t in_a_row_max = failures_max_.load(std::memory_order_relaxed);
  const bool is_too_many = in_a_row_max > 0 && in_a_row >= in_a_row_max;
  if (!is_connect && !is_too_many) return;
  MutexLock lock(mutex_);
  if (is_connect) endpoint.resting_until_ns_ = now_ns + kRestNs;
  if (is_too_many) try_to_eject(endpoint, now_ns, what);
  settle(endpoint);
}

void Endpoints::recovered(Endpoint& endpoint, std::int64_t now_ns) {
  endpoint.failures_in_a_row_.store(0, std::memory_order_relaxed);
  MutexLock lock(mutex_);
  endpoint.resting_until_ns_ = 0;
  // It was asked although it is ejected: nobody else was there. A late answer of a request from
  // before may end an ejection early too, but only while no address is usable.
  if (endpoint.ejected_until_ns_ > now_ns && !set_->has_usable(now_ns)) {
    endpoint.ejected_until_ns_ = now_ns;
    start_slowly(endpoint, now_ns);
  }
  settle(endpoint);
}

// ---- judgement

void Endpoints::settle(Endpoint& endpoint) {
  const std::int64_t until = endpoint.is_unhealthy_
                                 ? Endpoint::kForEver
                                 : std::max(endpoint.resting_until_ns_, endpoint.ejected_until_ns_);
  endpoint.avoid_until_ns_.store(until, std::memory_order_relaxed);
}

void Endpoints::start_slowly(Endpoint& endpoint, std::int64_t from_ns) {
  if (options_.slow_start_ns <= 0) return;
  endpoint.ramp_from_ns_.store(from_ns, std::memory_order_relaxed);
  endpoint.ramp_until_ns_.store(from_ns + options_.slow_start_ns, std::memory_order_relaxed);
}

// Of the others at least one stays in, and no more than the share are out.
bool Endpoints::may_eject(const Endpoint& endpoint, std::int64_t now_ns) const {
  std::size_t others_in = 0, out = 1;
  for (const auto& other : set_->endpoints_) {
    if (other.get() == &endpoint) continue;
    if (other->ejected_until_ns_ > now_ns) ++out;
    if (other->ejected_until_ns_ <= now_ns && !other->is_unhealthy_) ++others_in;
  }
  if (others_in == 0) return false;
  return out == 1 || out * 100 <= std::size_t{options_.ejected_percent_max} * set_->size();
}

void Endpoints::try_to_eject(Endpoint& endpoint, std::int64_t now_ns, std::string_view what) {
  if (endpoint.ejected_until_ns_ > now_ns || !may_eject(endpoint, now_ns)) return;
  // Who has behaved for as long as the longest ejection starts over.
  if (now_ns - endpoint.ejected_until_ns_ >= options_.ejection_max_ns) {
    endpoint.ejections_in_a_row_ = 0;
  }
  std::int64_t length = options_.ejection_ns;
  for (std::uint32_t i = 0; i < endpoint.ejections_in_a_row_ && length < options_.ejection_max_ns;
       ++i) {
    length *= 2;
  }
  length = std::min(length, std::max(options_.ejection_max_ns, options_.ejection_ns));
  const std::uint32_t in_a_row = endpoint.failures_in_a_row_.load(std::memory_order_relaxed);
  ++endpoint.ejections_in_a_row_;
  ++endpoint.ejections_;
  endpoint.ejected_until_ns_ = now_ns + length;
  endpoint.is_announced_ejected_ = true;
  endpoint.reason_ = std::to_string(in_a_row) + " failures in a row, last " + std::string(what);
  // When it comes back, one more failure ejects it again.
  endpoint.failures_in_a_row_.store(std::max(options_.failures_max, 2U) - 1,
                                    std::memory_order_relaxed);
  start_slowly(endpoint, endpoint.ejected_until_ns_);
  say(true, endpoint.address().text + " is ejected for " + format_duration_ns(length) + ": " +
                endpoint.reason_);
}

void Endpoints::checked(Endpoint& endpoint, bool is_good, std::string_view why,
                        std::uint32_t needed, std::int64_t now_ns) {
  MutexLock lock(mutex_);
  const bool is_first = !std::exchange(endpoint.is_checked_, true);
  if (is_good != endpoint.is_unhealthy_) {
    endpoint.checks_in_a_row_ = 0;
    return;
  }
  if (++endpoint.checks_in_a_row_ < needed && !(is_first && is_good)) return;
  endpoint.checks_in_a_row_ = 0;
  endpoint.is_unhealthy_ = !is_good;
  if (is_good) {
    endpoint.reason_.clear();
    endpoint.failures_in_a_row_.store(0, std::memory_order_relaxed);
    start_slowly(endpoint, now_ns);
    say(false, endpoint.address().text + " is healthy again");
  } else {
    endpoint.reason_ = "health check: " + escape_for_terminal(why, 200);
    say(true, endpoint.address().text + " is unhealthy: " + escape_for_terminal(why, 200));
  }
  settle(endpoint);
}

void Endpoints::forget_checks(std::int64_t now_ns) {
  MutexLock lock(mutex_);
  for (const auto& endpoint : set_->endpoints_) {
    if (endpoint->is_unhealthy_) start_slowly(*endpoint, now_ns);
    endpoint->is_unhealthy_ = endpoint->is_checked_ = false;
    endpoint->checks_in_a_row_ = 0;
    settle(*endpoint);
  }
}

void Endpoints::sweep(std::int64_t now_ns) {
  MutexLock lock(mutex_);
  for (const auto& endpoint : set_->endpoints_) {
    if (!endpoint->is_announced_ejected_ || endpoint->ejected_until_ns_ > now_ns) continue;
    endpoint->is_announced_ejected_ = false;
    if (!endpoint->is_unhealthy_) endpoint->reason_.clear();
    say(false, endpoint->address().text + " takes requests again after its ejection");
  }
}

}  // namespace banyan::net
